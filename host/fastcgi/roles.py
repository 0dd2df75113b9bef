"""What a request, its process and the pool of processes are to one another."""

from __future__ import annotations

from typing import Protocol

from host.fastcgi.instance import Instance
from host.fastcgi.settings import ApplicationSettings


class Owner(Protocol):
    """Whom the instance belongs to."""

    @property
    def settings(self) -> ApplicationSettings:
        """The application's."""

    def release(self, instance: Instance) -> None:
        """It has answered and is free."""

    def take_back(self, instance: Instance) -> None:
        """It has closed its connection before it could begin."""

    def discard(self, instance: Instance, reason: str, *, is_failure: bool) -> None:
        """It is to be ended."""

    def report(self, event_id: str, text: str) -> None:
        """A line in the event log."""


class Awaiter(Protocol):
    """Who waits for the answer without reading it, as long as that is enough: exactly one of the two is called."""

    def take(self, output: bytes) -> bool:
        """All of a short answer's output. False: it must be read after all; `wake` follows."""

    def wake(self) -> None:
        """Something else than a short answer that comes at once: the exchange is to be read."""


class Waiter(Protocol):
    """A request in the line; an asyncio.Future is one."""

    def done(self) -> bool:
        """It does not wait any more."""

    def set_result(self, instance: Instance | None, /) -> None:
        """An instance, or (None) a place where one may be started: the waiter's from now on."""
