"""What the operator is told at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.processes.console import own_command


def installation(folder: Path) -> str:
    """An environment with isapy in it; gives its Python."""
    folder.mkdir(parents=True)
    for name in ("python", "isapy"):
        (folder / name).write_text("")
        (folder / name).chmod(0o755)
    return str(folder / "python")


def test_the_command_to_type_is_the_one_that_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name where the PATH leads to this installation, through a link as well; otherwise by its place, short
    where the shell stands above it."""
    python = installation(tmp_path / "a site" / ".venv" / "bin")
    other = installation(tmp_path / "other")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "isapy").symlink_to(tmp_path / "a site" / ".venv" / "bin" / "isapy")
    monkeypatch.setenv("PWD", str(tmp_path / "a site"))
    assert own_command(python, str(tmp_path / "a site" / ".venv" / "bin")) == "isapy"
    assert own_command(python, str(tmp_path / "links")) == "isapy"
    assert own_command(python, "/nonexistent") == ".venv/bin/isapy"
    assert own_command(python, str(Path(other).parent)) == ".venv/bin/isapy"
    monkeypatch.setenv("PWD", "/nonexistent")
    assert own_command(python, "") == f"'{tmp_path}/a site/.venv/bin/isapy'"


def test_without_a_command_of_its_own_it_is_called_by_its_name(tmp_path: Path) -> None:
    """An isapy that is run in place (python -m host)."""
    assert own_command(str(tmp_path / "python"), "/nonexistent") == "isapy"
