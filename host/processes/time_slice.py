"""How long a thread keeps a processor for which others wait (sched_setattr(2), `sched_runtime` of an everyday thread).

Everybody may choose between 0.1 and 100 ms since Linux 6.12; older kernels take no notice. A longer slice changes
nothing about a thread's share of the processors. But one that is woken and has a shorter slice takes the processor from
it at once, where otherwise it waits for the end of the slice, which is looked at by the clock: every 4 ms at 250 Hz.
"""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

LONGEST_NANOSECONDS: Final = 100_000_000
"""The kernel takes no longer ones."""

_ATTRIBUTES: Final = struct.Struct("=IIQiIQQQ")  # struct sched_attr, its first version
_POLICY, _RUNTIME = 1, 5
_CALLS: Final = {  # sched_setattr, sched_getattr; the C library has them since glibc 2.41
    "x86_64": (314, 315),
    "aarch64": (274, 275),
    "riscv64": (274, 275),
    "loongarch64": (274, 275),
    "ppc64le": (355, 356),
    "s390x": (345, 346),
}
_SET, _GET = _CALLS.get(os.uname().machine, (0, 0)) if ctypes.sizeof(ctypes.c_void_p) == 8 else (0, 0)
_syscall: Final = ctypes.CDLL(None, use_errno=True).syscall


def time_slice(thread: int = 0) -> int:
    """The thread's (0: this one's) in nanoseconds; 0 where nobody knows: an older kernel, another policy, no thread."""
    return int(attributes[_RUNTIME]) if (attributes := _read(thread)) is not None else 0


def set_time_slice(nanoseconds: int, thread: int = 0) -> None:
    """Give it to the thread (0: this one), and to those that it will start. Without effect where `time_slice` is 0."""
    attributes = _read(thread)
    if attributes is not None and attributes[_RUNTIME]:
        raw = _ATTRIBUTES.pack(*attributes[:_RUNTIME], nanoseconds, *attributes[_RUNTIME + 1 :])
        _syscall(_SET, thread, ctypes.c_char_p(raw), 0)  # refused: it has ended, or become another user's


def let_others_go_first() -> None:
    """All threads of this process, from now on, and what they start: who is woken goes before them."""
    for name in os.listdir("/proc/self/task"):
        set_time_slice(LONGEST_NANOSECONDS, int(name))


def _read(thread: int) -> tuple[int, ...] | None:
    raw = ctypes.create_string_buffer(_ATTRIBUTES.size)
    if not _GET or _syscall(_GET, thread, raw, _ATTRIBUTES.size, 0) != 0:
        return None
    attributes: tuple[int, ...] = _ATTRIBUTES.unpack(raw.raw)
    return attributes if attributes[_POLICY] in (os.SCHED_OTHER, os.SCHED_BATCH) else None
