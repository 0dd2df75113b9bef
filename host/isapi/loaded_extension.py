"""What a carrier offers of an extension, and the extensions that a worker has loaded, each once.

A carrier opens a file: a Python module, a module for pywin32, a shared object. Whatever it raises is the reason for a
500; a later request tries again, as IIS does: at once when the file has changed, otherwise once a second.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, runtime_checkable

from host.api import HttpError, Request, Response
from host.api.isapi import HSE_TERM_MUST_UNLOAD, ControlBlock, ExtensionVersion
from host.isapi.session import ExtensionFacts, Session

RETRY_SECONDS: Final = 1.0


class LoadedExtension(Protocol):
    """An extension whose code is in memory."""

    @property
    def name(self) -> str:
        """For people: its file."""

    def get_extension_version(self) -> ExtensionVersion:
        """GetExtensionVersion: once, before any request. Raises ExtensionRefused when it returned FALSE."""

    def http_extension_proc(self, ecb: ControlBlock) -> int:
        """HttpExtensionProc, on a thread of the pool, many at a time. Whatever it raises is a 500 that names it."""

    def terminate_extension(self, flags: int) -> bool:
        """TerminateExtension: when no request of it is outstanding; what it raises is reported."""


class QuickCall(Protocol):
    """`QuickExtension.respond_quickly`."""

    def __call__(
        self, request: Request, facts: ExtensionFacts, /, *, is_direct: bool
    ) -> Response | Awaitable[Response]:
        """The answer."""


@runtime_checkable
class QuickExtension(Protocol):
    """An extension that may say that its proc never blocks: a request without a body is then answered on the loop."""

    @property
    def is_quick(self) -> bool:
        """Whether this one says so."""

    @property
    def respond_quickly(self) -> QuickCall:
        """Calls the proc on the loop; the answer is there at once unless it is streamed or pending."""


class BriefCall(Protocol):
    """A call on a thread that has a session only if it needs one."""

    @property
    def response(self) -> Response | None:
        """The answer, once `run` has returned and no session was needed."""

    @property
    def session(self) -> Session | None:
        """The session, if there is one: the answer is its."""

    def when_opened(self, callback: Callable[[], None]) -> None:
        """Call it, on any thread, when a session is opened while the proc runs. To be said before `run`."""

    def run(self) -> None:
        """HttpExtensionProc, on a thread of the pool."""

    def abandon(self) -> None:
        """Nobody waits for the answer. On the loop."""


@runtime_checkable
class BriefExtension(Protocol):
    """An extension whose calls need no session as long as they do nothing but answer."""

    def brief_call(self, request: Request, facts: ExtensionFacts, /, *, is_direct: bool) -> BriefCall:
        """A call for a request without a body; on the loop."""


OpenExtension = Callable[[str], LoadedExtension]
"""Loads a file by its full path. Raises whatever keeps it from being loaded."""


class ExtensionRefused(Exception):
    """GetExtensionVersion did not accept being loaded."""


class _Failure:
    def __init__(self, error: BaseException, stamp: tuple[int, int, int] | None) -> None:
        self.text = "".join(traceback.format_exception(error)).rstrip()
        self.reason = f"{type(error).__name__}: {error}"
        self.stamp = stamp
        self.at = time.monotonic()


class ExtensionCache:
    """The extensions of one worker, by full path. May be used on any thread; loading happens on one at a time."""

    def __init__(self, report_event: Callable[[str, str], None]) -> None:
        self._report_event = report_event
        self._extensions: dict[str, LoadedExtension] = {}
        self._failures: dict[str, _Failure] = {}
        self._lock = threading.Lock()

    def loaded(self, path: str) -> LoadedExtension | None:
        """The extension, when it has been loaded before."""
        return self._extensions.get(path)

    def get(self, path: str, open_extension: OpenExtension) -> LoadedExtension:
        """The extension, loaded now if need be. Raises HttpError 500.0 with the cause, 404.0 for a file that is not
        there."""
        found = self._extensions.get(path)
        if found is not None:
            return found
        with self._lock:
            found = self._extensions.get(path)
            if found is None:
                found = self._extensions[path] = self._load(path, open_extension)
            return found

    def terminate_all(self, flags: int = HSE_TERM_MUST_UNLOAD) -> None:
        """Call TerminateExtension of each, the last loaded first."""
        while self._extensions:
            path, extension = self._extensions.popitem()
            try:
                extension.terminate_extension(flags)
            except Exception as error:
                text = f"TerminateExtension of {path} raised {type(error).__name__}: {error}"
                self._report_event("plugin-error", text)

    def _load(self, path: str, open_extension: OpenExtension) -> LoadedExtension:
        try:
            status = os.stat(path)
        except OSError as error:
            raise HttpError(404, 0, f"{path}: {error.strerror}", win32_status=2) from error
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        known = self._failures.get(path)
        if known is None or known.stamp != stamp or time.monotonic() - known.at >= RETRY_SECONDS:
            try:
                extension = open_extension(path)
                version = extension.get_extension_version()
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # a module may even raise SystemExit while it is imported
                known = self._failures[path] = _Failure(error, stamp)
                self._report_event("plugin-failed", f"{path}: {known.reason}\n{known.text}")
            else:
                self._failures.pop(path, None)
                text = f"ISAPI extension {path}" + (f": {version.description}" if version.description else "")
                self._report_event("plugin-loaded", text)
                return extension
        detail = f"the extension {path} could not be loaded: {known.reason}\n\n{known.text}"
        raise HttpError(500, 0, detail, remedy="Correct the file; it is loaded again at a later request.")
