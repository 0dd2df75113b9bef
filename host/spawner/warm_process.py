"""What a fork of a warm Python has that its server has not: environment, standard streams, what `ps` shows; a part of
`warm_python.py`, and as old a Python's.

A fork pays for every page that it is the first to write on, and in Python looking is writing. So what can be is made
once, or by the server, which writes on the same few pages each time.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from typing import Any, Callable

from host.spawner.warm_modules import KEPT

MARK_ROOM = 64  # bytes for a request's id in the environment that the kernel shows
_NAMES = ("stdin", "stdout", "stderr")
_MARK = b"UNIQUE_ID="
_MOST_TIMES = 100


class ShownMemory:
    """The places where the kernel shows a process's command line and environment, of which `ps` and whoever looks for a
    request's processes read. Raises OSError or ValueError when they cannot be written."""

    def __init__(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        arguments, arguments_end, environment = (int(field) for field in fields[45:48])
        with open("/proc/self/environ", "rb") as file:
            shown = file.read()
        self._arguments = (arguments, arguments_end - arguments)
        self._mark = environment + shown.index(_MARK) + len(_MARK)
        self._between = shown[: shown.index(_MARK) + len(_MARK)] if environment == arguments_end else None
        given = dict(entry.split(b"=", 1) for entry in shown.split(b"\0") if b"=" in entry)
        self.start_changed = {name: value for name, value in os.environb.items() if given.get(name) != value}
        """Variables that the interpreter's start has set: LC_CTYPE (PEP 538), and what sitecustomize does."""
        self.start_removed = [name for name in given if name not in os.environb]
        self._write = _memory_writer()
        self.show(b"0" * MARK_ROOM, [b"isapy: warm " + os.fsencode(sys.executable)])

    def show(self, mark: bytes, argv: list[bytes]) -> None:
        """Write both into this process; what does not fit is cut."""
        place, room = self._arguments
        arguments = b"\0".join(argv)[: room - 1].ljust(room, b"\0")
        mark = mark.ljust(MARK_ROOM, b"\0")
        if self._between is not None:
            self._write(place, arguments + self._between + mark)
        else:
            self._write(self._mark, mark)
            self._write(place, arguments)


def _memory_writer() -> Callable[[int, bytes], object]:
    """By the kernel; in a sandbox, where nothing below /proc may be written, by ctypes, which a script imports anew."""

    def write(address: int, content: bytes) -> None:
        memory = os.open("/proc/self/mem", os.O_RDWR | os.O_CLOEXEC)
        os.pwrite(memory, content, address)
        os.close(memory)

    try:
        with open("/proc/self/mem", "r+b", buffering=0):
            return write
    except OSError:
        ctypes: Any = __import__("ctypes")
        for name in [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]:
            KEPT.append(sys.modules.pop(name))
        return lambda address, content: ctypes.memmove(address, content, len(content))


class Environment:
    """The variables of the next fork, and what of them it need not set: those that are as in the requests before are
    set in the server. Few of them change there, because libc keeps every value that a variable has ever had.
    """

    def __init__(self, start_changed: dict[bytes, bytes], start_removed: list[bytes]) -> None:
        self._start_changed, self._start_removed = start_changed, start_removed
        self._set = list(os.environb.items())  # in the order in which programs see them
        self._names: list[bytes] = []  # of the fork before
        self._times_left = _MOST_TIMES
        self._next: dict[bytes, bytes] = {}
        self._changes: list[tuple[bytes, bytes]] | None = None

    def prepare(self, entries: list[bytes]) -> None:
        """In the server: be what an order says, as the interpreter's start would have changed it."""
        wanted: dict[bytes, bytes] = {}
        for entry in entries:
            name, _, value = entry.partition(b"=")
            wanted[name] = value
        wanted.update(self._start_changed)
        for name in self._start_removed:
            wanted.pop(name, None)
        names, self._names = self._names, list(wanted)
        if names == self._names and self._times_left and names != [name for name, _ in self._set]:
            self._times_left -= 1
            self._replace(wanted)
        self._next, self._changes = wanted, None
        if len(wanted) == len(self._set):
            pairs = list(zip(wanted.items(), self._set))
            if all(new[0] == old[0] for new, old in pairs):
                self._changes = [new for new, old in pairs if new[1] != old[1]]

    def use(self) -> None:
        """In the fork: os.environ, and what programs inherit."""
        if self._changes is None:
            self._replace(self._next)
        else:
            for name, value in self._changes:
                os.putenv(name, value)
        os.environ._data = os.environb._data = self._next  # type: ignore[attr-defined]  # the dictionary of both

    def _replace(self, wanted: dict[bytes, bytes]) -> None:
        for name, _ in self._set:
            os.unsetenv(name)
        self._set = list(wanted.items())
        for name, value in self._set:
            os.putenv(name, value)


def settle_time_zone() -> None:
    """In a fork. Without TZ the zone is that of the server's start, and the server leaves when that changes."""
    if b"TZ" in os.environb:
        time.tzset()


class Streams:
    """sys.stdin and the others, made before over descriptors of the kinds that requests have; what they know of a
    descriptor is its kind."""

    def __init__(self) -> None:
        self._old = [getattr(sys, name) for name in _NAMES]
        self._null = os.stat(os.devnull).st_rdev
        self._made: list[dict[str, Any]] = [{}, {}, {}]
        reads, writes = os.pipe()
        null = os.open(os.devnull, os.O_RDONLY)
        for place, descriptor in ((0, reads), (0, null), (1, writes), (2, writes)):
            own = os.dup(place)
            os.dup2(descriptor, place)
            self._made[place][self._kind(place)] = _stream(self._old[place], place)
            os.dup2(own, place)
            os.close(own)
        for descriptor in (reads, writes, null):
            os.close(descriptor)

    def use(self) -> None:
        """In a fork, whose descriptors are its own: they are sys.stdin, sys.stdout and sys.stderr."""
        for place, name in enumerate(_NAMES):
            stream = self._made[place].get(self._kind(place)) or _stream(self._old[place], place)
            setattr(sys, name, stream)
            setattr(sys, "__" + name + "__", stream)

    def _kind(self, descriptor: int) -> str:
        status = os.fstat(descriptor)
        if stat.S_ISFIFO(status.st_mode):
            return "pipe"
        return "null" if stat.S_ISCHR(status.st_mode) and status.st_rdev == self._null else ""


def _stream(old: Any, descriptor: int) -> Any:
    """A standard stream like `old`, over what `descriptor` is now (CPython: create_stdio in pylifecycle.c)."""
    writes = descriptor > 0
    is_raw = isinstance(old.buffer, io.FileIO)
    buffer: Any = open(descriptor, "wb" if writes else "rb", buffering=0 if is_raw else -1, closefd=False)
    (buffer if is_raw else buffer.raw).name = old.name
    stream: Any = io.TextIOWrapper(
        buffer,
        encoding=old.encoding,
        errors=old.errors,
        newline="\n",
        line_buffering=old.line_buffering,
        write_through=old.write_through,
    )
    stream.mode = old.mode
    return stream
