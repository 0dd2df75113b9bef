"""One request's walk, noted on its way: for `isapy trace`. A worker that is not told to watch does nothing of this.

While it watches, the worker asks each request for a token; the one that has it goes through a copy of the pipeline
whose hooks are wrapped. The token is used once, and comes over the service's own channel, never from a client.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from time import perf_counter
from typing import Any, Final

from host.api import HttpError, Request, Response
from host.wire.trace_messages import REQUEST_TRACED, TRACE_FIELD
from host.worker.exchange import Exchange
from host.worker.handler_choice import choose_handler, map_request
from host.worker.handler_map import Entry
from host.worker.hooks import ASYNC, Hook
from host.worker.pipeline import Pipeline
from host.worker.pipeline_parts import Forward
from host.worker.plan import Plan
from host.worker.plugins import ReportEvent
from host.worker.routes import Route, Routes
from host.worker.served_application import ServedApplication

Serve = Callable[[Exchange], Awaitable[None]]

_FIELD: Final = f"{TRACE_FIELD}:".lower().encode()


class Walk:
    """What happened to one request. Times are milliseconds since its begin."""

    def __init__(self) -> None:
        self._began_at = perf_counter()
        self.steps: list[dict[str, Any]] = []

    def note(
        self, event: str, by: str = "", *, since: float | None = None, outcome: str = "", detail: str = ""
    ) -> None:
        """One step; `since` (perf_counter) is when it began."""
        now = perf_counter()
        began = now if since is None else since
        step = {
            "at": round((began - self._began_at) * 1000, 3),
            "took": round((now - began) * 1000, 3),
            "event": event,
            "by": by,
            "outcome": outcome,
            "detail": detail,
        }
        self.steps.append(step)

    def in_order(self) -> list[dict[str, Any]]:
        """The steps by their beginnings: one is noted at its end, and those inside it end before."""
        return sorted(self.steps, key=lambda step: float(step["at"]))

    def wrapped(self, hook: Hook) -> Hook:
        """The hook, noted when it is called."""
        function = hook.function

        async def awaited(*arguments: Any) -> Any:
            since = perf_counter()
            with_target = _Target(arguments)
            try:
                answer = await function(*arguments)
            except BaseException as error:
                self.note(hook.name, hook.plugin, since=since, outcome=_raised(error))
                raise
            self.note(hook.name, hook.plugin, since=since, outcome=_told(answer), detail=with_target.change())
            return answer

        def called(*arguments: Any) -> Any:
            since = perf_counter()
            with_target = _Target(arguments)
            try:
                answer = function(*arguments)
            except BaseException as error:
                self.note(hook.name, hook.plugin, since=since, outcome=_raised(error))
                raise
            outcome = "" if inspect.isawaitable(answer) else _told(answer)
            self.note(hook.name, hook.plugin, since=since, outcome=outcome, detail=with_target.change())
            return answer

        return hook._replace(function=awaited if hook.kind == ASYNC else called)

    def plan(self, plan: Plan) -> Plan:
        """The plan with every hook wrapped."""
        groups: dict[str, Any] = {one.name: getattr(plan, one.name) for one in fields(plan)}
        for name, value in groups.items():
            if isinstance(value, tuple):
                groups[name] = tuple(self.wrapped(hook) for hook in value)
        return replace(plan, **groups)


class _Target:
    """What a hook made of the request's URL and mapping."""

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self._request = arguments[0] if arguments and isinstance(arguments[0], Request) else None
        self._before = self._request.raw_target if self._request is not None else ""

    def change(self) -> str:
        """`rewrote /a to /b`, or nothing."""
        if self._request is None or self._request.raw_target == self._before:
            return ""
        return f"rewrote {self._before} to {self._request.raw_target}"


class _Traced:
    """An application whose plans are wrapped; everything else is the application's own."""

    def __init__(self, served: ServedApplication, walk: Walk) -> None:
        self.__dict__.update(_served=served, _walk=walk)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._served, name)
        return self._walk.plan(value) if isinstance(value, Plan) else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._served, name, value)


