"""The spinner."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading

import pytest

from tests.cli.command_line import CHECKOUT

pytestmark = pytest.mark.slow

SLOW = """
import sys
from host.cli.patience import patience
with patience("thinking hard"):
    sys.stdin.readline()
"""
NEWS = """
import sys
from host.cli.patience import patience
with patience("thinking hard") as tell:
    tell("waiting for GET /slow\\x1b[2J")
    sys.stdin.readline()
"""
QUICK = """
from host.cli.patience import patience
with patience("thinking hard"):
    pass
"""


def seen_on_a_terminal(code: str, ends_at: bytes = b"") -> str:
    """What a command shows on a pseudo-terminal; its input is a line as soon as it has shown `ends_at`."""
    near, far = pty.openpty()
    program = [sys.executable, "-c", code]
    shown: list[bytes] = []
    is_seen = threading.Event()

    def read() -> None:
        while True:
            try:
                shown.append(os.read(near, 4096))
                if ends_at in b"".join(shown):
                    is_seen.set()
            except OSError:  # the last process that had the terminal has ended
                return

    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(program, stdin=subprocess.PIPE, stderr=far, cwd=CHECKOUT, env=environment) as process:
        os.close(far)
        reader = threading.Thread(target=read)
        reader.start()
        if ends_at:
            is_seen.wait(60)
        process.communicate(b"\n" if ends_at else None, timeout=60)
        reader.join(60)
    os.close(near)
    return b"".join(shown).decode()


def test_news_take_the_place_of_the_text() -> None:
    """What the service waits for; a URL in it cannot command the terminal."""
    text = seen_on_a_terminal(NEWS, b"/slow\xef\xbf\xbd[2J")
    assert "waiting for GET /slow" in text
    assert "/slow\x1b" not in text


def test_shown_after_a_second_on_a_terminal() -> None:
    """A slow command says what it waits for."""
    assert "thinking hard" in seen_on_a_terminal(SLOW, b"thinking hard")


def test_a_quick_command_shows_nothing() -> None:
    """No flicker."""
    assert seen_on_a_terminal(QUICK) == ""


def test_never_into_a_pipe() -> None:
    """Programs read standard error, too."""
    code = "import threading; from host.cli.patience import patience\nwith patience('x'): threading.Event().wait(1.2)"
    program = [sys.executable, "-c", code]
    assert subprocess.run(program, capture_output=True, text=True, cwd=CHECKOUT, check=True).stderr == ""
