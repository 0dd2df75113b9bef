"""Runs one program, and answers for everything that this has started.

    python -I -S action_guard.py PARENT REPORT PROGRAM [ARGUMENT ...]

It ends when nothing is left of what the program has started, and with SIGTERM, which the kernel sends when PARENT
ends: then it ends all of it first (it is the subreaper, so that nothing gets away). To the pipe REPORT it writes the
program's exit code, or minus its signal, or in words why there was none. Only what Python itself brings is imported.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NAME: Final = 15
_PR_SET_CHILD_SUBREAPER: Final = 36


def main(parent: int, report: int, argv: list[str]) -> None:
    """The process's life."""
    prctl = ctypes.CDLL(None).prctl
    os.set_inheritable(report, False)
    prctl(_PR_SET_NAME, b"isapy: action", 0, 0, 0)
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGTERM, lambda _number, _frame: _end_everything())
    prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != parent:
        return
    try:
        program = os.posix_spawnp(
            argv[0],
            argv,
            {"PATH": os.environ["PATH"]},  # Python may have set LC_CTYPE for itself
            setsid=True,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    except OSError as error:
        os.write(report, str(error.strerror).encode())
        return
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, raw_status = os.wait()
            if pid == program:
                os.write(report, str(os.waitstatus_to_exitcode(raw_status)).encode())


def _end_everything() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with contextlib.suppress(ChildProcessError):
        while True:  # whose parent is killed comes here in its turn
            for pid in _children():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            os.wait()
    os.kill(os.getpid(), signal.SIGKILL)


def _children() -> list[int]:
    own_pid, found = os.getpid(), []
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            _state, parent = file.read().rpartition(b")")[2].split()[:2]
            if int(parent) == own_pid:
                found.append(int(pid))
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
