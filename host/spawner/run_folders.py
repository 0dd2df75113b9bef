"""Temporary folders of single runs (`cgi/@privateTemp`): made before the program starts, gone when it, and what was
killed with it, have ended."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "isapy-run-"


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where the folders are made; empty: in the system's temporary folder. `restrict`, in a sandboxed pool, leaves the
    process that calls it no other temporary folder than the one that it names; programs are started cold then."""

    folder: str = ""
    restrict: Callable[[str], None] | None = None


def make_run_folder(place: str, user: int = -1, group: int = -1) -> bytes:
    """A new folder in `place`, closed to everybody but its owner: `user`, -1 this process's own. Raises OSError."""
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=place or None)
    try:
        os.chown(folder, user, group)
    except OSError:
        os.rmdir(folder)
        raise
    return os.fsencode(folder)


def set_run_folder(environment: list[bytes], folder: bytes) -> None:
    """Let TMPDIR in these `NAME=value` entries be the folder."""
    environment[:] = [entry for entry in environment if not entry.startswith(b"TMPDIR=")]
    environment.append(b"TMPDIR=" + folder)


def remove_run_folder(folder: bytes, *, waits: bool = False) -> None:
    """Take it away with all that is in it. What is not empty a fork of this process takes away, for which nobody needs
    to wait: a program may leave a great many files. `waits`: this process does it."""
    try:
        os.rmdir(folder)
        return
    except FileNotFoundError:
        return
    except OSError:
        pass  # there is something in it
    if waits:
        shutil.rmtree(folder, ignore_errors=True)
    elif os.fork() == 0:
        signal.set_wakeup_fd(-1)
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os._exit(0)
