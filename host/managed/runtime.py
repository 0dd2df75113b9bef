"""HttpRuntime: an application in this worker (ASP.NET's application domain), from its start to its end."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from time import monotonic
from typing import Any, Final

from host.api import ApplicationInfo, HttpError, PluginContext, Request, Response
from host.api.managed import HttpApplication, HttpApplicationState, IHttpModule
from host.api.managed.contracts import implements
from host.api.managed.events import AFTER_HANDLER, BEFORE_HANDLER, INTEGRATED_ONLY
from host.api.managed.posted_files import MultipartForm
from host.api.managed.values import no_exit
from host.gateway.environment import meta_variables
from host.managed.application_factory import HttpApplicationFactory
from host.managed.execution import Execution
from host.managed.global_asax import application_class, life_method, subscribe_by_name
from host.managed.handler_factories import HandlerFactories
from host.managed.handler_patterns import type_for
from host.managed.type_loader import TypeLoader

KEY: Final = "isapy.managed"
"""In `Request.context`: the Execution."""

_LOOK_SECONDS: Final = 1.0


class HttpRuntime:
    """One application. `modules` are (name, type), in order, as the configuration has them for this pipeline mode."""

    def __init__(
        self, application: ApplicationInfo, modules: list[tuple[str, str]], host: PluginContext, *, is_integrated: bool
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.is_integrated = is_integrated
        self.state = HttpApplicationState()
        self.loader = TypeLoader(application.physical_path)
        self.factory = HttpApplicationFactory(self.loop, self._make, self._dispose)
        self.releases_itself = not is_integrated
        self._application = application
        self._modules = modules
        self._host = host
        self._class: type[HttpApplication] = HttpApplication
        self._factories: dict[int, HandlerFactories] = {}
        self._special: HttpApplication | None = None
        self._looked_at = monotonic()

    # --- life

    def start(self) -> None:
        """Load the code, call Application_Start, make the first application object. On a thread: all of it may block.

        Raises whatever the application's code raises; nothing of it stays then.
        """
        try:
            self._class = application_class(self.loader)
            self._special = self._new()
            start = life_method(self._special, "start")
            if start is not None:
                with no_exit():
                    start()
            self.factory.give_back(self.factory.take())
        except BaseException:
            self.loader.forget()
            raise

    def stop(self) -> None:
        """Application_End, then every object is let go of. On a thread."""
        end = life_method(self._special, "end") if self._special is not None else None
        try:
            if end is not None:
                with no_exit():
                    end()
        finally:
            self.factory.close()

    def look_at_files(self) -> None:
        """When a loaded file is another one by now, the process is to be replaced (asked at most once a second)."""
        now = monotonic()
        if now - self._looked_at > _LOOK_SECONDS:
            self._looked_at = now
            if changed := self.loader.changed_files():
                self._host.report_changed(changed)

    # --- application objects

    def subscriptions(self, owner: str) -> frozenset[str]:
        """The events that a module of that name subscribes to, by the object that waits in the list."""
        application = self.factory.take()
        try:
            return frozenset(
                name for name, event in application._events.items() if application.subscribers(name, owner)
            )
        finally:
            self.factory.give_back(application)

    def factories(self, application: HttpApplication) -> HandlerFactories:
        """The handler factories of an application object."""
        return self._factories.setdefault(id(application), HandlerFactories(self.loader))

    def _new(self) -> HttpApplication:
        application = self._class()
        application.application = self.state
        return application

    def _make(self) -> HttpApplication:
        application = self._new()
        try:
            with no_exit():
                self._fill(application)
        except BaseException:
            self._dispose(application)
            raise
        return application

    def _fill(self, application: HttpApplication) -> None:
        for name, named in self._modules:
            found = self.loader.load(named)
            if not implements(found, "init"):
                detail = f"{named}, module {name}, has no init: it is no IHttpModule"
                raise HttpError(500, 21, detail, remedy="Derive it from host.api.managed.IHttpModule.")
            module: IHttpModule = found()
            application.add_module(name, module)
        subscribe_by_name(application)
        application.init()

    def _dispose(self, application: HttpApplication) -> None:
        self._factories.pop(id(application), None)
        parts: list[Callable[[], Any]] = [
            one.dispose for one in application.modules.values() if implements(one, "dispose")
        ]
        for part in (*parts, application.dispose):
            try:
                with no_exit():
                    part()
            except Exception as error:  # one that cannot let go keeps no other from it
                self._host.report_event("plugin-error", f"{part.__qualname__} of {self._application.path}: {error!r}")

    # --- requests

    def variables(self, request: Request) -> list[tuple[str, str]]:
        """CGI's variables of a request."""
        found = meta_variables(request, content_length=request.body.length)
        return [(name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in found.items()]

    def parse_multipart(self, content_type: str, body: bytes) -> MultipartForm:
        """Fields and files of such a body. Raises HttpException 400."""
        module = importlib.import_module("host.managed.multipart_form")  # few applications take uploads
        form: MultipartForm = module.parse_multipart(content_type, body)
        return form

    def type_of(self, request: Request) -> str:
        """The handler's type: the mapping's, or in classic mode that of httpHandlers. Raises HttpError 404.4."""
        if request.mapping is not None and request.mapping.type:
            return request.mapping.type
        found = type_for(request.settings.http_handlers, request.method, request.path, self._application.path)
        if found:
            return found
        detail = f"no managed handler is configured for {request.method} {request.path}"
        raise HttpError(404, 4, detail, remedy='Give the mapping a type="module:Class", or add one to httpHandlers.')

    def execution(self, request: Request) -> Execution:
        """The execution of a request: the one under way, or a new one."""
        found = request.context.get(KEY)
        if isinstance(found, Execution) and found.runtime is self and not found.is_released:
            if found.request is not request:
                found.begin(request)
            return found
        self.look_at_files()
        execution = request.context[KEY] = Execution(self, request)
        return execution

    async def handle(self, request: Request) -> Response:
        """Answer: integrated mode runs the handler, classic mode everything there is around it."""
        is_outer = not isinstance(request.context.get(KEY), Execution)
        execution = self.execution(request)
        try:
            response = await execution.answer(execution.run_handler() if self.is_integrated else self._walk(execution))
        except BaseException:
            if self.releases_itself or is_outer:
                execution.release()
            raise
        if (self.releases_itself or is_outer) and not execution.is_streaming:
            execution.release()
        return response

    async def _walk(self, execution: Execution) -> None:
        """Classic mode: the events around the handler; end_request comes in any case."""
        context = execution.context
        try:
            for event in BEFORE_HANDLER:
                if event not in INTEGRATED_ONLY and not context.is_completed:
                    await execution.raise_event(event)
            if not context.is_completed:
                await execution.run_handler()
            for event in AFTER_HANDLER:
                if not context.is_completed:
                    await execution.raise_event(event)
                if event == "post_release_request_state" and not execution.is_streaming:
                    context.response.finish_filter()
        finally:
            await execution.raise_event("end_request")
            if not execution.is_streaming:
                await execution.raise_event("pre_send_request_headers")
                await execution.raise_event("pre_send_request_content")
            await execution.raise_event("request_completed")
