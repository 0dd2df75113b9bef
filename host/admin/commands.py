"""What an administrator may ask of the running service, and what it answers: the one vocabulary of CLI and dashboard.

Every question has one answer type; any question may be answered by `Failed`. Words and states are IIS's. On the socket
a message is a length (4 bytes, big-endian) and msgpack; a message that does not fit its type is a MessageError.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from host.admin.cache_messages import Cache, CacheCommand
from host.admin.fastcgi_messages import FastCgi, ListFastCgi
from host.admin.filter_messages import Filters, ListFilters
from host.admin.message import Message, Row
from host.admin.script_messages import ListScripts, Scripts

COMMAND_LIMIT: Final = 64 * 1024
"""Bytes of one command; nobody has more to say."""

REPLY_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of one reply (`ListRequests` on a busy server)."""

DESCRIBED_AT_MOST: Final = 3
"""Requests that `described` names."""

LENGTH: Final = struct.Struct("!I")


class MessageError(Exception):
    """Bytes on the control socket that are no message of ours."""


# --- commands ----------------------------------------------------------------------------------------------------


class GetStatus(Message, frozen=True, kw_only=True):
    """How is the service? Answer: Status."""


class ListSites(Message, frozen=True, kw_only=True):
    """Answer: Sites."""


class ListPools(Message, frozen=True, kw_only=True):
    """Answer: Pools."""


class ListWorkers(Message, frozen=True, kw_only=True):
    """Answer: Workers."""


class ListRequests(Message, frozen=True, kw_only=True):
    """Requests under way, the longest first; only those older than so many milliseconds. Answer: Requests."""

    time_elapsed_filter: int = 0


class ListPlugins(Message, frozen=True, kw_only=True):
    """Answer: Plugins."""


class BeginTrace(Message, frozen=True, kw_only=True):
    """Watch for one request; it carries the token as the field X-Isapy-Trace-Token. Answer: TraceToken."""


class GetTrace(Message, frozen=True, kw_only=True):
    """The walk of the request that carried the token. Answer: Trace."""

    token: str


class StartPool(Message, frozen=True, kw_only=True):
    """The pool takes requests again; ends a rapid-fail state. Answer: Done."""

    name: str


class StopPool(Message, frozen=True, kw_only=True):
    """Ends the pool's workers when they have drained; its URLs answer 503. Answer: Done."""

    name: str


class RecyclePool(Message, frozen=True, kw_only=True):
    """New workers, then the old ones end (overlapped). A stopped pool cannot be recycled. Answer: Done."""

    name: str


class StartSite(Message, frozen=True, kw_only=True):
    """The site has its bindings again. `name` may be its id. Answer: Done."""

    name: str


class StopSite(Message, frozen=True, kw_only=True):
    """Withdraws the site's bindings; requests in hand are finished, workers are left alone. Answer: Done."""

    name: str


class UnloadApplication(Message, frozen=True, kw_only=True):
    """IIS 5 isolation mode: ends the dllhost of an out-of-process application; the next request starts it again.

    `name`: `/shop`, `1:/shop`, `Default Web Site/shop` or `/LM/W3SVC/1/ROOT/shop`. Answer: Done.
    """

    name: str


class Upgrade(Message, frozen=True, kw_only=True):
    """Put a new service process, of the version that is installed now, in this one's place. Answer: Done, when the new
    one serves; Failed, and nothing has changed, when it could not start."""


class StopService(Message, frozen=True, kw_only=True):
    """Drain everything and end. Answer: Done, when the shutdown has begun."""


Listed = ListScripts | ListFastCgi | CacheCommand
Command = (
    GetStatus | ListSites | ListPools | ListWorkers | ListRequests | ListPlugins | StartPool | StopPool | RecyclePool
) | (StartSite | StopSite | UnloadApplication | StopService | Upgrade | BeginTrace | GetTrace | ListFilters | Listed)


# --- rows --------------------------------------------------------------------------------------------------------


class ProcessRow(Row, frozen=True, kw_only=True):
    """A process of the service: `title` is what ps shows behind `isapy: `."""

    pid: int
    title: str
    parent_pid: int = 0


class ApplicationRow(Row, frozen=True, kw_only=True):
    """An application of a site."""

    path: str
    pool: str
    isolation: str
    physical_path: str


class SiteRow(Row, frozen=True, kw_only=True):
    """`state`: Starting, Started, Stopping, Stopped; `reason` says why it is stopped. `bindings` as configured
    (`http/*:8080:`), `urls` to click."""

    id: int
    name: str
    state: str
    bindings: list[str]
    urls: list[str] = []
    applications: list[ApplicationRow] = []
    physical_path: str = ""
    reason: str = ""


class PoolRow(Row, frozen=True, kw_only=True):
    """`state` as of a site; `reason` says why it is stopped (`Disabled`, `AppOffline`: HTTPERR's words)."""

    name: str
    state: str
    reason: str = ""
    workers: int = 0
    max_processes: int = 1
    requests_queued: int = 0
    queue_length: int = 1000
    start_mode: str = "OnDemand"
    pipeline_mode: str = "Integrated"
    failures: int = 0  # within the rapid-fail interval
    last_recycle: str = ""  # why; empty when none of its workers was recycled
    last_recycle_seconds: float | None = None  # how long ago


