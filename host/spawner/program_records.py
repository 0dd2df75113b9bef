"""What the spawner knows of its workers and of the programs that it has started for them."""

from __future__ import annotations

import socket
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from host.spawner.warm_servers import Asked


@dataclass(slots=True, eq=False)
class Program:
    """One that was started for `worker`, under its number."""

    worker: Worker
    number: int
    pid: int
    request_id: str
    has_ended: bool = False
    is_being_killed: bool = False


@dataclass(slots=True, eq=False)
class Worker:
    """Who asks for programs over `sock`, and what has become of them."""

    name: str
    sock: socket.socket
    running: dict[int, Program] = field(default_factory=dict)
    ended: OrderedDict[int, Program] = field(default_factory=OrderedDict)
    starting: dict[int, Asked] = field(default_factory=dict)  # what a warm interpreter has been asked for
    unsent: deque[bytes] = field(default_factory=deque)
    is_blocked: bool = False
    is_gone: bool = False
