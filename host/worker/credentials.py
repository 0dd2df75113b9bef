"""What the client sent to log on."""

from __future__ import annotations

import base64
import binascii

from host.api import Credentials, Request


def read_credentials(request: Request) -> Credentials:
    """What the client sent to log on: Basic credentials decoded, of another scheme the name alone."""
    scheme, _, value = request.headers.get("Authorization").partition(" ")
    if scheme.lower() != "basic":
        return Credentials("", "", scheme)
    try:
        raw = base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return Credentials("", "", scheme)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:  # RFC 7617 leaves the encoding open; old browsers send this
        text = raw.decode("latin-1")
    user, _, password = text.partition(":")
    return Credentials(user, password, scheme)
