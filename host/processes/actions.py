"""Runs a program that the configuration names for an occasion, and hears how it ended (pidfd, Linux 5.3)."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from host.config.names import ACTION_PATH
from host.processes.spawn import end_with_parent

_OUTPUT_KEPT: Final = 4096  # bytes, of the end
_READ_BYTES: Final = 65536
_ENVIRONMENT: Final = {"PATH": ACTION_PATH}


class ActionProgram:
    """One run. `on_end(status, output)` comes once: exit code or minus the signal, and the end of what it wrote."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, argv: Sequence[str], on_end: Callable[[int, str], None]
    ) -> None:
        """Start it. Raises OSError, and ValueError for a NUL in an argument."""
        self._loop = loop
        self._on_end = on_end
        self._output = b""
        self._reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                env=_ENVIRONMENT,
                start_new_session=True,
                preexec_fn=partial(end_with_parent, os.getpid()),  # noqa: PLW1509 - two system calls, prepared
            )
        except BaseException:
            os.close(self._reader)
            raise
        finally:
            os.close(writer)
        os.set_blocking(self._reader, False)
        self._pidfd = os.pidfd_open(self._process.pid)
        loop.add_reader(self._reader, self._read)
        loop.add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

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
        for descriptor in (self._reader, self._pidfd):  # what it has started may hold the pipe: nobody listens any more
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        status = self._process.wait()
        self._on_end(status, self._output.decode("utf-8", "replace").strip())
