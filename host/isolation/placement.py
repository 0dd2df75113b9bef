"""The answers of a process model: which processes there are, and where an application's handlers run."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from host.config.listener_confinement import ListenerConfinement


class SlotRole(enum.Enum):
    """What a process is, as its title says."""

    LISTENER = "listener"  # accepts, parses, routes, queues; no plugin code
    INETINFO = "inetinfo"  # the same, with every filter and the Low applications inside
    POOL = "pool"  # a pool's small parent; forks workers and CGI programs
    DLLHOST = "dllhost"  # Medium applications together, or one High application


@dataclass(frozen=True, slots=True)
class Slot:
    """A process the service keeps (a pool's workers are the pool's business, they have no slot).

    `name` is unique in its model and names the queue of requests it serves; `title` is the process title behind
    `isapy: `. `applications` are the keys of the applications whose handlers run below it. `confinement`: what a
    process that runs no plugin code gives up.
    """

    role: SlotRole
    name: str
    title: str
    applications: tuple[str, ...] = ()
    is_started_on_demand: bool = False
    confinement: ListenerConfinement | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where requests of one application go: `queue` is the front's queue, `handler_slot` the slot in which a handler
    runs that need not stay in the front. In worker process isolation mode both are the pool."""

    queue: str
    handler_slot: str


FRONT_QUEUE = "inetinfo"
"""The single queue of IIS 5 isolation mode."""
