"""`processModel/@requestTimeLimit` (ours): ends a request that takes too long, and says what it was doing.

One timer for all requests: a few times within the limit it looks at what is in hand and remembers what it saw first
when. Nothing is done on a request's way. What cannot be ended is answered all the same: the client has its 504, the
thread keeps the request's credit until it returns, and the worker reports itself unhealthy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol

from host.api import HttpError
from host.worker.calling import CallUnderWay
from host.worker.examination import Whereabouts, whereabouts
from host.worker.exchange import Exchange, Overdue
from host.worker.plugins import ReportEvent

_LOOKS_WITHIN_LIMIT: Final = 4
_LONGEST_PAUSE_SECONDS: Final = 1.0
_OBEDIENCE_SECONDS: Final = 0.25  # an asynchronous handler that is cancelled has answered by then
_END_SECONDS: Final = 5.0  # and has ended by then, its program's tree killed


class Refuser(Protocol):
    """What sends the 504 (the pipeline)."""

    async def refuse_overdue(self, exchange: Exchange) -> None:
        """Answer with the refusal in `exchange.overdue`, whatever still runs for the request."""


class RequestTimeLimit:
    """Watches the requests that `exchanges()` gives; `calls` are the calls of plugins that are under way."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit_seconds: float,
        exchanges: Callable[[], Iterable[Exchange]],
        calls: Iterable[CallUnderWay],
        refuser: Refuser,
        *,
        report_event: ReportEvent,
        report_unhealthy: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._limit_seconds = limit_seconds
        self._exchanges = exchanges
        self._calls = calls
        self._refuser = refuser
        self._report_event = report_event
        self._report_unhealthy = report_unhealthy
        self._seen: dict[Exchange, float] = {}  # since when, by the loop's clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Watch from now on, if there is a limit."""
        if self._limit_seconds:
            self._timer = self._loop.call_later(self._pause_seconds, self._look)

    def close(self) -> None:
        """Watch no more."""
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()

    @property
    def _pause_seconds(self) -> float:
        return min(_LONGEST_PAUSE_SECONDS, self._limit_seconds / _LOOKS_WITHIN_LIMIT)

    def _look(self) -> None:
        self._timer = self._loop.call_later(self._pause_seconds, self._look)
        now = self._loop.time()
        self._seen = {exchange: self._seen.get(exchange, now) for exchange in self._exchanges()}
        for exchange, since in self._seen.items():
            if now - since >= self._limit_seconds and exchange.overdue is None and not exchange.is_gone:
                self._begin(exchange)

    def _begin(self, exchange: Exchange) -> None:
        place = whereabouts(exchange.request, self._calls)
        error = self._error(exchange, place)
        exchange.overdue = Overdue(error)
        request = exchange.request
        fields = {"request": request.id, "url": request.raw_target, "plugin": place.plugin, "place": place.place}
        text = f"{request.method} {request.raw_target} ({request.id}): {error.detail}"
        self._report_event("request-time-limit", text, {name: value for name, value in fields.items() if value})
        task = self._loop.create_task(self._end(exchange, place))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, exchange: Exchange, place: Whereabouts) -> None:
        """Cancel it; answer for it when that takes too long; give the worker up when it does not help."""
        assert exchange.task is not None, "what has lasted so long has a task"
        assert exchange.overdue is not None, "it has been found overdue"
        exchange.task.cancel()
        await asyncio.wait([exchange.task], timeout=_OBEDIENCE_SECONDS)
        if exchange.task.done():
            return
        exchange.overdue.keeps_credit = not exchange.is_done
        await self._refuser.refuse_overdue(exchange)
        if not self._is_on_a_thread(exchange):
            await asyncio.wait([exchange.task], timeout=_END_SECONDS)
            if exchange.task.done():
                return
        request = exchange.request
        text = f"request {request.method} {request.raw_target} ({request.id}) cannot be ended; {place.sentence}"
        self._report_unhealthy(text)

    def _is_on_a_thread(self, exchange: Exchange) -> bool:
        return any(call.is_on_a_thread and call.is_about(exchange.request) for call in self._calls)

    def _error(self, exchange: Exchange, place: Whereabouts) -> HttpError:
        fate = "its answer is cut" if exchange.has_begun else "it is ended"
        error = HttpError(
            504,
            0,
            f"{fate} after {self._limit_seconds:.0f} s (requestTimeLimit); {place.sentence}",
            remedy="Find out what the handler waits for, or raise <processModel requestTimeLimit> of its pool.",
        )
        error.module = place.plugin
        return error
