"""The command as a whole: help, version, exit statuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host import __version__
from tests.cli.command_line import CHECKOUT, isapy, typed

pytestmark = pytest.mark.slow


def test_version() -> None:
    """One line."""
    assert isapy("--version").stdout == f"isapy {__version__}\n"


def test_help_names_every_command_and_the_exit_statuses() -> None:
    """And there they stand at the line's begin."""
    text = isapy("--help").stdout
    for command in ("run", "check", "init", "new", "list", "status", "start", "stop", "recycle"):
        assert f"\n  {command} " in text
    assert "Exit status: 0 it worked" in text


@pytest.mark.parametrize("group", ["", "new", "list", "start", "recycle", "cache", "cert"])
def test_no_sentence_of_an_overview_is_cut_off_on_a_terminal_of_80_columns(group: str) -> None:
    """What a command does is said in its first line."""
    text = isapy(*group.split(), "--help", environment={"COLUMNS": "80"}).stdout
    overview = text.partition("Commands:")[2]
    assert overview
    assert "..." not in overview


@pytest.mark.parametrize(
    "command", ["run", "check", "init", "stop", "cc", "list requests", "new extension", "new filter", "recycle pool"]
)
def test_every_command_explains_itself(command: str) -> None:
    """Help is there and says more than the usage."""
    result = typed(*command.split(), "--help")
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) > 6


@pytest.mark.parametrize("arguments", [(), ("list",), ("new",), ("dance",), ("run", "--port", "0"), ("list", "stars")])
def test_a_wrong_command_line_is_status_2(arguments: tuple[str, ...]) -> None:
    """Usage goes out, no traceback."""
    result = typed(*arguments)
    assert result.returncode == 2
    assert "Usage: isapy" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("command", "meant"), [("reload", "saved configuration"), ("restart", "isapy recycle pool NAME"), ("ps", "status")]
)
def test_a_command_of_another_server_is_answered_with_its_name_here(command: str, meant: str) -> None:
    """Never with `unload`, which has nearly the letters of `reload` and ends an application's process."""
    result = isapy(command)
    assert result.returncode == 2
    assert f"isapy: there is no command {command}\n" in result.stderr
    assert meant in result.stderr
    assert "unload" not in result.stderr


@pytest.mark.parametrize("arguments", [("run",), ("run", "--config"), ("doctor",), ("init",)])
def test_what_lies_in_a_closed_folder_is_told_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """No traceback, which Python 3.11 has for it."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(65534)
        result = typed(*arguments, closed / "site" / "x")
    finally:
        if is_root:
            os.seteuid(0)
    assert result.returncode in (1, 2)
    assert "Permission denied" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_command_starts_without_the_server_s_libraries() -> None:
    """Whoever asks for help does not wait for the event loop, the HTTP parser or psutil."""
    program = (
        "import sys, host.cli.main; "
        "print([name for name in ('uvloop', 'httptools', 'psutil', 'multiprocess', 'pluggy', 'asyncio', 'watchfiles') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=CHECKOUT, check=True)
    assert result.stdout == "[]\n"
