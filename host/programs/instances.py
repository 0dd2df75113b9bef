"""How many programs run at once (`cgi/@maxInstances`), and the line of the requests that wait for one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from host.gateway.cgi_failures import no_instance_free


class InstanceRule(Protocol):
    """`settings.cgi.instances`."""

    @property
    def most(self) -> int:
        """Programs at once."""

    @property
    def queue_length(self) -> int:
        """Requests that may wait."""

    @property
    def where(self) -> str:
        """What is counted together."""


class Instances:
    """The programs of a worker, counted for each rule. A rule that nobody uses takes no place here."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    async def enter(self, rule: InstanceRule) -> Callable[[], None]:
        """A place for one program, in the order of asking; call what is returned when its program has ended.

        Raises HttpError 503.4 when the line is full.
        """
        line = self._lines.setdefault(rule.where, _Line())
        try:
            await line.enter(rule)
        except BaseException:
            self._forget(rule.where)
            raise
        has_left = False

        def leave() -> None:
            nonlocal has_left
            if not has_left:
                has_left = True
                line.leave()
                self._forget(rule.where)

        return leave

    def _forget(self, where: str) -> None:
        line = self._lines.get(where)
        if line is not None and line.is_empty:
            del self._lines[where]


class _Line:
    def __init__(self) -> None:
        self._running = 0
        self._most = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_empty(self) -> bool:
        return not self._running and not self._waiting

    async def enter(self, rule: InstanceRule) -> None:
        self._most = rule.most
        if self._running < rule.most:
            self._running += 1
            return
        if len(self._waiting) >= rule.queue_length:
            raise no_instance_free(rule.most, rule.queue_length)
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()  # the place came in the moment in which the client left
            else:
                self._waiting.remove(place)
            raise

    def leave(self) -> None:
        self._running -= 1
        while self._waiting and self._running < self._most:
            place = self._waiting.popleft()
            if not place.done():
                self._running += 1
                place.set_result(None)
