"""The extensions that a worker runs by file, whatever carries them."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable

from host.api import PluginContext, Request, Response, ThreadingModel
from host.isapi.brief_answer import BriefAnswer
from host.isapi.driver import respond, respond_on_loop
from host.isapi.file_watch import FileWatch, stamp_of
from host.isapi.loaded_extension import (
    BriefCall,
    BriefExtension,
    ExtensionCache,
    LoadedExtension,
    QuickCall,
    QuickExtension,
)
from host.isapi.plugin_hooks import facts_of


class ExtensionFiles:
    """Of one worker. A carrier is a module with `open_extension(path, context)`, imported with its first file."""

    def __init__(self, context: PluginContext, watch: FileWatch) -> None:
        self._context = context
        self._watch = watch
        self._able: dict[str, QuickCall] = {}  # by file
        self._quick: dict[str, QuickCall] = {}  # those of them that want to be called on the loop
        self._brief: dict[str, Callable[..., BriefCall]] = {}
        self._cache = ExtensionCache(context.report_event)
        self._facts = facts_of(context)

    def respond(self, request: Request, path: str, carrier: str, *, is_direct: bool) -> Response | Awaitable[Response]:
        """The answer of the extension in that file, at once where it can be had so. Raises HttpError."""
        is_single = request.mapping is not None and request.mapping.threading_model is ThreadingModel.SINGLE
        quick = (self._able if is_single else self._quick).get(path)
        if quick is not None and request.body.length == 0:
            return quick(request, self._facts, is_direct=is_direct)
        if is_single and request.body.is_complete and (extension := self._cache.loaded(path)) is not None:
            return respond_on_loop(request, extension, self._facts, is_direct=is_direct)
        brief = self._brief.get(path)
        if brief is not None and request.body.length == 0:
            return BriefAnswer(brief(request, self._facts, is_direct=is_direct), request, path, self._context.threads)
        return self._respond(request, path, carrier, is_direct=is_direct)

    async def _respond(self, request: Request, path: str, carrier: str, *, is_direct: bool) -> Response:
        extension = self._cache.loaded(path)
        if extension is None:
            stamp = stamp_of(path)
            extension = await request.host.run_on_thread(path, "get_extension_version", self._load, path, carrier)
            self._watch.add(path, stamp)
            if isinstance(extension, BriefExtension):
                self._brief[path] = extension.brief_call
            if isinstance(extension, QuickExtension):
                self._able[path] = extension.respond_quickly
                if extension.is_quick:
                    self._quick[path] = extension.respond_quickly
        return await respond(request, extension, self._facts, is_direct=is_direct)

    async def terminate(self) -> None:
        """The worker ends."""
        await asyncio.to_thread(self._cache.terminate_all)

    def _load(self, path: str, carrier: str) -> LoadedExtension:
        def open_extension(file: str) -> LoadedExtension:
            extension: LoadedExtension = importlib.import_module(carrier).open_extension(file, self._context)
            return extension

        return self._cache.get(path, open_extension)
