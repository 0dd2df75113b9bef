"""docs/plugins.md and docs/hooks.md against the code: every hook with its arguments, and samples that run."""

from __future__ import annotations

import ast
import asyncio
import hashlib
import inspect
import json
import re
from collections.abc import AsyncIterable
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

from host.api import SUBSTATUS_MEANINGS, Connection, HttpError, Response, hookspecs
from tests.extensions.requests import LOCAL, REMOTE, make_request

ROOT = Path(__file__).resolve().parents[2]
PLUGINS_PAGE = (ROOT / "docs/plugins.md").read_text()
HOOKS_PAGE = (ROOT / "docs/hooks.md").read_text()


def specified() -> dict[str, str]:
    """Every hook with its signature as it stands in the specification's source."""
    tree = ast.parse(inspect.getsource(hookspecs))
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            assert node.returns is not None
            found[node.name] = f"{node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"
    return found


def test_the_reference_has_every_hook_with_its_exact_arguments_in_order_and_nothing_else() -> None:
    """docs/hooks.md, level-three headings."""
    assert re.findall(r"^### `(.+)`$", HOOKS_PAGE, flags=re.M) == list(specified().values())


def test_every_hook_of_the_reference_is_explained() -> None:
    """A heading without a text would pass the test above."""
    for part in HOOKS_PAGE.split("\n### ")[1:]:
        _, _, text = part.partition("\n")
        assert len(text.partition("\n## ")[0].split()) >= 4, part


def test_the_order_table_names_every_hook_but_the_post_events_once() -> None:
    """The table at the top of docs/hooks.md."""
    table = HOOKS_PAGE.partition("| Order in one request")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+)`", table)
    wanted = {name for name in specified() if not name.startswith("post_")} - {"on_read_raw_data"}
    assert sorted(named) == sorted(wanted | {"post_request_handler_execute"})


def test_the_guide_lists_every_hook_with_its_arguments_and_nothing_else() -> None:
    """The table at the end of docs/plugins.md."""
    table = PLUGINS_PAGE.partition("## All hooks at a glance")[2]
    wanted = {re.sub(r": [\w \[\]]+| -> .*", "", signature) for signature in specified().values()}
    assert set(re.findall(r"`([^`]+)`", table)) == wanted


def test_hooks_named_anywhere_in_the_guide_exist_with_these_arguments() -> None:
    """In the text as in the samples: arguments may be left out, not invented."""
    calls = re.findall(r"(?:def |`)(\w+)\(([\w, ]*)\)", PLUGINS_PAGE)
    marked = set(re.findall(r"@hookimpl\n(?:async )?def (\w+)", PLUGINS_PAGE))
    assert marked <= set(specified())
    for name, arguments in calls:
        if name in specified():
            known = inspect.signature(getattr(hookspecs, name)).parameters
            assert set(filter(None, arguments.split(", "))) <= set(known), name


# --- the samples run ---------------------------------------------------------------------------------------------


def sample(name: str) -> ModuleType:
    """The code block that begins with `# <folder>/<name>.py`, loaded as a module."""
    match = re.search(rf"```python\n(# \w+/{name}\.py.*?)```", PLUGINS_PAGE, flags=re.S)
    assert match is not None, f"docs/plugins.md has no sample {name}.py"
    module = ModuleType(name)
    exec(compile(match[1], f"docs/plugins.md:{name}", "exec"), vars(module))
    return module


def test_every_code_sample_registers_without_an_unknown_hook() -> None:
    """With the real hook specifications: pluggy finds misspelt hooks and invented arguments."""
    names = re.findall(r"```python\n# \w+/(\w+)\.py", PLUGINS_PAGE)
    assert len(names) == PLUGINS_PAGE.count("```python") == 5
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for name in names:
        module = sample(name)
        manager.register(module, name)
        assert manager.get_hookcallers(module), name
    manager.check_pending()


def answer(handler: Any, root: Path, target: str, body: bytes = b"", connection: Connection = LOCAL) -> Response:
    response = handler(make_request(root, target, "POST" if body else "GET", body=body, connection=connection))
    assert isinstance(response, Response)
    return response


def test_the_extension_sample_greets_and_refuses(tmp_path: Path) -> None:
    """Its own mapping, its answer, its error."""
    greeting = sample("greeting")
    assert greeting.handler_mappings()[0].path == "*.greeting"
    assert answer(greeting.handle, tmp_path, "/x.greeting?name=you").body == b"Hello you\n"
    with pytest.raises(HttpError) as caught:
        answer(greeting.handle, tmp_path, "/x.greeting")
    assert (caught.value.status, caught.value.remedy) == (400, "Ask for /any.greeting?name=you")


def test_the_streaming_sample_ticks(tmp_path: Path) -> None:
    """An asynchronous generator as body."""

    async def collect() -> list[bytes]:
        response = await sample("ticker").handle(make_request(tmp_path, "/x.ticker?count=1"))
        assert isinstance(response.body, AsyncIterable)
        return [piece async for piece in response.body if isinstance(piece, bytes)]

    assert asyncio.run(collect()) == [b"tick 1\n"]


def test_the_body_sample_digests(tmp_path: Path) -> None:
    """Piece by piece."""
    body = b"x" * 10000
    response = answer(sample("digest").handle, tmp_path, "/x.digest", body)
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {"sha256": hashlib.sha256(body).hexdigest()}


def test_the_filter_sample_answers_while_its_flag_exists(tmp_path: Path) -> None:
    """Strangers get the page, this machine goes on; without the flag nobody notices."""
    maintenance = sample("maintenance")
    vars(maintenance)["FLAG"] = str(tmp_path / "flag")
    assert maintenance.on_preproc_headers(make_request(tmp_path, connection=REMOTE)) is None
    (tmp_path / "flag").touch()
    assert answer(maintenance.on_preproc_headers, tmp_path, "/", connection=REMOTE).status == 503
    assert maintenance.on_preproc_headers(make_request(tmp_path)) is None
    response = Response()
    maintenance.on_send_response(make_request(tmp_path), response)
    assert response.headers["X-Maintenance"] == "planned"


def test_the_module_sample_logs_in_by_token(tmp_path: Path) -> None:
    """With the token the private part opens, without it 401.2 and a challenge."""
    module = sample("token_login")
    request = make_request(tmp_path, "/private/x", fields={"Authorization": "Bearer s3cret"})
    module.authenticate_request(request)
    module.authorize_request(request)
    assert (request.user, request.auth_type) == ("alice", "Bearer")
    stranger = make_request(tmp_path, "/private/x")
    module.authenticate_request(stranger)
    with pytest.raises(HttpError) as caught:
        module.authorize_request(stranger)
    assert (caught.value.status, caught.value.substatus) == (401, 2)
    response = Response()
    module.post_request_handler_execute(request, response)
    assert response.headers["X-User"] == "alice"
    assert (401, 2) in SUBSTATUS_MEANINGS
