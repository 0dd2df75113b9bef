"""A question without a client: whether an answer that has just been used stale is still good (RFC 5861 section 3).

It is the request of the client that found it so, once more and on a connection of its own that nobody reads: no line in
a log, no page for a refusal. While one is under way there is no other for the same answer. When it fails, nothing
changes: what is stored may be used for as long as it says, and after a second somebody asks again.
"""

from __future__ import annotations

from typing import Final

from host.http1.request_head import RequestHead
from host.http1.writer import read_worker_head
from host.listener.context import ListenerContext
from host.listener.error_log import Address
from host.listener.exchange import Exchange, Origin, Worker
from host.listener.refusals import Page
from host.listener.response_cache import CacheEntry
from host.listener.shared_cache import Shared, validating
from host.listener.shared_rules import FAILURES
from host.listener.shared_storing import brought_up_to_date, names_another, store
from host.wire.errors import WireError
from host.wire.frames import ResponseFlag, ResponseFrame

FAILED_SECONDS: Final = 1.0
"""How long nobody asks after a question that brought nothing."""

_EVER: Final = float("inf")
_NOT_MODIFIED: Final = 304
_RAW: Final = int(ResponseFlag.RAW)
_OWN_NUMBER: Final = len(Address._fields)  # where a connection's number stands in its facts


class Revalidation:
    """One question (exchange.Client). `exchange` is that of the client whose request it repeats."""

    __slots__ = (
        "_context",
        "_entry",
        "_shared",
        "address",
        "exchange",
        "facts",
        "is_local",
        "is_secure",
        "links",
        "number",
    )

    def __init__(
        self, context: ListenerContext, client: Origin, head: RequestHead, exchange: Exchange, entry: CacheEntry
    ) -> None:
        assert entry.shared is not None
        self._context = context
        self._entry = entry
        self._shared: Shared = entry.shared
        self.number = next(context.connection_numbers)
        self.links: list[Worker] = []
        self.is_secure = client.is_secure
        self.is_local = client.is_local
        self.address = client.address
        facts = client.facts.split(b"\0")
        facts[_OWN_NUMBER] = b"%d" % self.number  # a worker may keep something for a connection until its end
        self.facts = b"\0".join(facts)
        asking = validating(head, entry.entity_tag, entry.last_modified, for_client=False)
        self.exchange = Exchange(self, asking, exchange.route, context.monotonic())

    def begin(self) -> None:
        """Ask."""
        self._shared.asked_until = _EVER
        self._context.revalidations.add(self)
        self._context.relay.submit(self.exchange)

    def cancel(self) -> None:
        """Nobody needs to know any more."""
        self._context.relay.client_gone(self.exchange)
        self._fail()

    # --- exchange.Client

    def answer(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """304 makes what is stored fresh again, an error changes nothing, anything else takes its place."""
        context, entry, place = self._context, self._entry, self._shared.place
        if not frame.flags & _RAW and read_worker_head(frame.head).status != frame.status:
            raise WireError(f"a response frame of status {frame.status} whose head says another one")
        link = exchange.link
        if frame.status in FAILURES or link is None or link.is_draining:  # the next worker is asked
            self._fail()
            return
        self._end(0.0)
        if not entry.is_kept:  # it was flushed, taken back or displaced: so would be what comes now
            return
        if frame.status != _NOT_MODIFIED or frame.flags & _RAW:
            context.cache.remove(entry)
            store(context, exchange, frame, exchange.cache_policy, place)
            return
        whole = brought_up_to_date(entry, entry.body, frame)
        is_other = not self._shared.kept.has_validator or names_another(entry, frame)
        context.cache.remove(entry)
        if not is_other:
            store(context, exchange, whole, exchange.cache_policy, place)

    def begin_answer(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """It comes in pieces, and nothing that does is stored: the worker need not go on."""
        if frame.status in FAILURES:
            self.cancel()
            return
        self._context.relay.client_gone(exchange)
        self._end(0.0)
        self._context.cache.remove(self._entry)

    def refuse(self, page: Page, *, closes_only: bool = False) -> None:
        """The queue takes nothing, or the worker has died with it."""
        del page, closes_only
        self._fail()

    def reset(self, exchange: Exchange, page: Page, substatus: int) -> None:
        """The worker could not answer."""
        del exchange, page, substatus
        self._fail()

    def cut(self, reason: str, win32_status: int) -> None:
        """There is no response that could be cut."""

    def expect_body(self) -> None:
        """There is none."""

    def body_moved(self) -> None:
        """There is none."""

    def collect_body(self) -> None:
        """There is none."""

    def hold_body(self) -> None:
        """There is none."""

    def waited_too_long(self) -> None:
        """No worker took it in time; it has left the queue."""
        self._fail()

    def _fail(self) -> None:
        self._end(self._context.monotonic() + FAILED_SECONDS)

    def _end(self, asked_until: float) -> None:
        self._shared.asked_until = asked_until
        self.exchange.client = None
        self._context.revalidations.discard(self)
        if self.links:
            self._context.relay.session_ended(self.number, self.links)
