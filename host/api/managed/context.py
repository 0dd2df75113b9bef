"""HttpContext: one request's everything, and `HttpContext.current`, which follows it across threads."""

from __future__ import annotations

import time
from typing import Any, Protocol

from host.api.managed.contracts import HttpException, IHttpHandler
from host.api.managed.request import HttpRequest
from host.api.managed.response import HttpResponse
from host.api.managed.values import HttpApplicationState, current_owner


class HttpServerUtility(Protocol):
    """`context.server`: what the server does for a request in hand. The plain methods block: on a thread only."""

    @property
    def machine_name(self) -> str:
        """Name of the machine."""

    def map_path(self, path: str) -> str:
        """The file that a virtual path (absolute, or relative to the request's) is mapped to."""

    def execute(self, path: str) -> None:
        """Run another URL of the site and put its body into the response. At most ten deep."""

    def transfer(self, path: str) -> None:
        """The same, in the place of what was written so far, and end the request."""

    def transfer_request(self, path: str) -> None:
        """Answer with another URL of the site, through its whole pipeline; ends the request (integrated mode)."""

    async def execute_async(self, path: str) -> None:
        """As `execute`, for asynchronous handlers."""

    def get_last_error(self) -> BaseException | None:
        """What was raised last."""

    def clear_error(self) -> None:
        """It is dealt with: the response is what was written."""


class _Current(type):
    @property
    def current(cls) -> HttpContext | None:
        """The context of the request that the running code belongs to; None outside of one."""
        found = current_owner()
        return found if isinstance(found, HttpContext) else None


class HttpContext(metaclass=_Current):
    """One request. `items` is the place for values about it, for modules and handlers alike."""

    def __init__(
        self, request: HttpRequest, response: HttpResponse, state: HttpApplicationState, *, is_integrated: bool
    ) -> None:
        self.request = request
        self.response = response
        self.application = state
        self.is_integrated = is_integrated
        self.items: dict[Any, Any] = {}
        self.timestamp = time.time()
        self.all_errors: list[BaseException] = []
        self.handler: IHttpHandler | None = None
        self.remapped_handler: IHttpHandler | None = None
        self.application_instance: Any = None  # the HttpApplication that executes it
        self.server: HttpServerUtility
        self.is_completed = False
        self._may_remap = True

    @property
    def user(self) -> str:
        """Name of the user; empty for anonymous."""
        return self.request.native.user

    @user.setter
    def user(self, name: str) -> None:
        self.request.native.user = name
        if name and not self.request.native.auth_type:
            self.request.native.auth_type = "Managed"

    @property
    def error(self) -> BaseException | None:
        """What was raised first and not cleared."""
        return self.all_errors[0] if self.all_errors else None

    def add_error(self, error: BaseException) -> None:
        """Note an error."""
        self.all_errors.append(error)

    def clear_error(self) -> None:
        """Forget the errors: the response is what was written."""
        self.all_errors.clear()

    def remap_handler(self, handler: IHttpHandler) -> None:
        """Let this handler answer instead of the mapped one. Before map_request_handler is over, else HttpException.

        For a request whose mapping is managed; another mapping's handler is not replaced.
        """
        if not self._may_remap:
            raise HttpException(500, "RemapHandler comes too late: the handler has been chosen")
        self.remapped_handler = handler

    def rewrite_path(self, target: str) -> None:
        """Go on under another URL of the application. Before the handler is chosen. Raises ValueError."""
        self.request.native.set_url(target)

    def handler_is_chosen(self) -> None:
        """From here on it cannot be replaced (the runtime says so)."""
        self._may_remap = False
