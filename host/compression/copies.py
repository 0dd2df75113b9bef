"""Compressed copies of static files: made once, in the background, kept on disk, sent by descriptor.

The copies of a pool lie in its private temporary folder, under a digest of path, stamp, coding and level, so that the
workers of a web garden share them. A worker knows in memory which ones it has seen: a request looks at no disk for a
copy that is not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from host.api import FileStamp, SourceFile, file_stamp
from host.compression.encoders import encoder

SMALL_COPY_BYTES: Final = 16 * 1024
"""Up to this size a copy is kept in memory and travels in the answer's frame, as small files do."""
MOST_COPIES: Final = 4096
"""Copies that a worker knows of; small ones hold 64 MiB at most."""
MOST_ORDERS: Final = 256
READ_BYTES: Final = 256 * 1024
KEPT_PERCENT: Final = 90
"""When the disk limit is reached, the oldest copies go until so much of it is used (IIS does the same)."""
TOUCH_SECONDS: Final = 60.0
SETTLED_NANOSECONDS: Final = 20_000_000
"""File times count in ticks: a file that is younger may be written again and nothing shows it."""
FOLDER: Final = "compressed-copies"
OWN_FOLDER: Final = "isapy-compressed-copies-"
"""Of a process without a private temporary folder; its number follows."""

Key = tuple[str, str, int]
"""Path of the original, coding, level."""


class Copy(NamedTuple):
    """One compressed copy. `content` of a small one, else it is the file `name`; nothing at all: it was not smaller."""

    stamp: FileStamp  # of the original
    name: str
    size: int
    content: bytes | None

    @property
    def is_useful(self) -> bool:
        """Whether it is smaller than its original."""
        return self.size > 0


class Order(NamedTuple):
    """A copy to be made. `most_disk_bytes`: of all copies of the pool; 0: no limit."""

    source: SourceFile
    coding: str
    level: int
    most_disk_bytes: int

    @property
    def key(self) -> Key:
        """Of the copy."""
        return self.source.path, self.coding, self.level


