"""Asking the kernel to take a stopped process's memory."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from host.activation.reclaim import private_ranges, reclaim, reclaim_when_stopped

MAPS = """\
55d0a000-55d0b000 r--p 00000000 08:01 131 /usr/bin/python3 with blanks
7f000000-7f100000 rw-p 00000000 00:00 0
7f200000-7f300000 rw-s 00000000 00:01 9 /memfd:shared (deleted)
7ffd0000-7ffd2000 rw-p 00000000 00:00 0 [stack]
7ffd4000-7ffd6000 r--p 00000000 00:00 0 [vvar]
7ffd6000-7ffd8000 r-xp 00000000 00:00 0 [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
"""


@contextmanager
def stopped_child() -> Iterator[int]:
    """A process that stops itself; killed and reaped afterwards."""
    with subprocess.Popen(["/bin/sh", "-c", "kill -STOP $$"]) as child:
        try:
            os.waitpid(child.pid, os.WUNTRACED)
            yield child.pid
        finally:
            child.kill()


def test_only_private_memory_is_taken() -> None:
    """Shared memory is somebody else's, too; what the kernel shows of itself is not memory."""
    assert list(private_ranges(MAPS)) == [
        (0x55D0A000, 0x1000),
        (0x7F000000, 0x100000),
        (0x7FFD0000, 0x2000),
    ]


def test_a_stopped_process_survives_having_its_memory_taken() -> None:
    """Whether this kernel and this user may or not: it is stopped afterwards as before, and runs on to its end."""
    with stopped_child() as pid:
        reclaim_when_stopped(pid)
        os.kill(pid, signal.SIGCONT)
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0)


def test_a_process_that_is_gone_is_no_error() -> None:
    """It may have been killed meanwhile."""
    with stopped_child() as pid:
        pass
    assert reclaim(pid) is False
