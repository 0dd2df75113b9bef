"""Pages that are requested before a worker takes requests: `applicationInitialization`, `application/@preloadEnabled`.

They go through the worker's own pipeline as requests of this machine, so everything that a first request would wait for
is done. Nobody logs them: no client has asked. A page that fails or takes too long is an event, never a worker that
does not start.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from host.api import Connection, Request, describe
from host.api.black_box import BlackBox
from host.api.whole_body import WholeBody
from host.config.errors import ConfigErrors
from host.config.model import ApplicationInitialization, Site
from host.config.store import ServerConfiguration
from host.wire.codec import FrameDecoder, decode_reset, decode_response
from host.wire.frames import FILE_WINDOW_BYTES, Kind
from host.worker.calling import CallUnderWay
from host.worker.examination import whereabouts
from host.worker.exchange import Exchange
from host.worker.plugins import ReportEvent
from host.worker.served_application import ServedApplication

_AGENT: Final = "IIS Application Initialization"
_TARGET: Final = re.compile(r"/[!-~]*")
_OBEDIENCE_SECONDS: Final = 0.25  # how long a page that is given up may take to end
_FIRST_FAILURE: Final = 400
_FIRST_FAILURE_OF_A_ROOT: Final = 500  # nobody has said that an application answers at its root


@dataclass(frozen=True, slots=True)
class _Page:
    """A page to request. `agent` tells its handlers why."""

    served: ServedApplication
    target: str
    host_name: str
    agent: str
    first_failure: int = _FIRST_FAILURE


class WarmUp:
    """Warms up the applications of one process. `serve` answers an exchange (the pipeline); `calls` are the calls of
    plugins that are under way, `black_box` tells of the page in which a worker has died."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        serve: Callable[[Exchange], Awaitable[None]],
        configuration: ServerConfiguration,
        served: Mapping[str, ServedApplication],
        calls: Iterable[CallUnderWay],
        report_event: ReportEvent,
        black_box: BlackBox,
    ) -> None:
        self._loop = loop
        self._serve = serve
        self._configuration = configuration
        self._served = served
        self._calls = calls
        self._report_event = report_event
        self._black_box = black_box
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, limit_seconds: float) -> None:
        """Before the worker is ready: the pages of all applications that want it, for so long at most."""
        end = self._loop.time() + limit_seconds
        for served in self._served.values():
            section = self._section_of(served)
            if served.forward_slot or section is None:  # its handlers run elsewhere, or its web.config is broken
                continue
            if served.model.preload_enabled or section.do_app_init_after_restart:
                await self._request_all(self._pages(served, section), end)
            else:
                served.awaits_first_request = bool(section.pages)

    def begin(self, served: ServedApplication, limit_seconds: float) -> None:
        """With the first request of an application that nobody wanted to be warm before: its pages, beside it."""
        served.awaits_first_request = False
        section = self._section_of(served)
        if section is not None:
            end = self._loop.time() + limit_seconds
            task = self._loop.create_task(self._request_all(self._pages(served, section), end))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()

    # --- which pages

    def _section_of(self, served: ServedApplication) -> ApplicationInitialization | None:
        try:
            return self._configuration.settings_for(served.model, served.model.path).application_initialization
        except ConfigErrors:  # its requests answer 500.19, and the event has been told
            return None

    def _pages(self, served: ServedApplication, section: ApplicationInitialization) -> list[_Page]:
        root = served.model.path.rstrip("/") + "/"
        if not section.pages:
            return [_Page(served, root, "", f"{_AGENT} Preload", _FIRST_FAILURE_OF_A_ROOT)]
        return [
            _Page(served, target if target.startswith("/") else root + target, host_name, f"{_AGENT} Warmup")
            for target, host_name in section.pages
        ]

    # --- one page after the other

    async def _request_all(self, pages: Iterable[_Page], end: float) -> None:
        for page in pages:
            if _TARGET.fullmatch(page.target) is None:
                self._fail(page, f"{page.target!r} is no URL path; write it percent-encoded")
            elif self._loop.time() >= end:
                self._fail(page, "it was not requested: the pages before it took too long (startupTimeLimit)")
            else:
                await self._request(page, end)

    async def _request(self, page: _Page, end: float) -> None:
        self._number += 1
        began_at = self._loop.time()
        outlet = _Outlet()
        exchange = outlet.exchange = Exchange(outlet, self._number, self._build(page), WholeBody(b""))
        note = self._black_box.enter("applicationInitialization", "warm-up", exchange.request)
        task = exchange.task = self._loop.create_task(self._run(exchange))
        try:
            await asyncio.wait([task], timeout=end - began_at)
        finally:
            if not task.done():
                place = whereabouts(exchange.request, self._calls)
                exchange.client_left()
            self._black_box.leave(note)
        seconds = self._loop.time() - began_at
        if not task.done():
            self._fail(page, f"it is given up after {seconds:.0f} s (startupTimeLimit); {place.sentence}", place.place)
            await asyncio.wait([task], timeout=_OBEDIENCE_SECONDS)
        elif outlet.status >= page.first_failure or not outlet.status:
            why = f" ({describe(outlet.status, outlet.substatus)})" if outlet.status else ""
            self._fail(page, f"it answered {outlet.status}.{outlet.substatus}{why}")
        else:
            text = f"{page.target} answered {outlet.status} after {seconds * 1000:.0f} ms, before any client asked"
            self._report_event("warm-up-page", text, {"url": page.target})

    async def _run(self, exchange: Exchange) -> None:
        await self._serve(exchange)

    def _fail(self, page: _Page, why: str, place: str = "") -> None:
        fields = {"url": page.target, **({"place": place} if place else {})}
        self._report_event("warm-up-failed", f"the page {page.target} of the warm-up: {why}", fields)

    def _build(self, page: _Page) -> Request:
        binding = next(iter(self._site_of(page.served).bindings), None)
        host = page.host_name or (binding.host.removeprefix("*.") if binding is not None else "") or "localhost"
        port = (binding.port if binding is not None else 0) or 80
        name = host if port == 80 else f"{host}:{port}"
        request = Request(
            id=f"warm-up-{os.getpid():x}-{self._number}",
            method="GET",
            raw_target=page.target,
            http_version="1.1",
            raw_headers=f"Host: {name}\r\nUser-Agent: {page.agent}\r\nAccept: */*\r\n".encode("latin-1", "replace"),
            connection=Connection("127.0.0.1", 0, "127.0.0.1", port, 0),
            application=page.served.info,
            body=WholeBody(b""),
            server_name=host,
        )
        request.context["warm_up"] = True
        return request

    def _site_of(self, served: ServedApplication) -> Site:
        return next(site for site in self._configuration.snapshot.sites if site.id == served.model.site_id)


