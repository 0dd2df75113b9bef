"""A WSGI call between its thread and the loop, with the worker's own threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from host.api import ApplicationInfo, Connection, HandlerMapping, PluginContext, Request, Response, ThreadingModel
from host.api.whole_body import WholeBody
from host.cli.application_site import application_configuration
from host.config.store import ServerConfiguration, Source
from host.python_apps.applications import Order
from host.python_apps.interface import Interface
from host.python_apps.wsgi import WsgiApplication
from host.python_apps.wsgi_call import Runnable, WsgiError
from host.worker.missing_launcher import MissingLauncher
from host.worker.thread_pool import ThreadPool


def new_request(folder: Path) -> Request:
    """A GET of an application in that folder."""
    text = application_configuration("page:application", folder, Interface.WSGI, "127.0.0.1", 8080)
    server = ServerConfiguration(Source("/x/conf/y.config", text.encode()), 1)
    request = Request(
        id="1",
        method="GET",
        raw_target="/",
        http_version="1.1",
        raw_headers=b"Host: x\r\n",
        connection=Connection("127.0.0.1", 1, "127.0.0.1", 2, 3),
        application=ApplicationInfo(1, "Site", "/", str(folder), "Pool"),
        body=WholeBody(b""),
    )
    request.path = "/"
    request.mapping = HandlerMapping(name="x", path="/*", modules="WsgiModule", script_processor="page:application")
    request.settings = server.settings_for(server.snapshot.sites[0].applications[0], "/")
    return request


def run_code(call: Runnable, _request: Request) -> Any:
    """As the plugin's."""
    return call.run()


def context_with(threads: ThreadPool) -> PluginContext:
    """What a worker gives the plugin."""
    return PluginContext(
        plugin_name="wsgi",
        pool_name="Pool",
        worker_number=1,
        isolation_mode="WorkerProcess",
        launcher=MissingLauncher(),
        report_event=lambda _event_id, _text: None,
        report_unhealthy=lambda _reason: None,
        threads=threads,
    )


def test_a_stream_whose_call_ends_before_the_loop_looks_is_answered(tmp_path: Path) -> None:
    """The ends of calls come to the loop in bursts, and this one's may come before what it has handed over."""

    def application(_environ: object, start_response: Callable[..., object]) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one "
        yield b"two"

    async def main() -> tuple[int, bytes]:
        threads = ThreadPool(asyncio.get_running_loop(), 1)
        context = context_with(threads)
        try:
            request = new_request(tmp_path)
            all_done = threading.Event()
            threads.submit(int)  # its end calls the loop, which is busy here until all have ended
            answer = WsgiApplication(application, Order(request), context).answer(request, run_code)
            threads.submit(all_done.set)
            assert all_done.wait(90)
            assert not isinstance(answer, Response)
            response = await answer
            assert not isinstance(response.body, bytes)
            return response.status, b"".join([piece async for piece in response.body])  # type: ignore[union-attr, misc]
        finally:
            threads.close()

    assert asyncio.run(main()) == (200, b"one two")


def test_a_length_that_was_taken_out_of_the_fields_cuts_no_later_answer(tmp_path: Path) -> None:
    """A list that has changed since start_response is remembered as it went out, with the length that it names."""
    changing = [("Content-Type", "text/plain"), ("Content-Length", "3")]

    def application(_environ: object, start_response: Callable[..., object]) -> Iterator[bytes]:
        start_response("200 OK", changing)
        del changing[1:]
        yield b"one"
        yield b" two"

    async def main() -> list[object]:
        threads = ThreadPool(asyncio.get_running_loop(), 1)
        try:
            request = new_request(tmp_path)
            assert request.mapping is not None
            request.mapping = replace(request.mapping, threading_model=ThreadingModel.SINGLE)
            called = WsgiApplication(application, Order(request), context_with(threads))
            answers = [called.answer(request, run_code) for _ in range(2)]
            return [answer.body if isinstance(answer, Response) else answer for answer in answers]
        finally:
            threads.close()

    cut, whole = asyncio.run(main())
    assert cut == b"one"
    assert whole != b"one"


def test_each_answer_has_the_fields_that_its_call_has_given(tmp_path: Path) -> None:
    """Those of the answer before are known: not what a filter has made of them, nor what the application's own list has
    become, nor the length that another body had."""
    shared = [("Content-Type", "text/plain"), ("Content-Length", "3")]
    with_cookie = [("Content-Type", "text/plain"), ("Set-Cookie", "a=b")]
    given: list[list[tuple[str, str]]] = [shared, shared, with_cookie, shared, [("Bad\nName", "x")], shared]

    def application(_environ: object, start_response: Callable[..., object]) -> Iterator[bytes]:
        start_response("200 OK", given.pop(0))
        yield b"one"

    async def main() -> list[object]:
        threads = ThreadPool(asyncio.get_running_loop(), 1)
        try:
            request = new_request(tmp_path)
            assert request.mapping is not None
            request.mapping = replace(request.mapping, threading_model=ThreadingModel.SINGLE)
            called = WsgiApplication(application, Order(request), context_with(threads))
            found: list[object] = []
            for number in range(6):
                if number == 3:
                    shared.append(("X-More", "1"))
                try:
                    response = called.answer(request, run_code)
                except WsgiError as error:
                    found.append(type(error))
                    continue
                assert isinstance(response, Response)
                found.append((response.headers.items(), response.body == b"one"))
                response.headers.set("Content-Type", "a/filters")
            return found
        finally:
            threads.close()

    plain = [("Content-Type", "text/plain"), ("Content-Length", "3")]
    more = [*plain, ("X-More", "1")]
    assert asyncio.run(main()) == [
        (plain, True),
        (plain, True),
        (with_cookie, False),
        (more, True),
        WsgiError,
        (more, True),
    ]
