"""A shared object as an ISAPI extension: `host.isapi.loaded_extension.LoadedExtension` over its three exports."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from host.api import BlackBox, PluginContext, Request, Response
from host.api.isapi import HSE_MAX_EXT_DLL_NAME_LEN, HSE_STATUS_PENDING, ControlBlock, ExtensionVersion
from host.isapi.loaded_extension import BriefCall, ExtensionRefused
from host.isapi.session import ExtensionFacts
from host.native.blocks import NativeBlock, forget, know, make_callbacks, template
from host.native.front import front_of
from host.native.library import Library
from host.native.quick import Callee, QuickBlock
from host.native.structures import ffi, raw_text_of
from host.native.support import server_support_function

_PROC: Final = "HttpExtensionProc"


class NativeExtension:
    """One library, loaded. Many threads may be in its proc at a time."""

    def __init__(self, path: str, black_box: BlackBox) -> None:
        """Raises CannotLoad."""
        self._black_box = black_box
        self._path = path
        place = black_box.enter(path, "dlopen")  # constructors run
        try:
            self._library = Library(path, black_box)
            self._get_version = self._library.required("GetExtensionVersion")
            self._proc = self._library.required(_PROC)
            self._terminate = self._library.function("TerminateExtension")
            self._is_quick = self._library.number("isapy_quick_proc") == 1
        finally:
            black_box.leave(place)
        make_callbacks(server_support_function)
        self._callee = Callee(self._library, self._proc, front_of(self._library, template()))

    @property
    def name(self) -> str:
        """The library's file."""
        return self._path

    @property
    def is_quick(self) -> bool:
        """What it says of itself by ISAPY_QUICK_PROC."""
        return self._is_quick

    def respond_quickly(
        self, request: Request, facts: ExtensionFacts, /, *, is_direct: bool
    ) -> Response | Awaitable[Response]:
        """HttpExtensionProc on the event loop."""
        return QuickBlock(self._callee, request, facts, is_direct=is_direct).respond()

    def brief_call(self, request: Request, facts: ExtensionFacts, /, *, is_direct: bool) -> BriefCall:
        """HttpExtensionProc on a thread, for a request without a body."""
        return QuickBlock(self._callee, request, facts, is_direct=is_direct)

    def get_extension_version(self) -> ExtensionVersion:
        """GetExtensionVersion. FALSE takes the library out of memory: ExtensionRefused, and a later try begins anew."""
        information = ffi.new("HSE_VERSION_INFO *")
        know(self._library)
        place = self._black_box.enter(self._path, "GetExtensionVersion")
        try:
            is_accepted = self._get_version(information)
        finally:
            self._black_box.leave(place)
        if not is_accepted:
            code = self._library.get_last_error()
            forget(self._library)
            self._library.close()
            reason = f" (its last error is {code})" if code else ""
            raise ExtensionRefused(f"GetExtensionVersion of {self._path} returned FALSE{reason}")
        description = raw_text_of(information.lpszExtensionDesc, HSE_MAX_EXT_DLL_NAME_LEN)
        return ExtensionVersion(information.dwExtensionVersion, description.decode("utf-8", "replace"))

    def http_extension_proc(self, ecb: ControlBlock) -> int:
        """HttpExtensionProc, on the calling thread."""
        block = NativeBlock(ecb, self._library)
        black_box, request = self._black_box, block.ecb.session.request
        place = black_box.enter(self._path, _PROC, request)
        try:
            status = int(self._proc(block.struct))
        finally:
            black_box.leave(place)
        if status == HSE_STATUS_PENDING:
            block.place = black_box.hold(self._path, f"{_PROC}, pending", request)
        else:
            block.read_back()
        return status

    def terminate_extension(self, flags: int) -> bool:
        """TerminateExtension. The library stays in memory until the process ends: threads of its own may still run."""
        if self._terminate is None:
            return True
        place = self._black_box.enter(self._path, "TerminateExtension")
        try:
            return bool(self._terminate(flags))
        finally:
            self._black_box.leave(place)


def open_extension(path: str, context: PluginContext) -> NativeExtension:
    """For `extensions/isapi.py`, on a thread. Raises CannotLoad."""
    return NativeExtension(path, context.black_box)