class WorkerRow(Row, frozen=True, kw_only=True):
    """`state`: Starting, Running, Stopping, Unresponsive (being examined), Orphaned (left to a debugger).

    `name` is `<pool>#<number>`; times in seconds, memory in kilobytes.

    None: not known (the processes of IIS 5 isolation mode tell no counters).
    """

    process_id: int
    name: str
    pool: str
    state: str
    requests_served: int | None = 0
    requests_in_hand: int | None = 0
    age_seconds: float = 0.0
    idle_seconds: float | None = 0.0
    memory_kilobytes: int = 0  # resident, what it shares with others included
    private_kilobytes: int = 0  # its own alone: what recycling/periodicRestart/@privateMemory limits
    address_space_kilobytes: int = 0  # what periodicRestart/@memory limits
    processor_seconds: float = 0.0
    why_started: str = ""
    last_recycle: str = ""  # of its pool
    last_recycle_seconds: float | None = None


class RequestRow(Row, frozen=True, kw_only=True):
    """A request under way, with IIS's fields; times in milliseconds. `request_id` is the one of error pages, events and
    UNIQUE_ID. `current_module` is the plugin at work, empty while none is."""

    request_id: str
    connection_id: int
    verb: str
    url: str
    site_id: int
    host_name: str
    client_ip_address: str
    local_port: int
    time_elapsed: int
    pipeline_state: str
    worker: str
    queue: str
    site_name: str = ""
    local_ip_address: str = ""
    time_in_state: int = 0
    current_module: str = ""
    time_in_module: int = 0


class PluginRow(Row, frozen=True, kw_only=True):
    """`family`: extension, filter, module. `state`: loaded, failed, not listed; `detail` says why."""

    name: str
    family: str
    path: str
    state: str
    detail: str = ""
    pool: str = ""


class TraceStep(Row, frozen=True, kw_only=True):
    """One step of a request: `at` and `took` in milliseconds, `by` the plugin or module that was called."""

    at: float
    took: float
    event: str
    by: str = ""
    outcome: str = ""
    detail: str = ""


# --- replies -----------------------------------------------------------------------------------------------------


class Status(Message, frozen=True, kw_only=True):
    """The service. `started_at` in seconds since the epoch; `warnings` are the configuration's."""

    version: str
    pid: int
    config_path: str
    isolation_mode: str
    started_at: float
    urls: list[str]
    processes: list[ProcessRow]
    log_directory: str = ""
    configuration_version: int = 0
    warnings: list[str] = []


class Sites(Message, frozen=True, kw_only=True):
    """Answer to ListSites."""

    rows: list[SiteRow]


class Pools(Message, frozen=True, kw_only=True):
    """Answer to ListPools."""

    rows: list[PoolRow]


class Workers(Message, frozen=True, kw_only=True):
    """Answer to ListWorkers."""

    rows: list[WorkerRow]


class Requests(Message, frozen=True, kw_only=True):
    """Answer to ListRequests. `more`: how many there are beside these; a URL that is very long is cut."""

    rows: list[RequestRow]
    more: int = 0


class Plugins(Message, frozen=True, kw_only=True):
    """Answer to ListPlugins."""

    rows: list[PluginRow]


class TraceToken(Message, frozen=True, kw_only=True):
    """Answer to BeginTrace; good for a minute, once."""

    token: str


class Trace(Message, frozen=True, kw_only=True):
    """Answer to GetTrace."""

    method: str
    url: str
    request_id: str
    worker: str
    rows: list[TraceStep]


class Progress(Message, frozen=True, kw_only=True):
    """Before the answer, about once a second while it takes longer than that: what is waited for."""

    text: str


class Done(Message, frozen=True, kw_only=True):
    """It has been done (or begun); `text` says what, for people."""

    text: str


class Failed(Message, frozen=True, kw_only=True):
    """It could not be done: why, and what to do about it."""

    message: str
    remedy: str = ""


Rows = Sites | Pools | Workers | Requests | Plugins | Filters | Scripts | FastCgi | Cache
Reply = Status | Rows | TraceToken | Trace | Progress | Done | Failed

_encoder = msgspec.msgpack.Encoder()
_command_decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
_reply_decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(message: Command | Reply) -> bytes:
    """A message with its length in front."""
    raw_message = _encoder.encode(message)
    return LENGTH.pack(len(raw_message)) + raw_message


def message_length(raw_length: bytes, limit: int) -> int:
    """The length in front of a message. Raises MessageError when it is above the limit."""
    length: int = LENGTH.unpack(raw_length)[0]
    if length > limit:
        raise MessageError(f"a message of {length} bytes: the limit is {limit}")
    return length


def decode_command(raw_message: bytes) -> Command:
    """A command from its bytes (without the length). Raises MessageError."""
    try:
        return _command_decoder.decode(raw_message)
    except msgspec.MsgspecError as error:
        raise MessageError(f"not a command of this version: {error}") from error


def decode_reply(raw_message: bytes) -> Reply:
    """A reply from its bytes (without the length). Raises MessageError."""
    try:
        return _reply_decoder.decode(raw_message)
    except msgspec.MsgspecError as error:
        raise MessageError(f"not a reply of this version: {error}") from error


def described(rows: Sequence[RequestRow]) -> str:
    """A few requests in words: `GET /slow.asp of 10.0.0.7 (12 s)`."""
    texts = [f"{row.verb} {row.url} of {row.client_ip_address} ({row.time_elapsed // 1000} s)" for row in rows]
    more = len(texts) - DESCRIBED_AT_MOST
    return ", ".join(texts[:DESCRIBED_AT_MOST]) + (f" and {more} more" if more > 0 else "")


def as_plain_data(reply: Reply) -> Any:
    """What a reply says, in lists, dictionaries, texts and numbers: the rows of a list, or the reply's fields."""
    return msgspec.to_builtins(getattr(reply, "rows", reply), str_keys=True)
