"""What is said between the service and its children, one message a packet; and how it becomes bytes.

The service talks to the front (listener or inetinfo), to each pool's parent and to each worker (or dllhost). Messages
from a child are decoded against these types: an unknown message or a wrong field is a WireError and costs the child
its channel, never the service. Descriptors travel with the packet (SCM_RIGHTS) in the order that the docstring names.
"""

from __future__ import annotations

from typing import Final

import msgspec

from host.wire.black_box import BlackBoxOpened
from host.wire.cache_messages import CacheMessage
from host.wire.errors import WireError
from host.wire.handed_messages import HandedMessage
from host.wire.handover_messages import Serve, Succeed
from host.wire.listening_messages import ListeningMessage
from host.wire.message import Message
from host.wire.message_rows import ExecutingRow, FilterRow, HostedProcessRow, KnownPlugin, PluginRow, RequestRow
from host.wire.pool_messages import PoolMessage
from host.wire.script_messages import Scripts
from host.wire.trace_messages import WatchForTrace

INLINE_LIMIT: Final = 96 * 1024  # a larger message travels as a memfd beside an empty packet


# --- both ways ---------------------------------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True):
    """Child: I run. `protocol` is PROTOCOL_VERSION; `role` is the first word of the process title.
    `request_prefix`: how a front's request ids begin (`<prefix><connection>-<request>`)."""

    role: str
    pid: int
    protocol: int
    request_prefix: str = ""


class Ready(Message, frozen=True, kw_only=True):
    """Child: configured and able to work."""


class CannotStart(Message, frozen=True, kw_only=True):
    """Pool parent or worker, before Ready: I give up, for this reason. Its exit code says of which kind the reason is
    (`host.wire.exit_codes`)."""

    reason: str


class Ping(Message, frozen=True, kw_only=True):
    """Service: are you well? Answered by Pong with the same number."""

    number: int


class Pong(Message, frozen=True, kw_only=True):
    """Child: I am. Workers answer when both the loop and a thread have run; their counters come along."""

    number: int
    requests_served: int = 0
    requests_in_hand: int = 0
    idle_seconds: float = 0.0


class Drain(Message, frozen=True, kw_only=True):
    """Service: take nothing new, finish what you have, then end; at the latest after so many seconds.

    A front whose place another one takes is given patience: connections that are open and idle may begin one more
    request for so long (its answer says Connection: close), so that nobody's request meets a closing connection.
    """

    seconds: float
    patience_seconds: float = 0.0


class Event(Message, frozen=True, kw_only=True):
    """Child: a line for the event log. `id` is one of host.logs.events.EVENTS."""

    id: str
    text: str
    fields: dict[str, str] = {}


class Configure(Message, frozen=True, kw_only=True):
    """Service: the configuration in force. `text` is the server-level file as it was validated, `path` where it is
    from (messages, relative paths). `isolation` and `port` are the command line's overrides; empty and 0 for none.
    `started_sites`: ids of the sites whose bindings count (None: those with serverAutoStart).
    """

    version: int
    path: str
    text: bytes
    isolation: str = ""
    port: int = 0
    preloads: bool = True  # false: this pool's parent must not import plugins, whatever the configuration says

    def without_preload(self) -> Configure:
        """The same, for a parent whose predecessor died of it."""
        return msgspec.structs.replace(self, preloads=False)

    started_sites: list[int] | None = None

    def with_sites(self, started_sites: list[int]) -> Configure:
        """The same with other sites started."""
        return msgspec.structs.replace(self, started_sites=started_sites)


# --- service and front -------------------------------------------------------------------------------------------


class Listen(Message, frozen=True, kw_only=True):
    """Service to its successor: take over this socket. Descriptor: the listening socket. `endpoint` is `address:port`.
    As the messages of `handover_messages.py`, it never changes its fields."""

    endpoint: str


class QueueState(Message, frozen=True, kw_only=True):
    """Service: requests of this queue are taken (`reason` empty) or refused with that HTTPERR reason (503)."""

    queue: str
    reason: str = ""


class AttachWorker(Message, frozen=True, kw_only=True):
    """Service: this worker serves that queue. Descriptors: the link (stream), the side socket."""

    queue: str
    worker: str
    pid: int


class DetachWorker(Message, frozen=True, kw_only=True):
    """Service: hand nothing more to that worker; send DRAIN on its link."""

    worker: str


class DropWorker(Message, frozen=True, kw_only=True):
    """Service: that worker hangs and will be ended, or left to a debugger: close its link now. What it had in hand is
    treated as after its death, but for the requests with the numbers `culprits`, which no other worker shall get."""

    worker: str
    culprits: list[int] = []


class PauseWorker(Message, frozen=True, kw_only=True):
    """Service: hand nothing to that idle worker for the time being, if it has nothing. Answered by WorkerPaused."""

    worker: str
    number: int


