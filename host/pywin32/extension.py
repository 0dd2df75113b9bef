"""Python files as ISAPI extensions: `__ExtensionFactory__` as pywin32 calls it, or functions named like the hooks."""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable
from html import escape
from typing import Any, Final

from host.api import PluginContext
from host.api.isapi import HSE_MAX_EXT_DLL_NAME_LEN, HSE_STATUS_ERROR, ControlBlock, ExtensionVersion, IsapiError
from host.isapi.loaded_extension import ExtensionRefused, LoadedExtension
from host.isapi.plugin_hooks import HookedExtension
from host.pywin32.control_block import ExtensionControlBlock, SessionMark, report_raised, text_bytes
from host.pywin32.isapi import InternalReloadException
from host.pywin32.private_imports import PrivateImports

_HOOKS: Final = ("get_extension_version", "http_extension_proc", "terminate_extension")
_METHODS: Final = ("GetExtensionVersion", "HttpExtensionProc", "TerminateExtension")


class NoExtension(Exception):
    """The file has neither a factory nor a proc."""


def open_extension(path: str, _context: PluginContext) -> LoadedExtension:
    """The extension in a Python file. Raises NoExtension, and whatever the file raises."""
    world = PrivateImports(path)
    try:
        module = world.load(_stem(path), path)
        if hasattr(module, "__ExtensionFactory__"):
            return FactoryExtension(path, world, module)
        functions = {name: getattr(module, name) for name in _HOOKS if callable(getattr(module, name, None))}
        if "http_extension_proc" not in functions:
            raise NoExtension(f"{path} has neither __ExtensionFactory__ nor http_extension_proc")
        return HookedExtension(path, functions)
    except BaseException:
        world.close()
        raise


class VersionInfo:
    """HSE_VERSION_INFO: one attribute."""

    __slots__ = ("_description",)

    def __init__(self) -> None:
        self._description = b""

    @property
    def ExtensionDesc(self) -> bytes:
        """The description; str or bytes of at most 256."""
        return self._description

    @ExtensionDesc.setter
    def ExtensionDesc(self, value: str | bytes) -> None:
        raw = text_bytes(value)
        if len(raw) > HSE_MAX_EXT_DLL_NAME_LEN:
            raise ValueError(f"a description has {HSE_MAX_EXT_DLL_NAME_LEN} bytes at most, not {len(raw)}")
        self._description = raw


class FactoryExtension:
    """What `__ExtensionFactory__` made, called by pywin32's rules."""

    def __init__(self, path: str, world: PrivateImports, module: Any) -> None:
        self._path = path
        self._world = world
        self._lock = threading.Lock()
        self._bind(module)

    @property
    def name(self) -> str:
        """Its file."""
        return self._path

    def get_extension_version(self) -> ExtensionVersion:
        """None and what is true accept."""
        info = VersionInfo()
        answer = self._reloading(lambda: self._get_version(info), status=None)
        if not _is_true(answer, "GetExtensionVersion"):
            raise ExtensionRefused(f"GetExtensionVersion of {self._path} returned {answer!r}")
        return ExtensionVersion(description=info.ExtensionDesc.decode("utf-8", "replace"))

    def http_extension_proc(self, ecb: ControlBlock) -> int:
        """What it raises is shown to the client as pywin32 shows it, and is in the event log."""
        wrapper = ExtensionControlBlock(ecb, SessionMark())
        try:
            status = self._reloading(lambda: self._proc(wrapper), status=0)
            if isinstance(status, bool) or not isinstance(status, int):
                raise TypeError(f"HttpExtensionProc must return an HSE_STATUS_, not {status!r}")
        except Exception as error:
            self._show(ecb, error)
            return HSE_STATUS_ERROR
        return status

    def terminate_extension(self, flags: int) -> bool:
        """The worker ends."""
        try:
            return _is_true(self._terminate(flags), "TerminateExtension")
        finally:
            self._world.close()

    def _bind(self, module: Any) -> None:
        extension = module.__ExtensionFactory__()
        missing = [name for name in _METHODS if not callable(getattr(extension, name, None))]
        if missing:
            raise NoExtension(f"what __ExtensionFactory__ of {self._path} returned has no {', '.join(missing)}")
        self._get_version, self._proc, self._terminate = (getattr(extension, name) for name in _METHODS)

    def _reloading(self, call: Callable[[], Any], *, status: int | None) -> Any:
        """Call, and once more after a reload if that is asked for."""
        try:
            return call()
        except InternalReloadException:
            with self._lock:
                if status is not None:
                    self._terminate(status)
                self._bind(self._world.load(_stem(self._path), self._path))
                self._get_version(None)
            return call()

    def _show(self, ecb: ControlBlock, error: Exception) -> None:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(text)
        report_raised(ecb, f"{self._path}: HttpExtensionProc", error, text)
        try:
            ecb.http_status_code = HSE_STATUS_ERROR
            ecb.log_data = f"{type(error).__name__}: {error}"
            ecb.send_response_header_ex("200 OK", "Content-type: text/html\r\n\r\n", False)
            page = f"<html><head><title>Python ISAPI Error</title></head><body><pre>{escape(text)}</pre></body></html>"
            ecb.write_client(page.encode("utf-8", "replace"))
        except IsapiError:  # it has begun its answer, or nobody is there
            return


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _is_true(answer: Any, name: str) -> bool:
    if answer is None:
        return True
    if not isinstance(answer, int):
        raise TypeError(f"{name} must return None or an int, not {type(answer).__name__}")
    return bool(answer)
