"""What the spawner knows of its workers and of the programs that it has started for them."""

from __future__ import annotations

import socket
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial

from host.spawner.warm_servers import Asked
from host.wire.spawn_messages import Answer


class Program:
    """One that was started for `worker`, under its number. `is_told`: the worker knows that it runs; `remark` and
    `is_warm` are what else it is told then."""

    __slots__ = (
        "has_ended",
        "is_being_killed",
        "is_told",
        "is_warm",
        "number",
        "pid",
        "remark",
        "request_id",
        "worker",
    )

    def __init__(
        self, worker: Worker, number: int, pid: int, request_id: str, remark: str, *, is_warm: bool, is_told: bool
    ) -> None:
        self.worker = worker
        self.number = number
        self.pid = pid
        self.request_id = request_id
        self.remark = remark
        self.is_warm = is_warm
        self.is_told = is_told
        self.has_ended = False
        self.is_being_killed = False


class Worker:
    """Who asks for programs over `sock`, and what has become of them. `serve` is called with it when its socket is
    ready."""

    __slots__ = ("ended", "is_blocked", "is_gone", "name", "running", "serve", "sock", "starting", "unsent")

    def __init__(self, name: str, sock: socket.socket, serve: Callable[[Worker], None]) -> None:
        self.name = name
        self.sock = sock
        self.serve: Callable[[], None] = partial(serve, self)
        self.running: dict[int, Program] = {}
        self.ended: OrderedDict[int, Program] = OrderedDict()
        self.starting: dict[int, Asked] = {}  # what a warm interpreter has been asked for
        self.unsent: deque[Answer] = deque()
        self.is_blocked = False
        self.is_gone = False
