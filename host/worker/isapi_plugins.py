"""Drop-in plugins with `http_extension_proc` instead of `handle`: their handler is made by `host.isapi`.

That room is imported for the first of them; a worker without any pays nothing for the contract.
"""

from __future__ import annotations

import importlib
from collections.abc import Awaitable
from typing import Final, Protocol

from host.api import PluginContext, Request, Response
from host.worker.hooks import ASYNC, INLINE, ISAPI_HOOKS, Hook, PluginFault

HTTP_EXTENSION_PROC: Final = "http_extension_proc"
_CARRIER: Final = "host.isapi.plugin_hooks"


class IsapiPlugin(Protocol):
    """`host.isapi.plugin_hooks.PluginExtension`."""

    def handle(self, request: Request) -> Response | Awaitable[Response]:
        """The answer."""

    async def terminate(self) -> None:
        """The worker ends: terminate_extension."""


def carry(hooks: dict[str, Hook], context: PluginContext) -> IsapiPlugin | None:
    """Give a plugin that has `http_extension_proc` its `handle` hook; None for any other one.

    Calls `get_extension_version`; raises PluginFault for hooks that no thread can call, and what that call raises.
    """
    if HTTP_EXTENSION_PROC not in hooks or "handle" in hooks:
        return None
    own = {name: hooks[name] for name in ISAPI_HOOKS if name in hooks}
    for name, hook in own.items():
        if hook.kind == ASYNC:
            raise PluginFault(f"{name} must be a plain def: it is called on a thread")
    carrier = importlib.import_module(_CARRIER)
    plugin: IsapiPlugin = carrier.PluginExtension({name: hook.function for name, hook in own.items()}, context)
    hooks["handle"] = Hook(plugin.handle, INLINE, context.plugin_name, HTTP_EXTENSION_PROC)
    return plugin
