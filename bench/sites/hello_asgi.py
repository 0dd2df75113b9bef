"""The answer of the hello scenario for ASGI servers: a plain application without a framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

_BODY = b"Hello, World!\n"
_FIELDS = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(_BODY)).encode())]


async def application(scope: dict[str, Any], _receive: object, send: Callable[[Any], Awaitable[None]]) -> None:
    """ASGI's entry point; without a lifespan."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await send({"type": "http.response.start", "status": 200, "headers": _FIELDS})
    await send({"type": "http.response.body", "body": _BODY})
