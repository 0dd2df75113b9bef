"""Asks the kernel to take the memory of a stopped process (process_madvise, Linux 5.10): best effort.

MADV_PAGEOUT writes pages out now, where there is swap, and drops those that can be read again from a file. It may be
asked for another process by a caller with CAP_SYS_NICE that may look into it; anybody else is refused.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator, Sequence
from typing import Final

_PROCESS_MADVISE: Final = 440  # the same number on every architecture
_MADV_PAGEOUT: Final = 21
_MOST_RANGES: Final = 512  # IOV_MAX is 1024
_STOP_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 0.02

Range = tuple[int, int]
"""(address, length)."""


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def reclaim_when_stopped(pid: int) -> bool:
    """Wait until the process is stopped (not for long) and have its memory taken; whether the kernel agreed. Blocks."""
    end = time.monotonic() + _STOP_SECONDS
    while not _is_stopped(pid) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    return reclaim(pid)


def reclaim(pid: int) -> bool:
    """Have the memory of the process taken; false when it is gone or the kernel refuses."""
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        with open(f"/proc/{pid}/maps", encoding="utf-8", errors="replace") as maps:
            ranges = list(private_ranges(maps.read()))
        parts = [ranges[start : start + _MOST_RANGES] for start in range(0, len(ranges), _MOST_RANGES)]
        return bool(parts) and all(_advise(pidfd, part) for part in parts)
    except OSError:
        return False
    finally:
        os.close(pidfd)


def private_ranges(maps: str) -> Iterator[Range]:
    """The parts of /proc/PID/maps that can be taken: private ones, without what the kernel itself shows there."""
    for line in maps.splitlines():
        fields = line.split(maxsplit=5)
        name = fields[5] if len(fields) > 5 else ""
        if not fields[1].endswith("p") or name in ("[vdso]", "[vvar]", "[vvar_vclock]", "[vsyscall]"):
            continue
        first, _, last = fields[0].partition("-")
        yield int(first, 16), int(last, 16) - int(first, 16)


def _advise(pidfd: int, ranges: Sequence[Range]) -> bool:
    pieces = (_Piece * len(ranges))(*(_Piece(*each) for each in ranges))
    libc = ctypes.CDLL(None, use_errno=True)
    count, flags = ctypes.c_size_t(len(ranges)), ctypes.c_uint(0)
    taken = libc.syscall(ctypes.c_long(_PROCESS_MADVISE), pidfd, pieces, count, _MADV_PAGEOUT, flags)
    return int(taken) >= 0


def _is_stopped(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return True  # it is gone: there is nothing to wait for
