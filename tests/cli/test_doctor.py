"""`isapy doctor` as people run it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.command_line import isapy, typed

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One script that runs, one that can be mended, one that cannot."""
    folder = tmp_path / "old site"
    folder.mkdir()
    for name, text, mode in (
        ("good.sh", b"#!/bin/sh\n", 0o755),
        ("dos.sh", b"#!/bin/sh\r\necho\r\n", 0o644),
        ("wrong.pl", b"#!C:\\Rexx\\rexx.exe\n", 0o755),
    ):
        (folder / name).write_bytes(text)
        (folder / name).chmod(mode)
    return folder


def test_each_script_gets_a_line_and_its_reasons(folder: Path) -> None:
    """Status 1 while one will not run; what can be mended is said with the command."""
    result = typed("doctor", folder)
    assert result.returncode == 1
    assert "runs      good.sh" in result.stdout
    assert "will not  dos.sh" in result.stdout
    assert "error: it is not executable" in result.stdout
    assert "3 scripts, 1 will run" in result.stderr
    assert f"isapy doctor --fix '{folder}'" in result.stderr


def test_fix_mends_and_says_how_to_undo(folder: Path, tmp_path: Path) -> None:
    """The script runs afterwards; the command that it names brings the old file back."""
    result = isapy("doctor", folder, "--fix", "--json", environment={"ISAPY_STATE": str(tmp_path / "state")})
    report = json.loads(result.stdout)
    assert {each["path"]: each["will_run"] for each in report["scripts"]} == {
        "dos.sh": True,
        "good.sh": True,
        "wrong.pl": False,
    }
    assert report["fixed"] == [{"path": "dos.sh", "done": ["line_ends", "executable"], "refused": ""}]
    assert subprocess.run([folder / "dos.sh"], capture_output=True, check=True, timeout=60).stdout == b"\n"
    assert report["backups"].startswith(str(tmp_path / "state"))
    assert (Path(report["backups"]) / "dos.sh").read_bytes() == b"#!/bin/sh\r\necho\r\n"
    (folder / "wrong.pl").unlink()
    assert typed("doctor", folder).returncode == 0


def test_json_has_every_finding(folder: Path) -> None:
    """Rule, severity, line, remedy and whether it can be fixed."""
    report = json.loads(typed("doctor", folder, "--json").stdout)
    wrong = next(each for each in report["scripts"] if each["path"] == "wrong.pl")
    assert (wrong["language"], wrong["will_run"]) == ("rexx", False)
    finding = wrong["findings"][0]
    assert (finding["rule"], finding["severity"], finding["line"]) == ("windows-interpreter", "error", 1)
    assert finding["can_be_fixed"] is False


def test_what_cannot_be_looked_at(tmp_path: Path) -> None:
    """No folder, no such user: status 2, and what to do."""
    assert typed("doctor", tmp_path / "none").returncode == 2
    unknown = typed("doctor", tmp_path, "--user", "nobody-of-that-name")
    assert (unknown.returncode, "there is no user" in unknown.stderr) == (2, True)


def test_another_user_sees_with_other_permissions(folder: Path) -> None:
    """A folder that only its owner may pass through is closed to the pool's user."""
    folder.chmod(0o700)
    result = typed("doctor", folder, "--user", "nobody")
    assert "nobody may not pass through" in result.stdout
