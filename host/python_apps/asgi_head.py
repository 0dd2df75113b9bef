"""The head of an ASGI application's response."""

from __future__ import annotations

from typing import Any, Final

from host.api import Headers, Response
from host.api.response import new_response

_MOST_FIELDS: Final = 512
_LONGEST_FIELD: Final = 256
_fields: Final[dict[tuple[bytes, bytes], tuple[str, str]]] = {}
"""Response fields as text: applications send most of theirs again and again."""


def response_of(message: Any) -> Response:
    """The response of an `http.response.start`, its body to come. Raises for what is none."""
    given = list(message.get("headers", ()))
    try:
        fields = [_fields.get((name, value)) or _remember(name, value) for name, value in given]
    except TypeError:  # a bytearray cannot be looked up; what is no bytes at all raises here as well
        fields = [_remember(bytes(name), bytes(value)) for name, value in given]
    return new_response(message["status"], Headers.repeated(fields), b"")


def _remember(raw_name: Any, raw_value: Any) -> tuple[str, str]:
    field = str(raw_name, "latin-1"), str(raw_value, "latin-1")
    if len(raw_name) + len(raw_value) <= _LONGEST_FIELD:
        if len(_fields) >= _MOST_FIELDS:
            _fields.clear()
        _fields[raw_name, raw_value] = field
    return field


def promised_length(response: Response) -> int:
    """Content-Length; -1 without one that is a number."""
    value = response.headers.get("Content-Length")
    return int(value) if value.isascii() and value.isdigit() else -1
