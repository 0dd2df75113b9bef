"""Who is in no hurry lets the requests go first: for a while, while it starts beside another one, or as it ends.

It has a long time slice, so that who is woken for a request takes the processor from it. Where it can come forward
again, its priority is lower as well: anybody may step back (nice, setpriority(2)), but coming forward needs a limit
that allows it (RLIMIT_NICE), which a service that root has started gives to its pools, or CAP_SYS_NICE.
"""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Final

from host.processes.time_slice import LONGEST_NANOSECONDS, let_others_go_first, set_time_slice, time_slice

LONGEST_SECONDS: Final = 1.0
"""A start that needs longer than the fastest ones comes to its end at full speed."""

STEPPED_BACK: Final = 18
"""The nice value of a worker that starts while another one serves: beside a process that wants a processor all the time
it has a fiftieth of it. Not the last one, which a plugin may have chosen for something of its own."""

MEANWHILE: Final = 10
"""The nice value of those who have other things to do as well, while they see to a recycle: a tenth."""

_LIMIT_OF_ZERO: Final = 20  # RLIMIT_NICE counts from 1 (nice 19) to 40 (nice -20)
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
    if now >= STEPPED_BACK:
        return False
    return resource.getrlimit(resource.RLIMIT_NICE)[0] >= _LIMIT_OF_ZERO - now or _has_capability(_CAP_SYS_NICE)


@contextlib.contextmanager
def in_no_hurry() -> Iterator[None]:
    """Meanwhile who is woken goes before this thread; what it starts stays so."""
    priority, usual_slice = os.getpriority(os.PRIO_PROCESS, 0), time_slice()
    steps_back = priority < MEANWHILE and may_step_back()
    set_time_slice(LONGEST_NANOSECONDS)
    if steps_back:
        os.setpriority(os.PRIO_PROCESS, 0, MEANWHILE)
    try:
        yield
    finally:
        if steps_back:
            os.setpriority(os.PRIO_PROCESS, 0, priority)
        set_time_slice(usual_slice)


def step_back() -> None:
    """This thread, and what it starts, has a lower priority from now on."""
    os.setpriority(os.PRIO_PROCESS, 0, STEPPED_BACK)


def step_back_for_good() -> None:
    """All threads of this process, as it ends, have a lower priority and long time slices."""
    let_others_go_first()
    priority = max(os.getpriority(os.PRIO_PROCESS, 0), STEPPED_BACK)
    for name in os.listdir("/proc/self/task"):
        with contextlib.suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, int(name), priority)


def come_forward(pid: int, priority: int, usual_slice: int) -> None:
    """The threads of that process, and of those that it has started, have this priority and time slice from now on if
    they have stepped back. Nobody else is touched: a plugin may have chosen another one."""
    for thread in _threads_below(pid):
        with contextlib.suppress(OSError):  # it has ended, or become another user
            if os.getpriority(os.PRIO_PROCESS, thread) == STEPPED_BACK:
                os.setpriority(os.PRIO_PROCESS, thread, priority)
        if time_slice(thread) == LONGEST_NANOSECONDS:
            set_time_slice(usual_slice, thread)


class SteppedBack:
    """The children of this process that have stepped back, and come forward in time. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}  # by pid
        self.usual_priority = os.getpriority(os.PRIO_PROCESS, 0)
        self.usual_slice: Final = time_slice()

    def in_no_hurry(self) -> AbstractContextManager[None]:
        """To start one in. It will come forward to what this process has now: an administrator may have changed it."""
        self.usual_priority = os.getpriority(os.PRIO_PROCESS, 0)
        return in_no_hurry()

    def add(self, pid: int, now: float) -> None:
        """It has been started, and is not awaited."""
        self._until[pid] = now + LONGEST_SECONDS

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
