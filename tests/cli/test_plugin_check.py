"""What `isapy check` says of plugin files, without running any of them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from host.cli.plugin_check import plugin_problems
from host.config.model import Snapshot
from host.config.store import build_snapshot, read_source
from host.worker.hooks import HOOK_NAMES

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    for folder in ("conf", "extensions", "filters"):
        (tmp_path / folder).mkdir()
    path = tmp_path / "conf" / "applicationHost.config"
    path.write_text("<configuration />")
    return build_snapshot(read_source(str(path)), 1)


def test_plugins_that_will_not_be_loaded_are_named_with_line_and_remedy(tmp_path: Path, snapshot: Snapshot) -> None:
    """No Python, a module that is not there, a hook that isapy does not have; in both folders."""
    (tmp_path / "extensions" / "a.py").write_text("import os\ndef x(:\n")
    (tmp_path / "extensions" / "b.py").write_text("import os\nimport no_such_module.part\nraise SystemExit(1)\n")
    (tmp_path / "filters" / "c.py").write_text("from host.api import hookimpl\n\n@hookimpl\ndef on_lgo(request): ...\n")
    (tmp_path / "filters" / "d.py").write_bytes(b"x = 1\0")
    text = [str(problem) for problem in plugin_problems(snapshot)]
    begin = "this plugin will not be loaded: "
    assert text[0].startswith(f"{tmp_path}/extensions/a.py:2: {begin}it is no Python: ")
    assert text[1:3] == [
        f"{tmp_path}/extensions/b.py:2: {begin}there is no module no_such_module; "
        f"{sys.executable} -m pip install no_such_module",
        f"{tmp_path}/filters/c.py:4: {begin}on_lgo is not a hook of isapy; did you mean on_log?",
    ]
    assert text[3].startswith(f"{tmp_path}/filters/d.py:1: {begin}it is no Python: ")
    assert len(text) == 4


@pytest.mark.parametrize(
    "source",
    [
        "try:\n    import no_such_module\nexcept ImportError:\n    pass\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import no_such_module\n",
        "async def ask():\n    import no_such_module\n",
        "PATTERN = '\\d'\n",
        "import sys\nsys.path.append('/x')\nimport no_such_module\n",
        "@hookimpl(specname='handle')\ndef answer(request): ...\n",
        "def helper(): ...\n",
        "".join(f"@hookimpl\ndef {name}(): ...\n" for name in HOOK_NAMES),
    ],
)
def test_what_may_be_well_is_not_complained_about(tmp_path: Path, snapshot: Snapshot, source: str) -> None:
    """What depends on the run, functions that are no hooks, and every hook there is."""
    (tmp_path / "extensions" / "a.py").write_text(source)
    (tmp_path / "extensions" / "_shared.py").write_text("no plugin (")
    assert plugin_problems(snapshot) == []


def test_what_isapy_ships_is_sound() -> None:
    """The sample site's plugins, and those that every site has."""
    snapshot = build_snapshot(read_source(str(ROOT / "conf" / "applicationHost.config")), 1)
    assert snapshot.extension_folders
    assert plugin_problems(snapshot) == []
