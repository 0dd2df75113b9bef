"""HTTPERR: one record for what no worker answered. Refusals, time-outs, clients and workers that left."""

from __future__ import annotations

from typing import Final, NamedTuple, Protocol

from host.config.log_settings import LogFile
from host.http1.request_head import RequestHead
from host.logs.record import REASONS, RecordParts, RefusalRecord

_MAX_VERB: Final = 255
_MAX_TARGET: Final = 4096


class Log(Protocol):
    """Where the listener's records go (host.logs.writer.LogWriter)."""

    def request(self, record: RecordParts, log_file: LogFile) -> None:
        """One answered request, for its site's log."""

    def refusal(self, record: RefusalRecord) -> None:
        """One line of HTTPERR."""


class Address(NamedTuple):
    """Both ends of a client connection, as text and numbers."""

    client_ip: str
    client_port: int
    server_ip: str
    server_port: int


class Asked(NamedTuple):
    """What is known of a request when it is refused; empty texts when it was not understood."""

    http_version: str = ""
    verb: str = ""
    target: str = ""
    site_id: int = 0
    queue: str = ""


NOTHING_ASKED: Final = Asked()


def asked_by(head: RequestHead, site_id: int = 0, queue: str = "") -> Asked:
    """The facts of a head that was understood."""
    version = "HTTP/1.1" if head.minor_version else "HTTP/1.0"
    return Asked(version, head.method.decode("latin-1"), head.target.decode("latin-1"), site_id, queue)


def asked_in_vain(raw_head: bytes) -> Asked:
    """What a head that was refused seems to ask for: raw text, cut to the lengths of the log's fields."""
    words = raw_head[: _MAX_VERB + _MAX_TARGET].partition(b"\r\n")[0].split(b" ")
    if len(words) < 2:
        return NOTHING_ASKED
    version = words[-1].decode("latin-1") if len(words) > 2 and words[-1].startswith(b"HTTP/") else ""
    return Asked(version, words[0].decode("latin-1")[:_MAX_VERB], words[1].decode("latin-1")[:_MAX_TARGET])


class ErrorLog:
    """Writes HTTPERR's records."""

    __slots__ = ("_log",)

    def __init__(self, log: Log) -> None:
        self._log = log

    def note(self, at: float, address: Address, asked: Asked, status: int, reason: str) -> None:
        """One line; `status` 0 when nothing was sent. `at` is in seconds since the epoch."""
        if reason not in REASONS:
            raise ValueError(f"not a reason of HTTPERR: {reason}")
        self._log.refusal(
            RefusalRecord(
                at,
                address.client_ip,
                address.client_port,
                address.server_ip,
                address.server_port,
                asked.http_version,
                asked.verb,
                asked.target,
                status,
                asked.site_id,
                reason,
                asked.queue,
            )
        )
