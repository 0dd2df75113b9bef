"""What becomes of a worker: (state, event) to (state, commands). The table is the automaton.

A worker is *starting* from the fork to its Ready, *running* while the front may hand it requests, *draining* while it
finishes what it has in hand, *gone* when its process has ended. Every cell is filled: an event that means nothing in a
state says so by giving the state back.
"""

from __future__ import annotations

import enum
from typing import Final


class WorkerState(enum.Enum):
    """Where a worker stands; IIS's run-time states Starting, Running, Stopping, and gone."""

    STARTING = "Starting"
    RUNNING = "Running"
    DRAINING = "Stopping"
    GONE = "Gone"


class WorkerEvent(enum.Enum):
    """What can happen to a worker."""

    READY = "ready"  # it says that its plugins are loaded
    DRAIN = "drain"  # it shall end: recycled, idle, pool stopped
    LATE = "late"  # startupTimeLimit or shutdownTimeLimit has passed
    UNRESPONSIVE = "unresponsive"  # no answer to a ping within pingResponseTime
    EXITED = "exited"  # the process has ended


class WorkerCommand(enum.Enum):
    """What the supervisor does about it."""

    ATTACH = "attach"  # give it to the front
    DETACH = "detach"  # tell the front to hand it nothing more; start shutdownTimeLimit
    KILL = "kill"
    COUNT_FAILURE = "count failure"  # rapid-fail protection
    REPORT_STARTUP_LIMIT = "report start-up limit"
    REPORT_SHUTDOWN_LIMIT = "report shutdown limit"
    REPORT_PING = "report ping failure"
    REPORT_DEATH = "report death"
    REPORT_END = "report end"


_S, _E, _C = WorkerState, WorkerEvent, WorkerCommand

TRANSITIONS: Final[dict[tuple[WorkerState, WorkerEvent], tuple[WorkerState, tuple[WorkerCommand, ...]]]] = {
    (_S.STARTING, _E.READY): (_S.RUNNING, (_C.ATTACH,)),
    (_S.STARTING, _E.DRAIN): (_S.DRAINING, (_C.KILL,)),  # it has never had a request
    (_S.STARTING, _E.LATE): (_S.DRAINING, (_C.REPORT_STARTUP_LIMIT, _C.COUNT_FAILURE, _C.KILL)),
    (_S.STARTING, _E.UNRESPONSIVE): (_S.STARTING, ()),  # pings begin after Ready
    (_S.STARTING, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.RUNNING, _E.READY): (_S.RUNNING, ()),
    (_S.RUNNING, _E.DRAIN): (_S.DRAINING, (_C.DETACH,)),
    (_S.RUNNING, _E.LATE): (_S.RUNNING, ()),
    (_S.RUNNING, _E.UNRESPONSIVE): (_S.DRAINING, (_C.REPORT_PING, _C.COUNT_FAILURE, _C.KILL)),
    (_S.RUNNING, _E.EXITED): (_S.GONE, (_C.REPORT_DEATH, _C.COUNT_FAILURE)),
    (_S.DRAINING, _E.READY): (_S.DRAINING, ()),
    (_S.DRAINING, _E.DRAIN): (_S.DRAINING, ()),
    (_S.DRAINING, _E.LATE): (_S.DRAINING, (_C.REPORT_SHUTDOWN_LIMIT, _C.KILL)),
    (_S.DRAINING, _E.UNRESPONSIVE): (_S.DRAINING, ()),  # shutdownTimeLimit is running already
    (_S.DRAINING, _E.EXITED): (_S.GONE, (_C.REPORT_END,)),
    (_S.GONE, _E.READY): (_S.GONE, ()),
    (_S.GONE, _E.DRAIN): (_S.GONE, ()),
    (_S.GONE, _E.LATE): (_S.GONE, ()),
    (_S.GONE, _E.UNRESPONSIVE): (_S.GONE, ()),
    (_S.GONE, _E.EXITED): (_S.GONE, ()),
}
