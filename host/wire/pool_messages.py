"""What the service says to a pool's parent and hears from it; and to the nursery, of which parents are born."""

from __future__ import annotations

from host.wire.message import Message
from host.wire.message_rows import Examination, KnownPlugin

# --- service and nursery -----------------------------------------------------------------------------------------


class GiveBirth(Message, frozen=True, kw_only=True):
    """Service: fork the process of a slot. Descriptor: its control channel. `role` is `pool` or `dllhost`. Answered by
    Born; one at a time."""

    role: str
    name: str
    title: str
    applications: list[str]


class Born(Message, frozen=True, kw_only=True):
    """Nursery: it runs, and is the service's own child. `pid` 0: it could not be forked."""

    pid: int


# --- service and pool parent -------------------------------------------------------------------------------------


class Preloading(Message, frozen=True, kw_only=True):
    """Pool parent: before it is Ready it imports plugins, for so many seconds at most (preloadApplications)."""

    seconds: float


class Importing(Message, frozen=True, kw_only=True):
    """Pool parent, while it is Preloading: this plugin's file comes next; empty: that was the last."""

    file: str


class StartWorker(Message, frozen=True, kw_only=True):
    """Service: fork a worker. Descriptor: its control channel; it gets its links by AttachLink. `is_awaited` false: the
    one whose place it takes serves on until it is ready, and nobody waits for it. `known`: what the pool's plugins have
    said of themselves, by a worker that has loaded them (Plugins); this one answers for those that it cannot load."""

    worker: str
    number: int
    is_awaited: bool = True
    known: list[KnownPlugin] = []


class WorkerStarted(Message, frozen=True, kw_only=True):
    """Pool parent: it runs."""

    worker: str
    pid: int


class WorkerExited(Message, frozen=True, kw_only=True):
    """Pool parent: it has ended. `status` is the exit code or minus the signal."""

    worker: str
    pid: int
    status: int


class KillWorker(Message, frozen=True, kw_only=True):
    """Service: end that worker now, with this signal."""

    worker: str
    signal: int


class ExamineWorker(Message, frozen=True, kw_only=True):
    """Service: that worker does not answer; find out what it is doing. Answered by WorkerExamined."""

    worker: str


class WorkerExamined(Message, frozen=True, kw_only=True):
    """Pool parent: what was found; said by the worker to its parent first, without its name."""

    worker: str
    examination: Examination


PoolMessage = (
    GiveBirth
    | Born
    | Preloading
    | Importing
    | StartWorker
    | WorkerStarted
    | WorkerExited
    | KillWorker
    | ExamineWorker
    | WorkerExamined
)
