"""ISAPI extensions by file: IIS's IsapiModule.

    <add name="Legacy" path="*.do" verb="*" modules="IsapiModule" scriptProcessor="/srv/isapi/legacy.py" />
    <add name="ByName" path="/isapi/*" verb="*" modules="IsapiModule" resourceType="File" requireAccess="Execute" />

The first answers every `*.do` with one extension, the second runs the extension that the URL names. A `.py` file is a
Python module with `http_extension_proc`, or one for pywin32 (`__ExtensionFactory__`); `.so` and `.dll` are shared
objects. Each is loaded once per worker, at its first request, and must be allowed by `isapiCgiRestriction` (404.2);
when the file is saved, the process is replaced. What carries them is imported with the first extension of its kind.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Awaitable, Sequence
from functools import lru_cache
from typing import Any, Final

from host.api import HandlerInfo, HttpError, PluginContext, Request, Response, hookimpl

CARRIERS: Final = {".py": "host.pywin32.extension", ".so": "host.native.extension", ".dll": "host.native.extension"}
"""By the file's ending: the module whose `open_extension(path, context)` gives a `LoadedExtension`."""

FILTER_CARRIERS: Final = {".py": "host.pywin32.filter", ".so": "host.native.filter", ".dll": "host.native.filter"}
"""The module whose `open_filter(path, context)` gives the plugin that a filter is here, or None."""

_FILTER_FACTORY: Final = b"__FilterFactory__"


@hookimpl
def module_names() -> Sequence[str]:
    return ("IsapiModule",)


@hookimpl
def load(context: PluginContext) -> None:
    _loaded.append(IsapiModule(context))


@hookimpl
async def unload(context: PluginContext) -> None:
    while _loaded:
        await _loaded.pop().close()


@hookimpl
def handler_info() -> HandlerInfo:
    return HandlerInfo(quick=True)  # it only finds the extension: what may take its time is awaited


@hookimpl
def handle(request: Request) -> Response | Awaitable[Response]:
    return _loaded[-1].respond(request)


@hookimpl
def open_filter(name: str, path: str) -> object | None:
    carrier = FILTER_CARRIERS.get(os.path.splitext(path)[1].lower())
    if carrier is None:
        return None
    if path.endswith(".py"):  # most of these are plugin files, for which nothing is to be imported
        with open(path, "rb", buffering=0) as file:
            if _FILTER_FACTORY not in file.read():
                return None
    return _loaded[-1].open_filter(path, carrier)


class IsapiModule:
    """What all requests of a worker share; its room is imported with the first of them."""

    def __init__(self, context: PluginContext) -> None:
        self.context = context
        self._room: Any = None
        self._watch: Any = None

    def open_filter(self, path: str, carrier: str) -> object | None:
        """What carries the filter in that file; None when it is none."""
        watch, stamp = self._watched(path)
        opened: object | None = importlib.import_module(carrier).open_filter(path, self.context)
        if opened is not None:
            watch.add(path, stamp)
        return opened

    def respond(self, request: Request) -> Response | Awaitable[Response]:
        """The extension's answer, at once where it can be had so. Raises HttpError."""
        path, is_direct = extension_file(request)
        if is_direct:
            refuse_unlisted(request, path)
        if self._room is None:
            files = importlib.import_module("host.isapi.extension_files")
            self._room = files.ExtensionFiles(self.context, self._watched(path)[0])
        answer: Response | Awaitable[Response] = self._room.respond(
            request, path, carrier_of(path), is_direct=is_direct
        )
        return answer

    async def close(self) -> None:
        """The worker ends: TerminateExtension."""
        if self._watch is not None:
            self._watch.close()
        if self._room is not None:
            await self._room.terminate()

    def _watched(self, path: str) -> tuple[Any, Any]:
        """What watches the files, and how the file is now."""
        watch = importlib.import_module("host.isapi.file_watch")
        if self._watch is None:
            self._watch = watch.FileWatch(self.context.report_changed)
        return self._watch, watch.stamp_of(path)


_loaded: list[IsapiModule] = []


def extension_file(request: Request) -> tuple[str, bool]:
    """The extension's file, and whether the URL itself names it."""
    processor = request.mapping.script_processor if request.mapping is not None else ""
    if processor:
        return named_file(processor), False
    return request.physical_path, True


@lru_cache(maxsize=256)
def named_file(processor: str) -> str:
    """The file that a `scriptProcessor` names."""
    return os.path.abspath(processor.partition("|")[0].strip())


@lru_cache(maxsize=256)
def carrier_of(path: str) -> str:
    """The module that opens such files. Raises HttpError 500.0 for any other file."""
    carrier = CARRIERS.get(os.path.splitext(path)[1].lower())
    if carrier is None:
        remedy = f"An ISAPI extension is a file that ends in {', '.join(CARRIERS)}."
        raise HttpError(500, 0, f"{path} is no ISAPI extension", remedy=remedy)
    return carrier


def refuse_unlisted(request: Request, path: str) -> None:
    """404.2 for an extension that the restriction list denies, or does not name while unlisted ones are denied.

    Where `scriptProcessor` names it, the mapping itself is refused so.
    """
    settings = request.settings
    listed = next((entry for entry in settings.restrictions if entry.path == path), None)
    if listed.allowed if listed is not None else settings.not_listed_isapis_allowed:
        return
    remedy = f'Allow it in <isapiCgiRestriction>: <add path="{path}" allowed="true" />.'
    raise HttpError(404, 2, f"{path} is not allowed to run by the restriction list", remedy=remedy)
