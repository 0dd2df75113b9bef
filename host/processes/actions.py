"""Runs a program that the configuration names for an occasion, and hears how it ended (pidfd, Linux 5.3).

A guard stands between the two (`action_guard.py`): what the program has started ends with it, with this process, and
when the time is over.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from host.activation.children import ProgramEnd
from host.config.names import ACTION_PATH
from host.processes import action_guard
from host.processes.spawn import end_with_parent, kill

_OUTPUT_KEPT: Final = 4096  # bytes, of the end
_READ_BYTES: Final = 65536
_ENVIRONMENT: Final = {"PATH": ACTION_PATH}


class ActionProgram:
    """One run. `on_end` is called once, when nothing is left of what the program has started."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, argv: Sequence[str], on_end: Callable[[ProgramEnd], None]
    ) -> None:
        """Start it. Raises OSError, and ValueError for a NUL in an argument."""
        self._loop = loop
        self._on_end = on_end
        self._output = b""
        self._why_ended = ""
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        self._report, report = os.pipe2(os.O_CLOEXEC)
        guard = [sys.executable, "-I", "-S", action_guard.__file__, str(os.getpid()), str(report)]
        try:
            self._process = subprocess.Popen(
                [*guard, *argv],
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=_ENVIRONMENT,
                pass_fds=[report],
                start_new_session=True,
                preexec_fn=partial(end_with_parent, os.getpid()),  # noqa: PLW1509 - two system calls, prepared
            )
        except BaseException:
            os.close(self._reader)
            os.close(self._report)
            raise
        finally:
            os.close(writer)
            os.close(report)
        os.set_blocking(self._reader, False)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._reader, self._read)
        loop.add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        """The guard's process id; the program is its child."""
        return self._process.pid

    def end(self, why: str) -> None:
        """Kill the program and all that it has started."""
        self._why_ended = self._why_ended or why
        kill(self._process.pid, signal.SIGTERM)

    def _read(self) -> bool:
        """Take what it has written; whether there may be more."""
        try:
            piece = os.read(self._reader, _READ_BYTES)
        except BlockingIOError:
            return False
        self._output = (self._output + piece)[-_OUTPUT_KEPT:]
        if not piece:
            self._loop.remove_reader(self._reader)
        return bool(piece)

    def _ended(self) -> None:
        while self._read():
            pass
        for descriptor in (self._reader, self._pidfd):
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        status = self._process.wait()
        with open(self._report, encoding="utf-8", errors="replace") as file:  # no other process has its other end
            report = file.read()
        output = self._output.decode("utf-8", "replace").strip()
        if report.lstrip("-").isdecimal():
            self._on_end(ProgramEnd(int(report), output, why_ended=self._why_ended))
        else:
            self._on_end(ProgramEnd(status, output, start_error=report, why_ended=self._why_ended))
