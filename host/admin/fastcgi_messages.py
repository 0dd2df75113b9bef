"""`isapy list fastcgi`: the question, the rows, the answer."""

from __future__ import annotations

from host.admin.message import Message, Row


class ListFastCgi(Message, frozen=True, kw_only=True):
    """Answer: FastCgi."""


class FastCgiRow(Row, frozen=True, kw_only=True):
    """A process of a FastCGI application; times in seconds. A row with pid 0 is an application without a process (state
    `none`), or a connection to a server that runs by itself.

    `pool`: the pool, or inetinfo; `worker`: whose process it is; `command`: program and arguments, or address. `state`:
    idle, busy or ending. The application's own, of this worker: `most_processes` (maxInstances), `restarts` (processes
    that have ended until now), `failures` (that went wrong or could not be started), `waiting` requests and how
    many may wait (`queue_length`).
    """

    pool: str
    worker: str
    command: str
    pid: int
    state: str
    requests_served: int
    requests_in_hand: int
    age_seconds: float
    idle_seconds: float
    most_processes: int
    restarts: int
    failures: int
    waiting: int
    queue_length: int


class FastCgi(Message, frozen=True, kw_only=True):
    """Answer to ListFastCgi: by pool, worker and command."""

    rows: list[FastCgiRow]
