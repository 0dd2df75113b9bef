"""Which interface a callable speaks, WSGI or ASGI, as far as its signature says."""

from __future__ import annotations

import enum
import inspect
from typing import Any


class Interface(enum.Enum):
    """The two interfaces of Python applications, by the names of their modules."""

    WSGI = "WsgiModule"
    ASGI = "AsgiModule"


def is_coroutine_callable(function: Any) -> bool:
    """Whether calling it, or its `__call__`, gives a coroutine."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004


def required_arguments(function: Any) -> list[str] | None:
    """The names of the positional arguments that must be given; None when that cannot be said (`*arguments`)."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.default is one.empty and one.kind in positional]


def interface_of(function: Any) -> Interface | None:
    """A coroutine, or one argument (ASGI 2), or three: ASGI; two: WSGI (PEP 3333). None: its signature does not say."""
    if is_coroutine_callable(function):
        return Interface.ASGI
    needed = required_arguments(function)
    if needed is None:
        return None
    return {1: Interface.ASGI, 2: Interface.WSGI, 3: Interface.ASGI}.get(len(needed))
