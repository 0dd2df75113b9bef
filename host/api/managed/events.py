"""The events of an `HttpApplication`: their names in order, and how one subscribes to them.

The names are those of the pipeline's hooks; ASP.NET's `BeginRequest` is `begin_request` here.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

BEFORE_HANDLER: Final = (
    "begin_request",
    "authenticate_request",
    "post_authenticate_request",
    "authorize_request",
    "post_authorize_request",
    "resolve_request_cache",
    "post_resolve_request_cache",
    "map_request_handler",
    "post_map_request_handler",
    "acquire_request_state",
    "post_acquire_request_state",
    "pre_request_handler_execute",
)
AFTER_HANDLER: Final = (
    "post_request_handler_execute",
    "release_request_state",
    "post_release_request_state",
    "update_request_cache",
    "post_update_request_cache",
)
AT_THE_END: Final = ("log_request", "post_log_request", "end_request")
ANY_TIME: Final = ("pre_send_request_headers", "pre_send_request_content", "error", "disposed", "request_completed")
EVENTS: Final = (*BEFORE_HANDLER, *AFTER_HANDLER, *AT_THE_END, *ANY_TIME)
"""Every event. The handler runs between BEFORE_HANDLER and AFTER_HANDLER."""

INTEGRATED_ONLY: Final = frozenset({"map_request_handler", "log_request", "post_log_request"})
"""Events that classic mode does not raise."""

Handler = Callable[..., Any]
"""`handler()`, `handler(application)` or `handler(application, event_args)`; plain, or `async def`."""


@dataclass(frozen=True, slots=True)
class EventArgs:
    """What an event handler may take as its second argument."""

    event: str


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One handler of one event. `owner` is the module that subscribed, `global.asax` for methods found by name."""

    owner: str
    function: Handler
    argument_count: int

    @property
    def is_asynchronous(self) -> bool:
        """Whether it is a coroutine function, which runs on the event loop behind the plain ones."""
        return inspect.iscoroutinefunction(self.function)

    def call(self, application: Any, event: str) -> Any:
        """Call it with what it takes."""
        return self.function(*(application, EventArgs(event))[: self.argument_count])


def count_arguments(function: Handler) -> int:
    """How many of (application, event arguments) a handler takes. Raises TypeError when it takes neither 0, 1 nor 2."""
    parameters = inspect.signature(function).parameters.values()
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return 2
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    needed = [one for one in positional if one.default is one.empty]
    if len(needed) > 2 or any(one.kind is one.KEYWORD_ONLY and one.default is one.empty for one in parameters):
        raise TypeError(f"an event handler takes (), (application) or (application, event_args): {function!r}")
    return min(len(positional), 2)


class Event:
    """One event of one application object: `application.begin_request += handler`."""

    def __init__(self, name: str, owner: Callable[[], str]) -> None:
        self.name = name
        self.subscribers: list[Subscriber] = []
        self._owner = owner

    def add(self, handler: Handler) -> None:
        """Subscribe. Raises TypeError for a handler that takes other arguments."""
        self.subscribers.append(Subscriber(self._owner(), handler, count_arguments(handler)))

    def __iadd__(self, handler: Handler) -> Event:
        self.add(handler)
        return self

    def __isub__(self, handler: Handler) -> Event:
        self.subscribers = [one for one in self.subscribers if one.function != handler]
        return self
