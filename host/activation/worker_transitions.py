"""What becomes of a worker: (state, event) to (state, commands). The table is the automaton.

A worker is *starting* from the fork to its Ready, *running* while the front may hand it requests, *draining* while it
finishes what it has in hand, *gone* when its process has ended. One that does not answer its ping is *unresponsive*
while its stacks are read; then it is killed, or *orphaned*: left to a debugger, of no use to the pool any more. An idle
one (idleTimeoutAction Suspend) is *suspending* while the front lets go of it and it gives its memory back, and
*suspended* while its process is stopped, until the next demand wakes it. Every cell is filled: an event that means
nothing in a state says so by giving the state back.
"""

from __future__ import annotations

import enum
from typing import Final


class WorkerState(enum.Enum):
    """Where a worker stands; IIS's run-time states Starting, Running, Stopping, and gone."""

    STARTING = "Starting"
    RUNNING = "Running"
    DRAINING = "Stopping"
    UNRESPONSIVE = "Unresponsive"
    ORPHANED = "Orphaned"
    SUSPENDING = "Suspending"
    SUSPENDED = "Suspended"
    GONE = "Gone"


IN_PLACE: Final = (WorkerState.STARTING, WorkerState.RUNNING, WorkerState.SUSPENDING, WorkerState.SUSPENDED)
"""A worker in one of these takes requests, or soon will: what maxProcesses counts."""


class WorkerEvent(enum.Enum):
    """What can happen to a worker."""

    READY = "ready"  # it says that its plugins are loaded
    DRAIN = "drain"  # it shall end: recycled, idle, pool stopped
    LATE = "late"  # startupTimeLimit, shutdownTimeLimit or the time to end after a lost link has passed
    UNRESPONSIVE = "unresponsive"  # no answer to a ping within pingResponseTime
    EXAMINED = "examined"  # what it is doing is known, as far as it can be
    EXAMINED_TO_ORPHAN = "examined, to be orphaned"  # the same, and orphanWorkerProcess is set
    LINK_LOST = "link lost"  # its link or its control channel has ended: most often it is dying
    EXITED = "exited"  # the process has ended
    CANNOT_LOAD = "cannot load"  # the process has ended and said that starting it again is pointless
    SUSPEND = "suspend"  # it is idle, and the pool's idleTimeoutAction is Suspend
    PAUSED = "paused"  # the front hands it nothing more, and nothing is on its way to it
    BUSY = "busy"  # the front cannot let go of it: it has a request
    RELEASED = "released"  # it says that it has given its memory back
    WAKE = "wake"  # requests wait


class WorkerCommand(enum.Enum):
    """What the supervisor does about it."""

    ATTACH = "attach"  # give it to the front
    DETACH = "detach"  # tell the front to hand it nothing more; start shutdownTimeLimit
    AWAIT_EXIT = "await exit"  # give it a moment to end by itself, so that its exit status tells why
    EXAMINE = "examine"  # hand it nothing more; find out what it is doing
    DROP = "drop"  # the front closes its link: what it had in hand is saved as far as can be
    KILL = "kill"
    ORPHAN = "orphan"  # let it go: it no longer counts, orphanActionExe is run
    PAUSE = "pause"  # ask the front to hand it nothing more for the time being
    RELEASE = "release memory"  # ask it to give back what memory it can
    STOP = "stop the process"  # SIGSTOP
    CONTINUE = "continue the process"  # SIGCONT
    RESUME = "resume"  # the front may hand it requests again
    COUNT_FAILURE = "count failure"  # rapid-fail protection
    TAKE_OFFLINE = "take the pool off line"  # the next start would fail as this one did
    REPORT_STARTUP_LIMIT = "report start-up limit"
    REPORT_SHUTDOWN_LIMIT = "report shutdown limit"
    REPORT_PING = "report ping failure"
    REPORT_LINK_LOST = "report lost link"
    REPORT_DEATH = "report death"
    REPORT_END = "report end"


_S, _E, _C = WorkerState, WorkerEvent, WorkerCommand

