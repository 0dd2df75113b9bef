"""What a filter notification carries beside the request, and what a filter may answer."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class FilterStatus(enum.IntEnum):
    """What becomes of a notification after a filter has seen it; ISAPI's numbers (SF_STATUS_REQ_*).

    A filter that finishes the request usually returns a `Response`, and one that refuses it raises `HttpError`:
    FINISHED and ERROR say the same for filters that work with `FilterContext`.
    """

    FINISHED = 0x08000000  # what the filter wrote by its FilterContext is the answer; then the connection is closed
    FINISHED_KEEP_CONNECTION = 0x08000001  # the same; the connection stays open if the answer's length is known
    NEXT_NOTIFICATION = 0x08000002  # the next filter gets it too; what None means
    HANDLED_NOTIFICATION = 0x08000003  # no further filter gets this notification; the request goes on
    ERROR = 0x08000004  # 500.0 with the filter's name; FilterContext.last_error ends in the log
    READ_NEXT = 0x08000005  # on_read_raw_data alone: call again with these bytes and more


class FilterPriority(enum.IntEnum):
    """Order among the filters of one group; the configured order decides within one priority."""

    HIGH = 0
    MEDIUM = 1
    LOW = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterInfo:
    """What a filter says of itself (GetFilterVersion). `blocking=True` calls its hooks on the thread pool.

    With neither port it is called for both, as IIS does.
    """

    description: str = ""
    priority: FilterPriority = FilterPriority.LOW
    cache_aware: bool = False  # true: responses it has seen may be answered from the listener's cache without it
    secure_port: bool = True
    nonsecure_port: bool = True
    blocking: bool = False


@dataclass(slots=True)
class RawData:
    """Bytes on their way: from the client before parsing, or of the response's body. May be replaced."""

    data: bytes


@dataclass(slots=True)
class UrlMap:
    """A URL path and the physical path the server mapped it to; a filter may change `physical_path`."""

    url_path: str
    physical_path: str


@dataclass(slots=True)
class Credentials:
    """What the client sent to log on; both may be changed. An empty user means anonymous."""

    user: str
    password: str
    scheme: str = ""


class DenialReason(enum.Flag):
    """Why access was denied (SF_DENIED_*)."""

    LOGON = 1
    RESOURCE = 2
    FILTER = 4
    APPLICATION = 8
    BY_CONFIG = 0x10000


@dataclass(slots=True)
class Denial:
    """A 401 is about to be sent."""

    url_path: str
    physical_path: str
    reason: DenialReason


@dataclass(slots=True)
class LogEntry:
    """The fields of the site log that a filter may change just before the line is written.

    The last three are to be read: what the worker has sent and received (bytes of heads and bodies; Date, Server and
    framing are added by the listener, which also takes chunks out) and how long it has had the request. What the line
    says of them the listener counts, up to the last byte that the client takes.
    """

    client_host_name: str = ""
    client_user_name: str = ""
    server_name: str = ""
    operation: str = ""
    target: str = ""
    parameters: str = ""
    http_status: int = 0
    win32_status: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    time_taken_ms: int = 0
