"""A worker that starts while another one serves lets the requests go first: until it is ready, a second at most.

It has a long time slice from its fork on, so that who is woken for a request takes the processor from it. Where it can
come forward again, its priority is lower as well: anybody may step back (nice, setpriority(2)), but coming forward
needs a limit that allows it (RLIMIT_NICE), which a service that root has started gives to its pools, or CAP_SYS_NICE.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from typing import Any, Final

from host.processes.time_slice import LONGEST_NANOSECONDS, in_no_hurry, let_others_go_first, set_time_slice, time_slice

LONGEST_SECONDS: Final = 1.0
"""A start that needs longer than the fastest ones comes to its end at full speed."""

STEP: Final = 10
"""How far: beside a process that wants a processor all the time, such a worker has a tenth of it."""

_LIMIT_OF_ZERO: Final = 20  # RLIMIT_NICE counts from 1 (nice 19) to 40 (nice -20)
_NICEST: Final = 19
_CAP_SYS_NICE: Final = 23


def allow_to_come_forward() -> None:
    """Where this process may: it and its children can come back to the priority that it has now."""
    wanted = _LIMIT_OF_ZERO - os.getpriority(os.PRIO_PROCESS, 0)
    soft, hard = resource.getrlimit(resource.RLIMIT_NICE)
    if soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # it is not privileged
            resource.setrlimit(resource.RLIMIT_NICE, (wanted, max(hard, wanted)))


def may_step_back() -> bool:
    """Whether this process, and who is forked from it, could come forward again."""
    now = os.getpriority(os.PRIO_PROCESS, 0)
    if now + STEP > _NICEST:
        return False
    return resource.getrlimit(resource.RLIMIT_NICE)[0] >= _LIMIT_OF_ZERO - now or _has_capability(_CAP_SYS_NICE)


def step_back() -> None:
    """This thread, and what it starts, has a lower priority from now on."""
    os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + STEP)


def step_back_for_good() -> None:
    """All threads of this process, as it ends, have a lower priority and long time slices."""
    let_others_go_first()
    priority = min(os.getpriority(os.PRIO_PROCESS, 0) + STEP, _NICEST)
    for name in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, int(name), priority)


def come_forward(pid: int, priority: int, usual_slice: int) -> None:
    """The threads of that process, and of those that it has started, have this priority and time slice from now on if
    they have stepped back. Nobody else is touched: a plugin may have chosen another one."""
    for thread in _threads_below(pid):
        with contextlib.suppress(OSError):  # it has ended, or become another user
            if os.getpriority(os.PRIO_PROCESS, thread) == priority + STEP:
                os.setpriority(os.PRIO_PROCESS, thread, priority)
        if time_slice(thread) == LONGEST_NANOSECONDS:
            set_time_slice(usual_slice, thread)


class SteppedBack:
    """The children of this process that have stepped back, and come forward in time. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}  # by pid
        self.usual_slice: Final = time_slice()

    def start(self, process: Any, now: float) -> None:
        """Fork that one, a multiprocess Process: neither it nor the fork, milliseconds in the kernel, is in a hurry."""
        with in_no_hurry():
            process.start()
        self._until[process.pid] = now + LONGEST_SECONDS

    def discard(self, pid: int) -> None:
        """It has ended, if it had."""
        self._until.pop(pid, None)

    def look(self, now: float) -> None:
        """Those whose time is over come forward."""
        for pid in [pid for pid, end in self._until.items() if now >= end]:
            del self._until[pid]
            come_forward(pid, os.getpriority(os.PRIO_PROCESS, 0), self.usual_slice)


def _has_capability(number: int) -> bool:
    with open("/proc/self/status", "rb") as file:
        found = next((line for line in file if line.startswith(b"CapEff:")), b"CapEff: 0")
    return bool(int(found.split()[1], 16) >> number & 1)


def _threads_below(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/task"):
            yield int(name)
            with open(f"/proc/{pid}/task/{name}/children", "rb") as file:
                children = file.read()
            for child in children.split():
                yield from _threads_below(int(child))
