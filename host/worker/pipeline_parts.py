"""What a pipeline is given: who runs handlers elsewhere, and who watches."""

from __future__ import annotations

from typing import Protocol

from host.api import HttpError, Request, Response
from host.worker.handler_map import Entry
from host.worker.routes import Route, Routes


class Forward(Protocol):
    """Runs handlers in another process (IIS 5 isolation mode)."""

    async def handle(self, slot: str, request: Request) -> Response:
        """The response of the dllhost of that slot."""


class Observer(Protocol):
    """Who watches one request's way through the pipeline (tracing)."""

    def map_request(self, routes: Routes, request: Request) -> Route:
        """As `handler_choice.map_request`."""

    def choose_handler(self, routes: Routes, request: Request, route: Route) -> Entry:
        """As `handler_choice.choose_handler`."""

    def refused(self, error: HttpError) -> None:
        """The request is refused so."""

    def sending(self) -> None:
        """There is a response."""

    def sent(self, response: Response) -> None:
        """It was sent, or that one instead of it."""
