"""A plain `handle` on the main thread, because its mapping says threadingModel="Single"."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator
from typing import Any

from host.api import Request, Response, call_plainly, stepped
from host.worker.hooks import INLINE, Hook


def on_main_thread(hook: Hook) -> Hook:
    """The hook of a plain function that is called on the event loop, unless the request's body is still to come: its
    reads would wait there."""
    function, plugin, name = hook.function, hook.plugin, hook.name

    def handle(request: Request) -> Response | Awaitable[Any] | None:
        if not request.body.is_complete:
            return request.host.run_on_thread(plugin, name, function, request)
        response: Response | None = call_plainly(function, request)
        if isinstance(response, Response) and isinstance(response.body, Iterator):
            response.body = stepped(response.body)
        return response

    return hook._replace(function=handle, kind=INLINE)
