"""What becomes of an answer that is about to be sent: as it is, a compressed copy of its file, or compressed now."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from host.api import FileBody, PluginContext, Request, Response, SourceFile
from host.compression.body import HOOK, PLUGIN, QUICK_BYTES, CompressedBody
from host.compression.copies import Copies, Order
from host.compression.encoders import compress_whole, encoder
from host.compression.negotiation import (
    Chosen,
    Rules,
    add_vary,
    describe_coded,
    read_fields,
    rules_of,
    weaken_entity_tag,
)
from host.compression.processor_gate import ProcessorGate, Times, times_of

_UNCODED: Final = frozenset({204, 205, 206, 304})  # no content, or a part of one


class Compressor:
    """The compression of one worker."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._copies = Copies(self._run, time.monotonic)
        self._gate = ProcessorGate(time.monotonic, _processor_times)

    def close(self) -> None:
        """The worker ends."""
        self._copies.close()

    def compress(self, request: Request, response: Response) -> Awaitable[None] | None:
        """Change the response. What is to be awaited, when that takes longer than a filter may."""
        if request.settings is None:
            return None
        settings = request.settings.compression
        source = response.source_file
        if source is not None:
            rules = rules_of(settings)
            if (
                settings.is_static_on
                and source.size >= settings.min_file_bytes
                and rules.is_static_type(source.media_type)
            ):
                fields = read_fields(response.headers)
                if not fields.is_final:
                    self._send_copy(request, response, source, rules, fields.vary)
        elif settings.is_dynamic_on and response.status not in _UNCODED:
            fields = read_fields(response.headers)
            rules = rules_of(settings)
            if not fields.is_final and rules.is_dynamic_type(fields.content_type):
                return self._send_compressed(request, response, rules, fields.vary)
        return None

    # --- static files

    def _send_copy(self, request: Request, response: Response, source: SourceFile, rules: Rules, vary: str) -> None:
        add_vary(response.headers, vary)
        response.cache = None  # what varies is not kept by the listener
        chosen = rules.choose_static(request) if response.status in (200, 304) else None
        if chosen is None:
            return
        copy = self._copies.find(source, *chosen)
        if copy is None:
            if response.status == 200:
                self._order(request, source, chosen, rules.settings)
            return
        if not copy.is_useful:
            return
        if response.status == 304:
            weaken_entity_tag(response.headers)  # as the 200 would have it
            return
        body: bytes | FileBody = b""
        if request.method != "HEAD":
            if copy.content is not None:
                body = copy.content
            else:
                descriptor = self._copies.open(source, copy, *chosen)
                if descriptor < 0:
                    self._order(request, source, chosen, rules.settings)
                    return
                body = FileBody(descriptor, 0, copy.size)
            if isinstance(response.body, FileBody):
                os.close(response.body.descriptor)
        response.body = body
        describe_coded(response.headers, chosen.coding, rules.settings)
        response.headers.add("Content-Length", str(copy.size))

    def _order(self, request: Request, source: SourceFile, chosen: Chosen, settings: Any) -> None:
        caching = request.settings.caching
        is_due = settings.ignores_hit_frequency or self._copies.is_frequent(
            source.path, caching.frequent_hit_threshold, caching.frequent_hit_seconds
        )
        if is_due and self._gate.is_open("static", settings.static_disable_percent, settings.static_enable_percent):
            self._copies.order(Order(source, *chosen, settings.most_disk_bytes))

    def _run(self, function: Callable[[], object], done: Callable[[object], None]) -> None:
        """Call a function on a thread of the worker, then `done` on the loop: with None when it failed."""
        future = asyncio.get_running_loop().create_future()

        def conclude(ended: asyncio.Future[object]) -> None:
            failure = None if ended.cancelled() else ended.exception()
            if failure is not None:
                self._context.report_event("plugin-error", f"a static file could not be compressed: {failure!r}")
            done(None if ended.cancelled() or failure is not None else ended.result())

        future.add_done_callback(conclude)
        self._context.threads.submit(function, (), future)

    # --- everything else

    def _send_compressed(self, request: Request, response: Response, rules: Rules, vary: str) -> Awaitable[None] | None:
        settings, body = rules.settings, response.body
        if isinstance(body, bytearray | memoryview):
            body = response.body = bytes(body)
        elif isinstance(body, list | tuple) and all(isinstance(piece, bytes) for piece in body):
            body = response.body = b"".join(body)
        is_head = request.method == "HEAD"
        known = _promised_length(response) if is_head and not body else _known_length(body)
        if 0 <= known < settings.min_response_bytes:
            return None  # for nobody: it does not vary
        add_vary(response.headers, vary)
        response.cache = None  # what varies is not kept by the listener
        chosen = rules.choose_dynamic(request)
        if chosen is None or not self._gate.is_open(
            "dynamic", settings.dynamic_disable_percent, settings.dynamic_enable_percent
        ):
            return None
        if is_head:
            return _describe_only(request, response, chosen, settings)
        if not isinstance(body, bytes):
            response.body = CompressedBody(request, Response(body=body), encoder(*chosen))
            describe_coded(response.headers, chosen.coding, settings)
        elif len(body) > QUICK_BYTES:
            return _compress_on_thread(request, response, body, chosen, settings)
        else:
            _take(response, compress_whole(*chosen, body), chosen, settings)
        return None


def _known_length(body: Any) -> int:
    if isinstance(body, bytes):
        return len(body)
    return body.length if isinstance(body, FileBody) else -1


def _promised_length(response: Response) -> int:
    """Content-Length of the answer to HEAD, that of GET; -1 when it says none."""
    text = response.headers.get("Content-Length")
    return int(text) if text.isascii() and text.isdigit() else -1


def _take(response: Response, compressed: bytes, chosen: Chosen, settings: Any) -> None:
    """The compressed body, if it is smaller."""
    if len(compressed) < _known_length(response.body):
        response.body = compressed
        describe_coded(response.headers, chosen.coding, settings)


async def _compress_on_thread(request: Request, response: Response, body: bytes, chosen: Chosen, settings: Any) -> None:
    compressed = await request.host.run_on_thread(PLUGIN, HOOK, compress_whole, *chosen, body)
    _take(response, compressed, chosen, settings)


async def _describe_only(request: Request, response: Response, chosen: Chosen, settings: Any) -> None:
    """HEAD: what GET would say, as far as it is known; the length is not."""
    unsent, response.body = Response(body=response.body), b""
    describe_coded(response.headers, chosen.coding, settings)
    await request.host.discard(unsent)


def _processor_times() -> Times:
    with open("/proc/stat", encoding="ascii") as stream:
        return times_of(stream.readline())
