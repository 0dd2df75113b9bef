"""Which interface a callable speaks."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from host.python_apps.interface import Interface, interface_of


def wsgi(environ: Any, start_response: Any) -> None:
    """A WSGI application."""


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""


def plain_asgi(scope: Any, receive: Any, send: Any) -> object:
    """An ASGI application that is a plain function around a coroutine."""
    return asgi(scope, receive, send)


def asgi_2(scope: Any) -> None:
    """An application of ASGI 2."""


def with_options(environ: Any, start_response: Any, mode: str = "") -> None:
    """A WSGI application with an argument of its own."""


def anything(*arguments: Any) -> None:
    """Its signature says nothing."""


class WsgiObject:
    """As Flask and Django have it."""

    def __call__(self, environ: Any, start_response: Any) -> None: ...


class AsgiObject:
    """As Starlette and FastAPI have it."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...


class WsgiClass:
    """PEP 3333's example: the class is the application, its object the iterable."""

    def __init__(self, environ: Any, start_response: Any) -> None: ...


class Asgi2Class:
    """As ASGI 2 had it."""

    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


@pytest.mark.parametrize(
    ("function", "interface"),
    [
        (wsgi, Interface.WSGI),
        (with_options, Interface.WSGI),
        (WsgiObject(), Interface.WSGI),
        (WsgiObject().__call__, Interface.WSGI),
        (WsgiClass, Interface.WSGI),
        (functools.partial(with_options, mode="x"), Interface.WSGI),
        (asgi, Interface.ASGI),
        (plain_asgi, Interface.ASGI),
        (AsgiObject(), Interface.ASGI),
        (functools.partial(asgi), Interface.ASGI),
        (asgi_2, Interface.ASGI),
        (Asgi2Class, Interface.ASGI),
        (anything, None),
        (functools.partial(wsgi, 1, 2), None),
    ],
)
def test_the_signature_says_what_it_is(function: Any, interface: Interface | None) -> None:
    """Functions, objects, classes and partial ones; what does not say it is not guessed."""
    assert interface_of(function) is interface
