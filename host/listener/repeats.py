"""Requests that come again byte for byte: browsers and programs repeat themselves, and then nothing is left to decide.

What a request says, its route and the head of its answer follow from its bytes alone, as long as routing is as it was
and the entry that answered is in the cache. So the second time costs one look-up: no parsing, no routing, no exchange.
What differs from one time to the next (the date, the client, the moment) is looked at each time.
"""

from __future__ import annotations

from typing import Final

from host.http1.policy import MAX_REMEMBERED
from host.http1.request_head import RequestHead
from host.http1.writer import EndOfHead
from host.listener.error_log import Address
from host.listener.response_cache import CacheEntry
from host.listener.route import Route
from host.logs.record import RecordParts
from host.wire.frames import ResponseFlag

MAX_REPEAT_BYTES: Final = 2 << 20  # of one endpoint, beyond which all are forgotten
_OBJECT_BYTES: Final = 512  # what a Repeat takes beside the bytes of its request


class Repeat:
    """A request that was answered from the cache. `opening` is its answer's head as far as `stamp` ends it, `codes` are
    status, substatus and win32 status."""

    __slots__ = ("_fields", "_target", "codes", "entry", "has_body", "is_logged", "opening", "route", "stamp")

    def __init__(
        self,
        head: RequestHead,
        route: Route,
        entry: CacheEntry,
        stamp: EndOfHead,
        opening: bytes,
        codes: tuple[int, int, int],
    ) -> None:
        self._target = head.target.decode("latin-1")
        self._fields = head.fields
        self.route: Final = route
        self.entry: Final = entry
        self.stamp: Final = stamp
        self.opening: Final = opening
        self.codes: Final = codes
        self.has_body: Final = codes[0] != 304
        self.is_logged: Final = route.site.log_file.enabled and not entry.flags & ResponseFlag.NO_LOG

    def record(self, address: Address, sent: int, received: int, ended_at: float) -> RecordParts:
        """Its line in the site's log (`request_record`), which says that it took no time."""
        site, codes = self.route.site, self.codes
        client_ip, _, server_ip, server_port = address
        return (
            ended_at,
            site.id,
            site.name,
            client_ip,
            server_ip,
            server_port,
            "GET",
            self._target,
            "HTTP/1.1",
            self._fields,
            "",
            *codes,
            sent,
            received,
            0,
            None,
        )


class Repeats(dict[bytes, Repeat]):
    """What is known of one endpoint, by the whole request head as it came. `size`: about what it takes, in bytes."""

    size = 0

    def remember(self, head: RequestHead, repeat: Repeat) -> None:
        """Know a request for the next time, if it is a plain GET whose connection is kept."""
        if not head.is_plain or not head.keep_alive or head.method != b"GET" or head.size > MAX_REMEMBERED:
            return
        raw_head = b"GET %b HTTP/1.1\r\n%b\r\n" % (head.target, head.fields)
        if raw_head not in self:
            self.size += len(raw_head) + len(repeat.opening) + _OBJECT_BYTES
            if self.size > MAX_REPEAT_BYTES:
                self.clear()
                self.size = len(raw_head) + len(repeat.opening) + _OBJECT_BYTES
        self[raw_head] = repeat

    def clear(self) -> None:
        """Know nothing any more."""
        super().clear()
        self.size = 0
