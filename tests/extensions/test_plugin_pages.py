"""docs/plugins.md, docs/plugins/, docs/hooks.md against the code: every hook with its arguments; samples run."""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pluggy
import pytest

from host.api import hookspecs
from host.testing import PluginTest

ROOT = Path(__file__).resolve().parents[2]
PLUGINS_PAGE = (ROOT / "docs/plugins.md").read_text()
PAGES = [ROOT / "docs/plugins.md", *sorted((ROOT / "docs/plugins").glob("*.md")), ROOT / "docs/testing-plugins.md"]
GUIDE = "\n".join(page.read_text() for page in PAGES)
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
    calls = re.findall(r"(?:def |`)(\w+)\(([\w, ]*)\)", GUIDE)
    marked = set(re.findall(r"@hookimpl\n(?:async )?def (\w+)", GUIDE))
    assert marked <= set(specified())
    for name, arguments in calls:
        if name in specified():
            known = inspect.signature(getattr(hookspecs, name)).parameters
            assert set(filter(None, arguments.split(", "))) <= set(known), name


# --- the samples run ---------------------------------------------------------------------------------------------


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    """Every code block, written into the file that it names in its first line: `# extensions/greeting.py`."""
    found = re.findall(r"```(?:python|c)\n(?:# |/\* )(\w+/\w+\.(?:py|c))\b(.*?)```", GUIDE, flags=re.S)
    assert len(found) == GUIDE.count("```python") + GUIDE.count("```c\n") > 7, "a sample does not name its file"
    for name, _ in found:
        block = re.search(rf"```(?:python|c)\n((?:# |/\* ){re.escape(name)}.*?)```", GUIDE, flags=re.S)
        assert block is not None
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(block[1])
    return tmp_path


def test_every_code_sample_registers_without_an_unknown_hook(samples: Path) -> None:
    """With the real hook specifications: pluggy finds misspelt hooks and invented arguments."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    plugins = [*samples.glob("extensions/*.py"), *samples.glob("filters/*.py")]
    assert len(plugins) == 6
    for path in plugins:
        module = ModuleType(path.stem)
        exec(compile(path.read_text(), str(path), "exec"), vars(module))
        manager.register(module, path.stem)
        assert manager.get_hookcallers(module), path
    manager.check_pending()


def test_the_extension_samples_answer(samples: Path) -> None:
    """The greeting greets and refuses, the ticker ticks, the digest takes whatever comes."""
    body = b"x" * 1_000_000
    files = [samples / "extensions" / f"{name}.py" for name in ("greeting", "ticker", "digest")]
    with PluginTest(*files) as plugin:
        assert plugin.get("/x.greeting?name=you").text == "Hello you\n"
        refused = plugin.get("/x.greeting")
        assert (refused.status, "Ask for /any.greeting?name=you" in refused.text) == (400, True)
        with plugin.open("GET", "/x.ticker?count=1000") as request:
            assert (request.status, request.read()) == (200, b"tick 1\n")
        assert plugin.post("/x.digest", body).json() == {"sha256": hashlib.sha256(body).hexdigest()}
        assert plugin.blamed == []


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_the_filter_sample_answers_while_its_flag_exists(samples: Path, mode: str) -> None:
    """Strangers get the page, this machine goes on; without the flag nobody notices."""
    with PluginTest(
        filters=[samples / "filters" / "maintenance.py"], files={"a.txt": "a page"}, isolation_mode=mode
    ) as plugin:
        flag = samples / "flag"
        plugin.module("maintenance").FLAG = str(flag)
        assert plugin.request("GET", "/a.txt", remote="203.0.113.7").headers["X-Maintenance"] == "none"
        flag.touch()
        answer = plugin.request("GET", "/a.txt", remote="203.0.113.7")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "60")
        answer = plugin.get("/a.txt")
        assert (answer.text, answer.headers["X-Maintenance"]) == ("a page", "planned")


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_the_filter_context_sample_counts_the_requests_of_a_connection(samples: Path, mode: str) -> None:
    """Each connection by itself."""
    with PluginTest(
        filters=[samples / "filters" / "count_requests.py"], files={"a.txt": "a page"}, isolation_mode=mode
    ) as plugin:
        told = [plugin.request("GET", "/a.txt", connection=number) for number in (1, 2, 1)]
        assert [answer.headers["X-Request-Of-Connection"] for answer in told] == ["1", "1", "2"]


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_the_module_sample_logs_in_by_token(samples: Path, mode: str) -> None:
    """With the token the private part opens, without it 401.2 and a challenge."""
    with PluginTest(
        modules=[samples / "extensions" / "token_login.py"], files={"private/x.txt": "secret"}, isolation_mode=mode
    ) as plugin:
        answer = plugin.get("/private/x.txt", {"Authorization": "Bearer s3cret"})
        assert (answer.text, answer.headers["X-User"]) == ("secret", "alice")
        stranger = plugin.get("/private/x.txt")
        assert (stranger.status, stranger.substatus, stranger.headers["WWW-Authenticate"]) == (401, 2, "Bearer")


def test_the_native_sample_builds_and_counts(samples: Path) -> None:
    """By the command and the mapping of the page."""
    page = (ROOT / "docs/plugins/native.md").read_text()
    (command,) = re.findall(r"^    isapy (cc .+)$", page, flags=re.M)
    subprocess.run(
        [sys.executable, "-m", "host", *command.split()],
        cwd=samples,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    (mapping,) = re.findall(r"<add name=.+ />", page)
    with PluginTest(handlers=mapping.replace("%ISAPY_ROOT%", str(samples))) as plugin:
        assert [plugin.get("/x.count").text for _ in range(2)] == [f"request {n} of this worker\n" for n in (1, 2)]


def test_the_samples_of_tests_pass(samples: Path) -> None:
    """docs/testing-plugins.md, run by pytest beside the samples that they test."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=samples,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert "2 passed" in done.stdout, done.stdout
