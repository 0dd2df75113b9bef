"""The Python applications that a plugin serves in this worker: started with their first request, watched, ended.

One that cannot be loaded answers 500.21 with the cause. The failure stays, because half an import cannot be undone: a
changed file, or a request some time later, has the process replaced. A start-up that failed (ASGI's lifespan) is tried
again in the same process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from host.api import HttpError, PluginContext, Request
from host.python_apps.callable_name import CallableName, parse_callable_name
from host.python_apps.loading import LoadFailure, entry_files
from host.python_apps.process_paths import Wanted

LOOK_SECONDS: Final = 1.0
"""How often, at most, an application's files are looked at; a request has them looked at."""

RETRY_SECONDS: Final = 5.0
"""After this a start-up that failed is tried again."""

RENEW_SECONDS: Final = 60.0
"""After this a request has the process replaced whose application could not be loaded."""

Application = TypeVar("Application")
Key = tuple[int, str, str]
_Stamp = tuple[int, int, int] | None


class Order:
    """What is to be started: the application as a request has shown it, and its settings."""

    def __init__(self, request: Request) -> None:
        self.settings = request.settings.python_application
        self.processor = request.mapping.script_processor if request.mapping is not None else ""
        info = request.application
        self.application = f"the application {info.metabase_path}"
        folder = self.settings.working_directory or info.physical_path
        self.wanted = Wanted(
            application=self.application,
            environment=self.settings.virtual_environment,
            folder=os.path.abspath(folder),
            insists_on_folder=bool(self.settings.working_directory),
        )

    @property
    def name(self) -> CallableName:
        """The callable. Raises LoadFailure for a scriptProcessor that names none."""
        try:
            return parse_callable_name(self.processor)
        except ValueError as error:
            remedy = 'Write scriptProcessor="module:callable", for example "shop.wsgi:application".'
            raise LoadFailure(str(error), remedy) from error

    def files(self) -> tuple[str, ...]:
        """Files whose change asks for another process."""
        if not self.settings.monitor_changes:
            return ()
        further = (self.settings.monitor_changes_to,) if self.settings.monitor_changes_to else ()
        try:
            return (*entry_files(self.name, self.wanted.folder), *further)
        except LoadFailure:
            return further


class _Place(Generic[Application]):
    """One application: on its way, ready or failed; and the files that are watched for it."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.start: asyncio.Task[Application] | None = None
        self.ready: Application | None = None
        self.failure: LoadFailure | None = None
        self.failed_at = 0.0
        self.has_told = False
        self.stamps: dict[str, _Stamp] = {}
        self.looked_at = 0.0

    def watch(self, files: tuple[str, ...]) -> None:
        self.stamps = {file: _stamp(file) for file in files}

    def changed(self) -> list[str]:
        return [file for file, stamp in self.stamps.items() if _stamp(file) != stamp]


class Applications(Generic[Application]):
    """`begin(order)` loads and starts one and raises LoadFailure; `end(application)` ends it."""

    def __init__(
        self,
        context: PluginContext,
        begin: Callable[[Order], Awaitable[Application]],
        end: Callable[[Application], Awaitable[None]],
    ) -> None:
        self._context = context
        self._begin = begin
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._places: dict[Key, _Place[Application]] = {}

    def ready(self, request: Request) -> Application | None:
        """The request's application when it runs: the everyday case, without waiting. None: `find` it."""
        mapping = request.mapping
        info = request.application
        place = self._places.get((info.site_id, info.path, mapping.script_processor if mapping is not None else ""))
        if place is None or place.ready is None:
            return None
        if self._loop.time() - place.looked_at >= LOOK_SECONDS:
            self._look(place)
        return place.ready

    async def find(self, request: Request) -> Application:
        """The request's application, started if it is not yet. Raises HttpError 500.21 when that cannot be done."""
        order = Order(request)
        key = (request.application.site_id, request.application.path, order.processor)
        place = self._places.get(key)
        if place is None or (place.failure is not None and self._may_try_again(place)):
            place = self._places[key] = _Place(order)
        if place.failure is None:
            if place.start is None:
                place.start = self._loop.create_task(self._run_begin(place))
            try:
                return await asyncio.shield(place.start)
            except LoadFailure as failure:
                raise self._refusal(place, failure) from failure
        self._look(place)
        self._renew(place, place.failure)
        raise self._refusal(place, place.failure)

    async def close(self) -> None:
        """End them all, last one first."""
        places = list(self._places.values())[::-1]
        self._places.clear()
        for place in places:
            if place.start is not None and not place.start.done():
                place.start.cancel()
            if place.ready is not None:
                await self._end(place.ready)

    async def _run_begin(self, place: _Place[Application]) -> Application:
        place.watch(place.order.files())  # before the code is read: what is saved meanwhile counts as a change
        place.looked_at = self._loop.time()
        try:
            place.ready = await self._begin(place.order)
        except LoadFailure as failure:
            place.failure, place.failed_at = failure, self._loop.time()
            if place.order.settings.monitor_changes:
                place.stamps = {file: _stamp(file) for file in failure.files} | place.stamps
            text = f"{place.order.application}: {place.order.processor} cannot be used: {failure}"
            self._context.report_event("plugin-failed", f"{text}\n{failure.failure}".rstrip())
            raise
        for file in place.order.files():  # the module's own file is known only now when it is an installed one
            place.stamps.setdefault(file, _stamp(file))
        return place.ready

    def _look(self, place: _Place[Application]) -> None:
        place.looked_at = self._loop.time()
        if not place.has_told and (files := place.changed()):
            place.has_told = True
            self._context.report_changed(files)

    def _may_try_again(self, place: _Place[Application]) -> bool:
        failure = place.failure
        return failure is not None and failure.may_pass and self._loop.time() - place.failed_at >= RETRY_SECONDS

    def _renew(self, place: _Place[Application], failure: LoadFailure) -> None:
        if not place.has_told and not failure.may_pass and self._loop.time() - place.failed_at >= RENEW_SECONDS:
            place.has_told = True
            seconds = self._loop.time() - place.failed_at
            text = f"{place.order.application} could not be loaded {seconds:.0f} s ago; another process tries again"
            self._context.report_unhealthy(text)

    def _refusal(self, place: _Place[Application], failure: LoadFailure) -> HttpError:
        detail = f"{place.order.processor} cannot be used: {failure}"
        return HttpError(500, 21, detail, remedy=failure.remedy, failure=failure.failure)


def _stamp(file: str) -> _Stamp:
    try:
        status: Any = os.stat(file)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
