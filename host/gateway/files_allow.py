"""The methods of static content beside GET and HEAD."""

from __future__ import annotations

from typing import Final

from host.api import Headers, HttpError, Response

ALLOWED: Final = "GET, HEAD, OPTIONS"


def answer_other_method(method: str) -> Response:
    """OPTIONS is told what files and folders allow (RFC 9110 section 9.3.7). Anything else raises HttpError 405.0."""
    if method == "OPTIONS":
        return Response(headers=Headers([("Allow", ALLOWED)]))
    raise HttpError(405, 0, f"static content has no {method}", headers={"Allow": ALLOWED})