class WorkerPaused(Message, frozen=True, kw_only=True):
    """Front: the answer to the PauseWorker of that number. `is_paused` false: it has a request and goes on."""

    worker: str
    number: int
    is_paused: bool


class ResumeWorker(Message, frozen=True, kw_only=True):
    """Service: that worker takes requests again."""

    worker: str


class Demand(Message, frozen=True, kw_only=True):
    """Front: requests wait in that queue and no worker has credit. Said again while it lasts, once a second.

    `workers`: how many can be handed requests there, those that have granted credit at least once. A service that has
    started more than these knows that the demand is older than its latest worker.
    """

    queue: str
    waiting: int
    workers: int = 0


class WorkerGone(Message, frozen=True, kw_only=True):
    """Front: that worker's link is closed. `in_hand` are the requests it had, `broken` why we closed it (if we did)."""

    worker: str
    in_hand: int
    broken: str = ""


class AskRequests(Message, frozen=True, kw_only=True):
    """Service: which requests are under way?"""

    number: int


class Requests(Message, frozen=True, kw_only=True):
    """Front: the answer to AskRequests."""

    number: int
    rows: list[RequestRow]
    connections: int


# --- service and worker ------------------------------------------------------------------------------------------


class AttachLink(Message, frozen=True, kw_only=True):
    """Service: serve this front too. Descriptors: the link (stream), the side socket. First of all after Ready, and
    again when the front was restarted. `request_prefix` is the front's (Hello). `fronts`: how many share this worker,
    each with its part of maxConcurrentRequests; `place` is this one's number among them, from 0."""

    request_prefix: str = ""
    place: int = 0
    fronts: int = 1


class Pace(Message, frozen=True, kw_only=True):
    """Service: use at most `share` processor seconds a second from now on (cpu/@action="Throttle"). Sent before the
    first AttachLink to a worker that may ever be paced, and again when its share changes."""

    share: float


class TellWhenServed(Message, frozen=True, kw_only=True):
    """Service: say Served when you have served so many requests, or at once if you have (periodicRestart/@requests);
    0: never. Sent before the first AttachLink, and again when the number changes."""

    requests: int


class Served(Message, frozen=True, kw_only=True):
    """Worker: so many requests are served, as TellWhenServed asked; not more than these, unless they were before."""

    requests: int


class Suspend(Message, frozen=True, kw_only=True):
    """Service: you will be stopped until somebody needs you; give back what memory you can. Answered by Suspended."""

    number: int


class Suspended(Message, frozen=True, kw_only=True):
    """Worker: the answer to the Suspend of that number; it may be stopped now."""

    number: int


class WebConfigChanged(Message, frozen=True, kw_only=True):
    """Worker: these web.config files say something else than before, and every path it has answered is sound."""

    files: list[str]


class FilesChanged(Message, frozen=True, kw_only=True):
    """Worker: files that a plugin has loaded say something else than before; replace me."""

    files: list[str]


class Unhealthy(Message, frozen=True, kw_only=True):
    """Worker: a plugin reports itself unhealthy; recycle me. Front, pool's parent: have another one take my place."""

    reason: str


class Plugins(Message, frozen=True, kw_only=True):
    """Worker: what was loaded, once after the start. `known`: what the worker after it needs of the extensions that are
    not isapy's own, when it cannot load them."""

    rows: list[PluginRow]
    filters: list[FilterRow] = []
    known: list[KnownPlugin] = []


class AskExecuting(Message, frozen=True, kw_only=True):
    """Service: what are you executing, and with which processes? Answered by Executing with the same number."""

    number: int


class Executing(Message, frozen=True, kw_only=True):
    """Worker: the answer to AskExecuting."""

    number: int
    rows: list[ExecutingRow]
    processes: list[HostedProcessRow] = []


AnyMessage = (
    Hello
    | Ready
    | CannotStart
    | Ping
    | Pong
    | Drain
    | Event
    | Configure
    | HandedMessage
    | Succeed
    | Serve
    | Listen
    | QueueState
    | AttachWorker
    | DetachWorker
    | PauseWorker
    | WorkerPaused
    | ResumeWorker
    | Demand
    | WorkerGone
    | AskRequests
    | Requests
    | AttachLink
    | Pace
    | TellWhenServed
    | Served
    | Suspend
    | Suspended
    | WebConfigChanged
    | FilesChanged
    | Unhealthy
    | Plugins
    | BlackBoxOpened
    | WatchForTrace
    | AskExecuting
    | DropWorker
) | (Executing | Scripts | CacheMessage | PoolMessage | ListeningMessage)

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnyMessage] = msgspec.msgpack.Decoder(AnyMessage)


def encode_message(message: AnyMessage) -> bytes:
    """One message as bytes."""
    return _encoder.encode(message)


def decode_message(raw_message: bytes) -> AnyMessage:
    """One message from bytes. Raises WireError for anything that is not one of ours."""
    try:
        return _decoder.decode(raw_message)
    except msgspec.MsgspecError as error:
        raise WireError(f"not a control message: {error}") from error