class _Outlet:
    """Where the answer goes (exchange.Outlet): its status is kept, its body is taken as fast as it comes."""

    place: Final = 0
    takes_pipes: Final = False  # every byte is counted here

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self.status = 0
        self.substatus = 0
        self._decoder = FrameDecoder()

    def invalidate(self, number: int) -> None:
        """Nobody keeps this answer."""

    def queue(self, frame: bytes) -> None:
        """A frame of the answer."""
        for kind, _, body in self._decoder.receive(frame):
            if kind is Kind.RESPONSE:
                response = decode_response(body)
                self.status, self.substatus = response.status, response.substatus
            elif kind is Kind.RESET:
                self.status, self.substatus, _, _ = decode_reset(body)
            elif self.exchange is not None and kind in (Kind.DATA, Kind.FILE):
                self.exchange.open_window(len(body) if kind is Kind.DATA else FILE_WINDOW_BYTES)

    def send_descriptor(self, request_id: int, sequence: int, descriptor: int) -> None:
        """Nobody reads the file."""
        del request_id, sequence
        os.close(descriptor)

    def give_back(self) -> int:
        """No front has spent a credit."""
        return 0

    def return_credit(self) -> None:
        """No front waits for one."""

    def forget(self, number: int) -> None:
        """Nobody counts these numbers."""
        del number

    async def flushed(self) -> None:
        """There is nothing to wait for."""
