"""What becomes of an application pool: (state, event) to (state, commands). The table is the automaton.

Start and stop are control signals, not configuration: after a restart of the service a pool follows autoStart again.
"""

from __future__ import annotations

import enum
from typing import Final


class PoolState(enum.Enum):
    """IIS's run-time states of a pool (Starting is passed within one step here)."""

    STARTED = "Started"
    STOPPING = "Stopping"
    STOPPED = "Stopped"


class PoolEvent(enum.Enum):
    """What can happen to a pool."""

    START = "start"
    STOP = "stop"
    RAPID_FAIL = "rapid fail"  # too many failures inside rapidFailProtectionInterval
    EMPTY = "empty"  # its last worker is gone


class PoolCommand(enum.Enum):
    """What the supervisor does about it."""

    ACCEPT = "accept"  # the front queues requests again; failures are forgotten
    REFUSE_DISABLED = "refuse: Disabled"  # 503, an administrator stopped it
    REFUSE_OFFLINE = "refuse: AppOffline"  # 503, rapid-fail protection
    DRAIN_WORKERS = "drain workers"


_S, _E, _C = PoolState, PoolEvent, PoolCommand

TRANSITIONS: Final[dict[tuple[PoolState, PoolEvent], tuple[PoolState, tuple[PoolCommand, ...]]]] = {
    (_S.STARTED, _E.START): (_S.STARTED, ()),
    (_S.STARTED, _E.STOP): (_S.STOPPING, (_C.REFUSE_DISABLED, _C.DRAIN_WORKERS)),
    (_S.STARTED, _E.RAPID_FAIL): (_S.STOPPING, (_C.REFUSE_OFFLINE, _C.DRAIN_WORKERS)),
    (_S.STARTED, _E.EMPTY): (_S.STARTED, ()),  # on demand: the next request starts one
    (_S.STOPPING, _E.START): (_S.STARTED, (_C.ACCEPT,)),  # the draining workers end, new ones start
    (_S.STOPPING, _E.STOP): (_S.STOPPING, (_C.REFUSE_DISABLED,)),
    (_S.STOPPING, _E.RAPID_FAIL): (_S.STOPPING, ()),
    (_S.STOPPING, _E.EMPTY): (_S.STOPPED, ()),
    (_S.STOPPED, _E.START): (_S.STARTED, (_C.ACCEPT,)),
    (_S.STOPPED, _E.STOP): (_S.STOPPED, (_C.REFUSE_DISABLED,)),
    (_S.STOPPED, _E.RAPID_FAIL): (_S.STOPPED, ()),
    (_S.STOPPED, _E.EMPTY): (_S.STOPPED, ()),
}
