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

SLOW = (
    "import threading; from host.cli.patience import patience\n"
    "with patience('thinking hard'): threading.Event().wait({seconds})"
)


def seen_on_a_terminal(seconds: float) -> str:
    """What a command of that length shows on a pseudo-terminal."""
    near, far = pty.openpty()
    program = [sys.executable, "-c", SLOW.format(seconds=seconds)]
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                shown.append(os.read(near, 4096))
            except OSError:  # the last process that had the terminal has ended
                return

    with subprocess.Popen(program, stderr=far, cwd=CHECKOUT, env={**os.environ, "TERM": "xterm"}) as process:
        os.close(far)
        reader = threading.Thread(target=read)
        reader.start()
        process.wait(30)
        reader.join(30)
    os.close(near)
    return b"".join(shown).decode()


def test_shown_after_a_second_on_a_terminal() -> None:
    """A slow command says what it waits for."""
    assert "thinking hard" in seen_on_a_terminal(1.4)


def test_a_quick_command_shows_nothing() -> None:
    """No flicker."""
    assert seen_on_a_terminal(0.05) == ""


def test_never_into_a_pipe() -> None:
    """Programs read standard error, too."""
    program = [sys.executable, "-c", SLOW.format(seconds=1.2)]
    assert subprocess.run(program, capture_output=True, text=True, cwd=CHECKOUT, check=True).stderr == ""
