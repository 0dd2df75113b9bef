"""The answers of a process model: which processes there are, and where an application's handlers run."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

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
    process that runs no plugin code gives up. `instances`: how many such processes share the slot's work; of them this
    is the one at `place`, from 0.
    """

    role: SlotRole
    name: str
    title: str
    applications: tuple[str, ...] = ()
    is_started_on_demand: bool = False
    confinement: ListenerConfinement | None = None
    instances: int = 1
    place: int = 0

    def at(self, place: int) -> Slot:
        """The slot of one instance: its title has a number where there are several."""
        return self if self.instances == 1 else replace(self, title=f"{self.title} {place + 1}", place=place)

    def covers(self, other: Slot) -> bool:
        """Whether processes that were started for this slot can be configured for the other one: how many they are, and
        what they have given up, is settled with their start."""
        has, wants = self.confinement, other.confinement
        is_confined_alike = has is None or wants is None or has.covers(wants)
        return is_confined_alike and self.instances == other.instances


@dataclass(frozen=True, slots=True)
class Placement:
    """Where requests of one application go: `queue` is the front's queue, `handler_slot` the slot in which a handler
    runs that need not stay in the front. In worker process isolation mode both are the pool."""

    queue: str
    handler_slot: str


FRONT_QUEUE = "inetinfo"
"""The single queue of IIS 5 isolation mode."""
