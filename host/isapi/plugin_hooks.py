"""Functions with the names of the ISAPI hooks as an extension: of a drop-in plugin, or of a module that is one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from host.api import PluginContext, Request, Response, ThreadingModel
from host.api.isapi import (
    HSE_APP_FLAG_IN_PROCESS,
    HSE_APP_FLAG_ISOLATED_OOP,
    HSE_APP_FLAG_POOLED_OOP,
    HSE_TERM_MUST_UNLOAD,
    ControlBlock,
    ExtensionVersion,
)
from host.isapi.driver import respond, respond_on_loop
from host.isapi.fragment_cache import FragmentCache
from host.isapi.loaded_extension import ExtensionRefused
from host.isapi.session import ExtensionFacts

_POOLED: Final = "dllhost pooled"


class HookedExtension:
    """`loaded_extension.LoadedExtension` over functions: `http_extension_proc`, and the other two if there are any."""

    def __init__(self, name: str, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._name = name
        self._functions = functions
        self.http_extension_proc: Callable[[ControlBlock], int] = functions["http_extension_proc"]

    @property
    def name(self) -> str:
        """The plugin's name, or the module's file."""
        return self._name

    def get_extension_version(self) -> ExtensionVersion:
        """Raises ExtensionRefused, also for a proc that cannot be called with a control block."""
        _check_proc(self.http_extension_proc)
        version = ExtensionVersion()
        function = self._functions.get("get_extension_version")
        if function is not None and function(version) is False:
            raise ExtensionRefused("get_extension_version returned False")
        return version

    def terminate_extension(self, flags: int) -> bool:
        """True where there is nothing to say."""
        function = self._functions.get("terminate_extension")
        return function is None or function(flags) is not False


def _check_proc(proc: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(proc):
        raise ExtensionRefused("http_extension_proc is a coroutine function, and is called on a thread: write def")
    try:
        inspect.signature(proc).bind(None)
    except TypeError as error:
        raise ExtensionRefused(f"http_extension_proc(ecb) takes other arguments: {error}") from error
    except ValueError:  # it has no signature that could be read
        return


def facts_of(context: PluginContext) -> ExtensionFacts:
    """What the extensions of a carrier know of its worker."""
    flag = HSE_APP_FLAG_IN_PROCESS
    if context.pool_name.startswith("dllhost "):
        flag = HSE_APP_FLAG_POOLED_OOP if context.pool_name == _POOLED else HSE_APP_FLAG_ISOLATED_OOP
    return ExtensionFacts(
        app_flag=flag,
        report_unhealthy=context.report_unhealthy,
        report_event=context.report_event,
        fragments=FragmentCache(),
    )


class PluginExtension:
    """A drop-in plugin as the worker calls it: `handle`, and `terminate` at the end."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], context: PluginContext) -> None:
        """Calls `get_extension_version`. Raises ExtensionRefused and whatever it raises."""
        self._extension = HookedExtension(context.plugin_name, functions)
        self._facts = facts_of(context)
        self._extension.get_extension_version()

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """The answer, at once where the mapping wants the proc to be called on the loop and its body is there."""
        mapping = request.mapping
        if mapping is not None and mapping.threading_model is ThreadingModel.SINGLE and request.body.is_complete:
            return respond_on_loop(request, self._extension, self._facts)
        return respond(request, self._extension, self._facts)

    async def terminate(self) -> None:
        """The worker ends."""
        await asyncio.to_thread(self._extension.terminate_extension, HSE_TERM_MUST_UNLOAD)