class Copies:
    """The copies of one worker. `run` calls a function on a thread and then the second one on the loop with its
    result; `clock` counts seconds."""

    def __init__(
        self, run: Callable[[Callable[[], object], Callable[[object], None]], None], clock: Callable[[], float]
    ) -> None:
        self._run = run
        self._clock = clock
        self._known: dict[Key, Copy] = {}
        self._touched: dict[str, float] = {}
        self._orders: dict[Key, Order] = {}
        self._folder = ""
        self._is_folder_own = False
        self._is_busy = False
        self._hits: dict[str, tuple[float, int]] = {}

    def find(self, source: SourceFile, coding: str, level: int) -> Copy | None:
        """The copy of the file as it is now, if it has been made."""
        key = (source.path, coding, level)
        copy = self._known.get(key)
        if copy is not None and copy.stamp != source.stamp:
            self._forget(key)
            return None
        return copy

    def open(self, source: SourceFile, copy: Copy, coding: str, level: int) -> int:
        """A descriptor of a copy that is a file; -1 when it has been cleared away."""
        path = os.path.join(self._folder, copy.name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            self._known.pop((source.path, coding, level), None)
            return -1
        now = self._clock()
        if now - self._touched.get(copy.name, 0.0) > TOUCH_SECONDS:  # its age says how long nobody wanted it
            self._touched[copy.name] = now
            with contextlib.suppress(OSError):
                os.utime(descriptor)
        return descriptor

    def is_frequent(self, path: str, threshold: int, period_seconds: float) -> bool:
        """Whether this is the hit that makes the file a frequent one; counted from the first one of a period."""
        now = self._clock()
        first_at, count = self._hits.get(path, (now, 0))
        if now - first_at > period_seconds:
            first_at, count = now, 0
        if len(self._hits) >= MOST_COPIES:
            self._hits.clear()
        self._hits[path] = (first_at, count + 1)
        return count + 1 >= threshold

    def order(self, order: Order) -> None:
        """Have a copy made in the background, one after the other."""
        if len(self._orders) < MOST_ORDERS:
            self._orders.setdefault(order.key, order)
        self._next()

    def close(self) -> None:
        """The worker ends: a folder of its own goes with it; that of the pool stays for the others."""
        self._orders.clear()
        if self._is_folder_own:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _next(self) -> None:
        if self._is_busy or not self._orders:
            return
        order = next(iter(self._orders.values()))
        self._is_busy = True

        def made(copy: object) -> None:
            self._is_busy = False
            self._orders.pop(order.key, None)
            if isinstance(copy, Copy):
                if len(self._known) >= MOST_COPIES:
                    self._forget(next(iter(self._known)))
                self._known[order.key] = copy
            self._next()

        self._run(lambda: self._make(order), made)

    def _forget(self, key: Key) -> None:
        copy = self._known.pop(key)
        self._touched.pop(copy.name, None)

    # --- on a thread

    def _make(self, order: Order) -> Copy | None:
        """Find what another worker has made, or make it. None: it could not be made (the disk is full, the file has
        changed); the next request orders it again."""
        try:
            if not os.path.isdir(self._folder):
                self._folder, self._is_folder_own = copies_folder()
            return _read_copy(order, self._folder) or _make_copy(order, self._folder)
        except OSError:
            return None


def copies_folder() -> tuple[str, bool]:
    """The folder below the pool's private one; where there is none, a private one of this process (and True)."""
    base = tempfile.gettempdir()
    status = os.stat(base)
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        sweep(base)
        return tempfile.mkdtemp(prefix=f"{OWN_FOLDER}{os.getpid()}-"), True
    folder = os.path.join(base, FOLDER)
    os.makedirs(folder, mode=0o700, exist_ok=True)
    return folder, False


def sweep(base: str) -> None:
    """Remove the folders of processes of ours that were killed. One that lives elsewhere (another container) makes its
    folder again."""
    for entry in os.scandir(base):
        number = entry.name.removeprefix(OWN_FOLDER).partition("-")[0]
        if not entry.name.startswith(OWN_FOLDER) or not number.isdigit() or os.path.exists(f"/proc/{number}"):
            continue
        if (status := _status(entry)) is not None and status.st_uid == os.geteuid():
            shutil.rmtree(entry.path, ignore_errors=True)


def name_of(order: Order) -> str:
    """The name of a copy: it tells the original, its state, coding and level."""
    said = repr((order.source.path, order.source.stamp, order.coding, order.level))
    return hashlib.sha256(said.encode("utf-8", "surrogateescape")).hexdigest()


def make_room(folder: str, size: int, most_bytes: int) -> bool:
    """Whether `size` bytes more may lie in the folder; the copies that nobody wanted for longest go for them."""
    if not most_bytes:
        return True
    room = most_bytes * KEPT_PERCENT // 100
    if size > room:
        return False
    found = [
        (status.st_mtime, status.st_size, entry.path) for entry in os.scandir(folder) if (status := _status(entry))
    ]
    used = sum(one[1] for one in found)
    if used <= most_bytes:  # what is being made lies there, too
        return True
    for _, freed, path in sorted(found):
        if used <= room:
            break
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        used -= freed
    return True


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None


def _read_copy(order: Order, folder: str) -> Copy | None:
    name = name_of(order)
    try:
        with open(os.path.join(folder, name), "rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            content = stream.read() if size <= SMALL_COPY_BYTES else None
    except FileNotFoundError:
        return None
    return Copy(order.source.stamp, name, size, content)


def _make_copy(order: Order, folder: str) -> Copy | None:
    descriptor, partial = tempfile.mkstemp(dir=folder)
    try:
        with open(descriptor, "wb") as stream:
            size = _write_copy(order, stream.write)
        if size is None:
            return None
        if size >= order.source.size:
            return Copy(order.source.stamp, name_of(order), 0, None)
        if not make_room(folder, size, order.most_disk_bytes):
            return None
        os.rename(partial, os.path.join(folder, name_of(order)))
        return _read_copy(order, folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(partial)


def _write_copy(order: Order, write: Callable[[bytes], object]) -> int | None:
    """Compress the original; gives the size, or None when it is not what it was."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(order.source.path, flags)
    try:
        status = os.fstat(descriptor)
        if file_stamp(status) != order.source.stamp or not is_settled(status, time.time_ns()):
            return None
        stream, size = encoder(order.coding, order.level), 0
        while data := os.read(descriptor, READ_BYTES):
            size += _write(write, stream.compress(data))
            if order.most_disk_bytes and size > order.most_disk_bytes:
                return None
        size += _write(write, stream.finish())
        return size if file_stamp(os.fstat(descriptor)) == order.source.stamp else None
    finally:
        os.close(descriptor)


def is_settled(status: os.stat_result, now_nanoseconds: int) -> bool:
    """Whether another write to the file would show in its times."""
    return abs(now_nanoseconds - max(status.st_mtime_ns, status.st_ctime_ns)) > SETTLED_NANOSECONDS


def _write(write: Callable[[bytes], object], data: bytes) -> int:
    write(data)
    return len(data)
