"""Plugin files: found, run, and what can be said of one that could not be run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from host.api import Response
from host.worker.plugin_code import PluginCode
from host.worker.plugin_loader import (
    declared_mappings,
    forget_preloaded,
    load_plugin_file,
    preload_plugin_file,
    traceback_text,
    where,
)


def test_a_file_runs_under_a_private_name(tmp_path: Path) -> None:
    """Dataclasses and annotations work; a failing file leaves no module behind."""
    good, bad = tmp_path / "ssl.py", tmp_path / "bad-name.py"
    good.write_text("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: 'int' = 1\nname = __name__\n")
    bad.write_text("x = 1 / 0\n")
    module = load_plugin_file(str(good), "host_extensions", PluginCode().code_of)
    assert module.name == "host_extensions.ssl"
    assert sys.modules["host_extensions.ssl"] is module
    assert module.A().x == 1
    with pytest.raises(ZeroDivisionError) as raised:
        load_plugin_file(str(bad), "host_extensions", PluginCode().code_of)
    assert "host_extensions.bad-name" not in sys.modules
    assert where(raised.value) == f"{bad}:1"
    assert traceback_text(raised.value).splitlines()[1] == f'  File "{bad}", line 1, in <module>'


def test_who_calls_isapy_wrongly_is_to_blame_and_not_the_line_that_refuses(tmp_path: Path) -> None:
    """Also where that line is compiled, and names its file by the way from the project's root."""
    refusing: dict[str, Any] = {}
    exec(compile("def refuse(): raise TypeError('no')", "host/worker/calling.py", "exec"), refusing)
    file = tmp_path / "shop.py"
    calls = {"Response": Response, "refuse": refusing["refuse"]}
    exec(compile("def answer(): return Response(status=7)\ndef use(): refuse()\n", str(file), "exec"), calls)
    for name, line in (("answer", 1), ("use", 2)):
        with pytest.raises((TypeError, ValueError)) as raised:
            calls[name]()
        assert where(raised.value) == f"{file}:{line}"
    with pytest.raises(TypeError) as raised:
        refusing["refuse"]()
    own = raised.value.with_traceback(raised.tb.tb_next)  # without this test's own frame
    assert where(own) == ""


def test_what_was_imported_for_others_is_forgotten_and_what_is_wanted_is_found(tmp_path: Path) -> None:
    """Of the folders that are named; a file of another folder stays, whoever wants it."""
    bundled, own = tmp_path / "bundled", tmp_path / "own"
    code = PluginCode()
    paths = []
    for folder, stem in ((bundled, "kept"), (bundled, "replaced"), (own, "mine")):
        folder.mkdir(exist_ok=True)
        path = folder / f"{stem}.py"
        path.write_text("made = object()\n")
        preload_plugin_file(str(path), "host_extensions", code.code_of, is_own=folder == bundled)
        paths.append(str(path))
    before = [sys.modules[f"host_extensions.{stem}"] for stem in ("kept", "replaced", "mine")]
    forget_preloaded({str(bundled)}, [(paths[0], "host_extensions")])
    assert "host_extensions.replaced" not in sys.modules
    after = [load_plugin_file(path, "host_extensions", code.code_of) for path in paths]
    assert [one is other for one, other in zip(before, after, strict=True)] == [True, False, True]


def test_mappings_of_a_broken_file_are_read_from_its_text(tmp_path: Path) -> None:
    """Good enough to answer 500.21 there; several, with and without names and verbs."""
    path = tmp_path / "broken.py"
    path.write_text(
        "def f(:\n"
        "    return [HandlerMapping(name='One', path=\"*.one\", verbs='GET,HEAD', pre=(1,)),\n"
        "        HandlerMapping(\n            path='*.two',\n        ), HandlerMapping(name='no path')]\n"
    )
    found = declared_mappings(str(path))
    assert [(mapping.name, mapping.path, mapping.verbs) for mapping in found] == [
        ("One", "*.one", "GET,HEAD"),
        ("broken", "*.two", "*"),
    ]
    assert declared_mappings(str(tmp_path / "missing.py")) == []


def test_the_place_of_an_error_is_the_plugins_last_line(tmp_path: Path) -> None:
    """Also for a syntax error, and nowhere when no line of a plugin took part."""
    path = tmp_path / "wrong.py"
    path.write_text("\n\nx = (\n")
    with pytest.raises(SyntaxError) as raised:
        load_plugin_file(str(path), "host_filters", PluginCode().code_of)
    assert where(raised.value).startswith(f"{path}:")
    assert where(RuntimeError("never raised")) == ""
