"""What becomes of an application pool: (state, event) to (state, commands). The table is the automaton.

A pool is *Starting* while its parent process cannot fork workers yet (requests wait in its queue), *Started* when it
can, *Stopping* while its workers finish what they have in hand (new requests are refused), *Stopped* when nothing of it
runs. Start and stop are control signals, not configuration: after a restart of the service a pool follows autoStart
again. Every cell is filled: an event that means nothing in a state says so by giving the state back.
"""

from __future__ import annotations

import enum
from typing import Final


class PoolState(enum.Enum):
    """IIS's run-time states of a pool."""

    STARTING = "Starting"
    STARTED = "Started"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class PoolEvent(enum.Enum):
    """What can happen to a pool."""

    START = "start"  # the administrator, or autoStart
    STOP = "stop"  # the administrator, or autoStart="false"
    PARENT_READY = "parent ready"  # workers can be forked
    PARENT_LOST = "parent lost"  # the parent process has ended without being told to
    RAPID_FAIL = "rapid fail"  # too many failures inside rapidFailProtectionInterval
    CANNOT_LOAD = "cannot load"  # parent or worker said that starting it again is pointless
    SHUT_DOWN = "shut down"  # a policy wants no workers for a time: cpu/@action="KillW3wp"
    FOUND_OFFLINE = "found off line"  # the service before this one (an upgrade) had taken it off line
    EMPTY = "empty"  # its last worker is gone


class PoolCommand(enum.Enum):
    """What the supervisor does about it."""

    ACCEPT = "accept"  # the front queues requests again
    FORGET_FAILURES = "forget failures"  # rapid-fail protection and the pauses between starts begin anew
    START_PARENT = "start parent"
    START_WORKERS = "start workers"  # those that requests wait for, or startMode="AlwaysRunning" demands
    REFUSE_DISABLED = "refuse: Disabled"  # 503, an administrator stopped it
    REFUSE_OFFLINE = "refuse: AppOffline"  # 503, its workers fail
    REFUSE_SHUTDOWN = "refuse: AppShutdown"  # 503, a policy shut it down
    DRAIN_WORKERS = "drain workers"
    KILL_WORKERS = "kill workers"  # they have had more than they may have
    DRAIN_ABANDONED = "drain abandoned workers"  # workers whose parent is gone finish what they have
    END_PARENT = "end parent"
    RUN_AUTO_SHUTDOWN = "run autoShutdownExe"  # the service has shut the pool down by itself


_S, _E, _C = PoolState, PoolEvent, PoolCommand
_BEGIN: Final = (_C.ACCEPT, _C.FORGET_FAILURES, _C.START_PARENT)
_STOP: Final = (_C.REFUSE_DISABLED, _C.DRAIN_WORKERS)
_OFFLINE: Final = (_C.REFUSE_OFFLINE, _C.DRAIN_WORKERS, _C.RUN_AUTO_SHUTDOWN)
_FOUND_OFFLINE: Final = (_C.REFUSE_OFFLINE, _C.DRAIN_WORKERS)  # autoShutdownExe was run then
_SHUT_DOWN: Final = (_C.REFUSE_SHUTDOWN, _C.DRAIN_WORKERS, _C.KILL_WORKERS, _C.RUN_AUTO_SHUTDOWN)

TRANSITIONS: Final[dict[tuple[PoolState, PoolEvent], tuple[PoolState, tuple[PoolCommand, ...]]]] = {
    (_S.STARTING, _E.START): (_S.STARTING, (_C.FORGET_FAILURES, _C.START_PARENT)),  # do not wait for the pause's end
    (_S.STARTING, _E.STOP): (_S.STOPPING, _STOP),
    (_S.STARTING, _E.PARENT_READY): (_S.STARTED, (_C.START_WORKERS,)),
    (_S.STARTING, _E.PARENT_LOST): (_S.STARTING, (_C.DRAIN_ABANDONED,)),
    (_S.STARTING, _E.RAPID_FAIL): (_S.STOPPING, _OFFLINE),
    (_S.STARTING, _E.CANNOT_LOAD): (_S.STOPPING, _OFFLINE),
    (_S.STARTING, _E.SHUT_DOWN): (_S.STOPPING, _SHUT_DOWN),
    (_S.STARTING, _E.FOUND_OFFLINE): (_S.STOPPING, _FOUND_OFFLINE),
    (_S.STARTING, _E.EMPTY): (_S.STARTING, ()),
    (_S.STARTED, _E.START): (_S.STARTED, (_C.FORGET_FAILURES, _C.START_WORKERS)),
    (_S.STARTED, _E.STOP): (_S.STOPPING, _STOP),
    (_S.STARTED, _E.PARENT_READY): (_S.STARTED, (_C.START_WORKERS,)),  # it has another configuration now
    (_S.STARTED, _E.PARENT_LOST): (_S.STARTING, (_C.DRAIN_ABANDONED,)),
    (_S.STARTED, _E.RAPID_FAIL): (_S.STOPPING, _OFFLINE),
    (_S.STARTED, _E.CANNOT_LOAD): (_S.STOPPING, _OFFLINE),
    (_S.STARTED, _E.SHUT_DOWN): (_S.STOPPING, _SHUT_DOWN),
    (_S.STARTED, _E.FOUND_OFFLINE): (_S.STOPPING, _FOUND_OFFLINE),
    (_S.STARTED, _E.EMPTY): (_S.STARTED, ()),  # on demand: the next request starts one
    (_S.STOPPING, _E.START): (_S.STARTING, _BEGIN),  # the draining workers end, new ones start
    (_S.STOPPING, _E.STOP): (_S.STOPPING, (_C.REFUSE_DISABLED,)),  # the administrator's word is the last
    (_S.STOPPING, _E.PARENT_READY): (_S.STOPPING, ()),
    (_S.STOPPING, _E.PARENT_LOST): (_S.STOPPING, (_C.DRAIN_ABANDONED,)),
    (_S.STOPPING, _E.RAPID_FAIL): (_S.STOPPING, ()),
    (_S.STOPPING, _E.CANNOT_LOAD): (_S.STOPPING, ()),
    (_S.STOPPING, _E.SHUT_DOWN): (_S.STOPPING, ()),
    (_S.STOPPING, _E.FOUND_OFFLINE): (_S.STOPPING, (_C.REFUSE_OFFLINE,)),
    (_S.STOPPING, _E.EMPTY): (_S.STOPPED, (_C.END_PARENT,)),
    (_S.STOPPED, _E.START): (_S.STARTING, _BEGIN),
    (_S.STOPPED, _E.STOP): (_S.STOPPED, (_C.REFUSE_DISABLED,)),
    (_S.STOPPED, _E.PARENT_READY): (_S.STOPPED, ()),
    (_S.STOPPED, _E.PARENT_LOST): (_S.STOPPED, ()),
    (_S.STOPPED, _E.RAPID_FAIL): (_S.STOPPED, ()),
    (_S.STOPPED, _E.CANNOT_LOAD): (_S.STOPPED, ()),
    (_S.STOPPED, _E.SHUT_DOWN): (_S.STOPPED, ()),
    (_S.STOPPED, _E.FOUND_OFFLINE): (_S.STOPPED, (_C.REFUSE_OFFLINE,)),
    (_S.STOPPED, _E.EMPTY): (_S.STOPPED, ()),
}