class _Applications(Mapping[tuple[int, str], Any]):
    def __init__(self, served: Mapping[tuple[int, str], ServedApplication], walk: Walk) -> None:
        self._served = served
        self._walk = walk

    def __getitem__(self, key: tuple[int, str]) -> Any:
        return _Traced(self._served[key], self._walk)

    def __iter__(self) -> Any:
        return iter(self._served)

    def __len__(self) -> int:
        return len(self._served)


class _Forwarding:
    def __init__(self, forward: Forward, walk: Walk) -> None:
        self._forward = forward
        self._walk = walk

    async def handle(self, slot: str, request: Request) -> Response:
        since = perf_counter()
        try:
            response = await self._forward.handle(slot, request)
        except BaseException as error:
            self._walk.note("handle", slot, since=since, outcome=_raised(error))
            raise
        self._walk.note("handle", slot, since=since, outcome=_told(response))
        return response


class _Watch:
    """Notes what the pipeline does between the hooks (`pipeline.Observer`)."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        self._sending_since = 0.0

    def map_request(self, routes: Routes, request: Request) -> Route:
        since = perf_counter()
        route = map_request(routes, request)
        where = f"{request.path} is {request.physical_path} of {request.application.metabase_path}"
        self._walk.note("map path", since=since, detail=where)
        return route

    def choose_handler(self, routes: Routes, request: Request, route: Route) -> Entry:
        since = perf_counter()
        entry = choose_handler(routes, request, route)
        mapping = entry.mapping
        runs = mapping.type or mapping.script_processor or entry.module_names
        self._walk.note("map handler", since=since, outcome=mapping.name, detail=f"{mapping.path} runs {runs}")
        return replace(entry, hooks=tuple(self._walk.wrapped(hook) for hook in entry.hooks))

    def refused(self, error: HttpError) -> None:
        self._walk.note("refused", error.module, outcome=f"{error.status}.{error.substatus}", detail=error.detail)

    def sending(self) -> None:
        self._sending_since = perf_counter()

    def sent(self, response: Response) -> None:
        self._walk.note("sent", since=self._sending_since, outcome=f"{response.status}.{response.substatus}")


class Tracer:
    """Watches for tokens. `set_serve` puts another function in front of every request, and takes it away."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        pipeline: Pipeline,
        report_event: ReportEvent,
        set_serve: Callable[[Serve | None], None],
        worker: str,
    ) -> None:
        self._loop = loop
        self._pipeline = pipeline
        self._report_event = report_event
        self._set_serve = set_serve
        self._worker = worker
        self._tokens: set[str] = set()

    def watch(self, token: str, seconds: float) -> None:
        """Trace the request that carries the token, if it comes in time."""
        self._tokens.add(token)
        self._set_serve(self._serve)
        self._loop.call_later(seconds, self._forget, token)

    def _traced(self, walk: Walk) -> Pipeline:
        """A pipeline as the worker's, that notes what it does."""
        return self._pipeline.observed(_Watch(walk), partial(_Applications, walk=walk), partial(_Forwarding, walk=walk))

    def _forget(self, token: str) -> None:
        self._tokens.discard(token)
        if not self._tokens:
            self._set_serve(None)

    async def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        token = request.headers.get(TRACE_FIELD) if _FIELD in request.raw_headers.lower() else ""
        if token not in self._tokens:
            await self._pipeline.serve(exchange)
            return
        self._forget(token)
        request.headers.remove(TRACE_FIELD)
        request.raw_headers = request.headers.to_raw()
        walk = Walk()
        method, target = request.method, request.raw_target
        try:
            await self._traced(walk).serve(exchange)
        finally:
            walk.note("done")
            told = {"method": method, "target": target, "request": request.id, "worker": self._worker}
            self._report_event(REQUEST_TRACED, json.dumps(told | {"steps": walk.in_order()}), {"token": token})


def _told(answer: object) -> str:
    if isinstance(answer, Response):
        return f"response {answer.status}.{answer.substatus}"
    return "" if answer is None else str(getattr(answer, "name", answer))


def _raised(error: BaseException) -> str:
    if isinstance(error, HttpError):
        return f"refused {error.status}.{error.substatus}"
    return f"raised {type(error).__name__}: {error}"