TRANSITIONS: Final[dict[tuple[WorkerState, WorkerEvent], tuple[WorkerState, tuple[WorkerCommand, ...]]]] = {
    (_S.STARTING, _E.READY): (_S.RUNNING, (_C.ATTACH,)),
    (_S.STARTING, _E.DRAIN): (_S.DRAINING, (_C.KILL,)),  # it has never had a request
    (_S.STARTING, _E.LATE): (_S.DRAINING, (_C.REPORT_STARTUP_LIMIT, _C.COUNT_FAILURE, _C.KILL)),
    (_S.STARTING, _E.UNRESPONSIVE): (_S.STARTING, ()),  # pings begin after Ready
    (_S.STARTING, _E.EXAMINED): (_S.STARTING, ()),
    (_S.STARTING, _E.EXAMINED_TO_ORPHAN): (_S.STARTING, ()),
    (_S.STARTING, _E.LINK_LOST): (_S.STARTING, ()),  # startupTimeLimit is running already
    (_S.STARTING, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.STARTING, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_DEATH, _C.TAKE_OFFLINE)),
    (_S.STARTING, _E.SUSPEND): (_S.STARTING, ()),
    (_S.STARTING, _E.PAUSED): (_S.STARTING, ()),
    (_S.STARTING, _E.BUSY): (_S.STARTING, ()),
    (_S.STARTING, _E.RELEASED): (_S.STARTING, ()),
    (_S.STARTING, _E.WAKE): (_S.STARTING, ()),
    (_S.RUNNING, _E.READY): (_S.RUNNING, ()),
    (_S.RUNNING, _E.DRAIN): (_S.DRAINING, (_C.DETACH,)),
    (_S.RUNNING, _E.LATE): (_S.DRAINING, (_C.REPORT_LINK_LOST, _C.COUNT_FAILURE, _C.KILL)),
    (_S.RUNNING, _E.UNRESPONSIVE): (_S.UNRESPONSIVE, (_C.EXAMINE,)),
    (_S.RUNNING, _E.EXAMINED): (_S.RUNNING, ()),
    (_S.RUNNING, _E.EXAMINED_TO_ORPHAN): (_S.RUNNING, ()),
    (_S.RUNNING, _E.LINK_LOST): (_S.RUNNING, (_C.AWAIT_EXIT,)),
    (_S.RUNNING, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.RUNNING, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),  # it had loaded: that is a crash
    (_S.RUNNING, _E.SUSPEND): (_S.SUSPENDING, (_C.PAUSE,)),
    (_S.RUNNING, _E.PAUSED): (_S.RUNNING, ()),
    (_S.RUNNING, _E.BUSY): (_S.RUNNING, ()),
    (_S.RUNNING, _E.RELEASED): (_S.RUNNING, ()),
    (_S.RUNNING, _E.WAKE): (_S.RUNNING, ()),
    (_S.DRAINING, _E.READY): (_S.DRAINING, ()),
    (_S.DRAINING, _E.DRAIN): (_S.DRAINING, ()),
    (_S.DRAINING, _E.LATE): (_S.DRAINING, (_C.REPORT_SHUTDOWN_LIMIT, _C.KILL)),
    (_S.DRAINING, _E.UNRESPONSIVE): (_S.DRAINING, ()),  # shutdownTimeLimit is running already
    (_S.DRAINING, _E.EXAMINED): (_S.DRAINING, ()),
    (_S.DRAINING, _E.EXAMINED_TO_ORPHAN): (_S.DRAINING, ()),
    (_S.DRAINING, _E.LINK_LOST): (_S.DRAINING, ()),
    (_S.DRAINING, _E.EXITED): (_S.GONE, (_C.REPORT_END,)),
    (_S.DRAINING, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_END,)),
    (_S.DRAINING, _E.SUSPEND): (_S.DRAINING, ()),
    (_S.DRAINING, _E.PAUSED): (_S.DRAINING, ()),
    (_S.DRAINING, _E.BUSY): (_S.DRAINING, ()),
    (_S.DRAINING, _E.RELEASED): (_S.DRAINING, ()),
    (_S.DRAINING, _E.WAKE): (_S.DRAINING, ()),
    (_S.UNRESPONSIVE, _E.READY): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.DRAIN): (_S.UNRESPONSIVE, ()),  # its end is near
    (_S.UNRESPONSIVE, _E.LATE): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.UNRESPONSIVE): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.EXAMINED): (_S.DRAINING, (_C.REPORT_PING, _C.COUNT_FAILURE, _C.DROP, _C.KILL)),
    (_S.UNRESPONSIVE, _E.EXAMINED_TO_ORPHAN): (_S.ORPHANED, (_C.REPORT_PING, _C.COUNT_FAILURE, _C.DROP, _C.ORPHAN)),
    (_S.UNRESPONSIVE, _E.LINK_LOST): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.UNRESPONSIVE, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.UNRESPONSIVE, _E.SUSPEND): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.PAUSED): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.BUSY): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.RELEASED): (_S.UNRESPONSIVE, ()),
    (_S.UNRESPONSIVE, _E.WAKE): (_S.UNRESPONSIVE, ()),
    (_S.ORPHANED, _E.READY): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.DRAIN): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.LATE): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.UNRESPONSIVE): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.EXAMINED): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.EXAMINED_TO_ORPHAN): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.LINK_LOST): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.EXITED): (_S.GONE, (_C.REPORT_END,)),
    (_S.ORPHANED, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_END,)),
    (_S.ORPHANED, _E.SUSPEND): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.PAUSED): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.BUSY): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.RELEASED): (_S.ORPHANED, ()),
    (_S.ORPHANED, _E.WAKE): (_S.ORPHANED, ()),
    (_S.SUSPENDING, _E.READY): (_S.SUSPENDING, ()),
    (_S.SUSPENDING, _E.DRAIN): (_S.DRAINING, (_C.DETACH,)),
    (_S.SUSPENDING, _E.LATE): (_S.RUNNING, (_C.RESUME,)),  # it does not answer: its pings shall say why
    (_S.SUSPENDING, _E.UNRESPONSIVE): (_S.SUSPENDING, ()),  # nobody pings it
    (_S.SUSPENDING, _E.EXAMINED): (_S.SUSPENDING, ()),
    (_S.SUSPENDING, _E.EXAMINED_TO_ORPHAN): (_S.SUSPENDING, ()),
    (_S.SUSPENDING, _E.LINK_LOST): (_S.RUNNING, (_C.AWAIT_EXIT,)),
    (_S.SUSPENDING, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.SUSPENDING, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.SUSPENDING, _E.SUSPEND): (_S.SUSPENDING, ()),
    (_S.SUSPENDING, _E.PAUSED): (_S.SUSPENDING, (_C.RELEASE,)),
    (_S.SUSPENDING, _E.BUSY): (_S.RUNNING, (_C.RESUME,)),
    (_S.SUSPENDING, _E.RELEASED): (_S.SUSPENDED, (_C.STOP,)),
    (_S.SUSPENDING, _E.WAKE): (_S.RUNNING, (_C.RESUME,)),
    (_S.SUSPENDED, _E.READY): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.DRAIN): (_S.DRAINING, (_C.CONTINUE, _C.DETACH)),  # a stopped process cannot end in order
    (_S.SUSPENDED, _E.LATE): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.UNRESPONSIVE): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.EXAMINED): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.EXAMINED_TO_ORPHAN): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.LINK_LOST): (_S.RUNNING, (_C.CONTINUE, _C.AWAIT_EXIT)),
    (_S.SUSPENDED, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.SUSPENDED, _E.CANNOT_LOAD): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.SUSPENDED, _E.SUSPEND): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.PAUSED): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.BUSY): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.RELEASED): (_S.SUSPENDED, ()),
    (_S.SUSPENDED, _E.WAKE): (_S.RUNNING, (_C.CONTINUE, _C.RESUME)),
    (_S.GONE, _E.READY): (_S.GONE, ()),
    (_S.GONE, _E.DRAIN): (_S.GONE, ()),
    (_S.GONE, _E.LATE): (_S.GONE, ()),
    (_S.GONE, _E.UNRESPONSIVE): (_S.GONE, ()),
    (_S.GONE, _E.EXAMINED): (_S.GONE, ()),
    (_S.GONE, _E.EXAMINED_TO_ORPHAN): (_S.GONE, ()),
    (_S.GONE, _E.LINK_LOST): (_S.GONE, ()),
    (_S.GONE, _E.EXITED): (_S.GONE, ()),
    (_S.GONE, _E.CANNOT_LOAD): (_S.GONE, ()),
    (_S.GONE, _E.SUSPEND): (_S.GONE, ()),
    (_S.GONE, _E.PAUSED): (_S.GONE, ()),
    (_S.GONE, _E.BUSY): (_S.GONE, ()),
    (_S.GONE, _E.RELEASED): (_S.GONE, ()),
    (_S.GONE, _E.WAKE): (_S.GONE, ()),
}
