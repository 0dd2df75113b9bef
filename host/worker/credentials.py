"""What the client sent to log on."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from host.api import Credentials, Request

BASIC: Final = "basic"


def read_credentials(request: Request) -> Credentials:
    """What the client sent to log on: Basic credentials decoded (RFC 7617), of another scheme the name alone, and of
    what is no Basic credentials, too."""
    scheme, _, value = request.first_header("Authorization").partition(" ")
    if scheme.lower() != BASIC:
        return Credentials("", "", scheme)
    try:
        raw = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return Credentials("", "", scheme)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:  # RFC 7617 leaves the encoding open; old browsers send this
        text = raw.decode("latin-1")
    user, colon, password = text.partition(":")
    return Credentials(user, password, scheme) if colon else Credentials("", "", scheme)


def has_controls(text: str) -> bool:
    """Whether it holds a control character, as neither names nor passwords may (RFC 7617 section 2)."""
    return any(character < " " or character == "\x7f" for character in text)
