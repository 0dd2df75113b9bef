"""What a plugin declares, and what of it a parent reads before it forks."""

from __future__ import annotations

from pathlib import Path
from types import CodeType

import pytest

from host.bundled_files import bundled_folder
from host.worker.declarations import known_ahead, read_ahead, read_declarations
from host.worker.hooks import THREAD, new_plugin_manager, register
from host.worker.plugin_code import find_plugin_files
from host.worker.plugin_loader import load_plugin_file

OWN = sorted(
    (kind, path)
    for kind in ("extensions", "filters")
    for path in find_plugin_files([str(bundled_folder(kind))]).values()
)


def code_of(path: str) -> CodeType:
    return compile(Path(path).read_text(), path, "exec")


@pytest.mark.parametrize(("kind", "path"), OWN)
def test_what_is_read_ahead_of_our_own_plugins_is_what_a_worker_would_read(kind: str, path: str) -> None:
    """Hooks, with the thread for a plain handler, and declarations; each reader has hooks of its own."""
    name = Path(path).stem
    module = load_plugin_file(path, f"test_ahead_{kind}", code_of)
    hooks = register(new_plugin_manager(), module, name, "private")
    declared = read_declarations(hooks)
    read_ahead(module, name)
    known = known_ahead(module, name)
    if any(hook.takes_context for hook in hooks.values()):
        assert known is None  # its hooks are made for the process that calls them
        return
    assert known is not None
    assert {name: hook[1:] for name, hook in known[0].items()} == {name: hook[1:] for name, hook in hooks.items()}
    assert known[1] == declared
    known[0].clear()
    again = known_ahead(module, name)
    assert again is not None
    assert again[0]
    assert known_ahead(module, "another name") is None


def test_a_plain_handler_is_for_threads_unless_it_says_that_it_is_quick(tmp_path: Path) -> None:
    """And a module of which nothing was read ahead has nothing to tell."""
    path = tmp_path / "page.py"
    path.write_text("from host.api import hookimpl\n@hookimpl\ndef handle(request): ...\n")
    module = load_plugin_file(str(path), "test_ahead", code_of)
    assert known_ahead(module, "page") is None
    read_ahead(module, "page")
    known = known_ahead(module, "page")
    assert known is not None
    assert known[0]["handle"].kind == THREAD
    assert known[1].runs_programs
