"""What becomes of a site: (state, event) to (state, commands). The table is the automaton.

A started site has its bindings for itself: no other started site may have the same. Start and stop are control signals,
not configuration: after a restart of the service a site follows serverAutoStart again. Workers are left alone.
"""

from __future__ import annotations

import enum
from typing import Final


class SiteState(enum.Enum):
    """IIS's run-time states of a site."""

    STARTING = "Starting"  # its bindings are its own; sockets are opened, the front is told
    STARTED = "Started"
    STOPPING = "Stopping"  # its bindings are withdrawn; requests in hand finish, now and later
    STOPPED = "Stopped"  # no request is routed to it


class SiteEvent(enum.Enum):
    """What can happen to a site."""

    START = "start"
    STOP = "stop"
    BOUND = "bound"  # the front routes to it
    REFUSED = "refused"  # another started site has one of its bindings, or a socket cannot be opened
    RELEASED = "released"  # the front routes nothing there any more


class SiteCommand(enum.Enum):
    """What the service does about it."""

    BIND = "bind"  # claim the bindings, open their sockets, tell the front
    RELEASE = "release"  # tell the front, close the sockets that no other site needs
    REPORT_STARTED = "report: started"
    REPORT_STOPPED = "report: stopped"
    REPORT_REFUSED = "report: not started"


_S, _E, _C = SiteState, SiteEvent, SiteCommand

TRANSITIONS: Final[dict[tuple[SiteState, SiteEvent], tuple[SiteState, tuple[SiteCommand, ...]]]] = {
    (_S.STOPPED, _E.START): (_S.STARTING, (_C.BIND,)),
    (_S.STOPPED, _E.STOP): (_S.STOPPED, ()),
    (_S.STOPPED, _E.BOUND): (_S.STOPPED, ()),  # a late answer
    (_S.STOPPED, _E.REFUSED): (_S.STOPPED, ()),
    (_S.STOPPED, _E.RELEASED): (_S.STOPPED, ()),
    (_S.STARTING, _E.START): (_S.STARTING, ()),
    (_S.STARTING, _E.STOP): (_S.STOPPING, (_C.RELEASE,)),
    (_S.STARTING, _E.BOUND): (_S.STARTED, (_C.REPORT_STARTED,)),
    (_S.STARTING, _E.REFUSED): (_S.STOPPED, (_C.REPORT_REFUSED,)),
    (_S.STARTING, _E.RELEASED): (_S.STARTING, ()),
    (_S.STARTED, _E.START): (_S.STARTED, ()),
    (_S.STARTED, _E.STOP): (_S.STOPPING, (_C.RELEASE,)),
    (_S.STARTED, _E.BOUND): (_S.STARTED, ()),  # another configuration, the same site
    (_S.STARTED, _E.REFUSED): (_S.STOPPED, (_C.REPORT_REFUSED,)),  # another configuration gives it a taken binding
    (_S.STARTED, _E.RELEASED): (_S.STARTED, ()),
    (_S.STOPPING, _E.START): (_S.STARTING, (_C.BIND,)),
    (_S.STOPPING, _E.STOP): (_S.STOPPING, ()),
    (_S.STOPPING, _E.BOUND): (_S.STOPPING, ()),
    (_S.STOPPING, _E.REFUSED): (_S.STOPPING, ()),
    (_S.STOPPING, _E.RELEASED): (_S.STOPPED, (_C.REPORT_STOPPED,)),
}
