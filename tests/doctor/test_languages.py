"""Which programs of this machine stand in for those that scripts name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.doctor import machine
from host.doctor.languages import languages_here


@pytest.fixture(autouse=True)
def forgetful() -> None:
    """Nothing of what other tests were told."""
    for remembered in (languages_here, machine.installed, machine.answers):
        remembered.cache_clear()


def test_what_is_on_the_path_is_found_by_its_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the name that first lines use; a shim that starts nothing is no Python."""
    for name, text in {"lua5.4": "exit 0", "perl": "exit 0", "python2": "exit 127", "python3": "echo 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "ruby").write_text("not executable")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert languages_here() == {
        "perl": os.fspath(tmp_path / "perl"),
        "python": os.fspath(tmp_path / "python3"),
        "lua": os.fspath(tmp_path / "lua5.4"),
    }
