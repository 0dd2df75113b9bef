"""The head of an ASGI application's response."""

from __future__ import annotations

from typing import Any, Final

from host.api import Headers, Response
from host.api.response import new_response
from host.remembered import Remembered, length_of_both


def response_of(message: Any) -> Response:
    """The response of an `http.response.start`, its body to come. Raises for what is none."""
    given = list(message.get("headers", ()))
    try:
        fields = [_fields[name, value] for name, value in given]
    except TypeError:  # a bytearray cannot be looked up; what is no bytes at all raises here as well
        fields = [_fields[bytes(name), bytes(value)] for name, value in given]
    return new_response(message["status"], Headers.repeated(fields), b"")


def _as_text(field: tuple[Any, Any]) -> tuple[str, str]:
    return str(field[0], "latin-1"), str(field[1], "latin-1")


_fields: Final = Remembered[tuple[bytes, bytes], tuple[str, str]](_as_text, 512, 256, measure=length_of_both)
"""Response fields: applications send most of theirs again and again."""


def promised_length(response: Response) -> int:
    """Content-Length; -1 without one that is a number."""
    value = response.headers.get("Content-Length")
    return int(value) if value.isascii() and value.isdigit() else -1
