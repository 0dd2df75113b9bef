"""HttpApplication: one of an application's pooled objects; `global_asax.py` may hold a subclass of it."""

from __future__ import annotations

from typing import Any

from host.api.managed.context import HttpContext
from host.api.managed.contracts import HttpException, IHttpModule
from host.api.managed.events import EVENTS, Event, Subscriber
from host.api.managed.request import HttpRequest
from host.api.managed.response import HttpResponse
from host.api.managed.values import HttpApplicationState

GLOBAL_ASAX = "global.asax"


class HttpApplication:
    """Executes one request at a time, with module instances of its own. Its fields last from one request to the next
    of the same object, and are no other's.

    Every event of `host.api.managed.EVENTS` is an attribute: `application.begin_request += handler`. In a subclass,
    methods named `Application_BeginRequest` (or `Application_OnBeginRequest`, `application_begin_request`) subscribe by
    their name, `<Module>_<Event>` to an event of a module object; `Application_Start` and `Application_End` are called
    once for each application and worker.
    """

    def __init__(self) -> None:
        self.modules: dict[str, IHttpModule] = {}
        self.application = HttpApplicationState()
        self._owner = GLOBAL_ASAX
        self._events = {name: Event(name, lambda: self._owner) for name in EVENTS}
        self._context: HttpContext | None = None

    def init(self) -> None:
        """Every module has been initialised; the place for what is to be made once for each object."""

    def dispose(self) -> None:
        """The object is let go of."""

    def __getattr__(self, name: str) -> Any:
        events = self.__dict__.get("_events", {})
        if name in events:
            return events[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if name in EVENTS and not isinstance(value, Event):
            raise AttributeError(f"{name} is an event: subscribe with +=")
        if name not in EVENTS:
            super().__setattr__(name, value)

    @property
    def context(self) -> HttpContext:
        """The request in hand. Raises HttpException outside of one, as in Application_Start of integrated mode."""
        if self._context is None:
            raise HttpException(500, "there is no request in this context")
        return self._context

    @property
    def request(self) -> HttpRequest:
        """The request in hand."""
        return self.context.request

    @property
    def response(self) -> HttpResponse:
        """Its response."""
        return self.context.response

    @property
    def server(self) -> Any:
        """`context.server`."""
        return self.context.server

    @property
    def user(self) -> str:
        """`context.user`."""
        return self.context.user

    def complete_request(self) -> None:
        """Pass over the events that are left, up to log_request (classic mode: end_request); the code that called
        this goes on."""
        self.context.is_completed = True

    # --- what the runtime does

    def add_module(self, name: str, module: IHttpModule) -> None:
        """Initialise a module: what it subscribes to is called as its own."""
        self.modules[name] = module
        self._owner = name
        try:
            module.init(self)
        finally:
            self._owner = GLOBAL_ASAX

    def subscribers(self, event: str, owner: str | None = None) -> list[Subscriber]:
        """Who subscribed to that event, plain functions first; of one owner, or of all."""
        found = [one for one in self._events[event].subscribers if owner is None or one.owner == owner]
        return sorted(found, key=lambda one: one.is_asynchronous)

    def enter(self, context: HttpContext | None) -> None:
        """From now on that request is in hand, or none."""
        self._context = context
