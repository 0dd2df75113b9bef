"""Names below a virtual directory that are never served as files."""

from __future__ import annotations

from host.api import HttpError


def refuse_hidden_names(path: str) -> None:
    """404.9 for names that begin with a dot (Unix's hidden attribute), `.well-known` excepted (RFC 8615), and 404.8
    for web.config, which stays hidden when request filtering is not listed."""
    for segment in path.split("/"):
        if segment.startswith(".") and segment != ".well-known":
            raise HttpError(404, 9, f"{segment} is hidden: its name begins with a dot")
        if segment.lower() == "web.config":
            raise HttpError(404, 8, "web.config is never served")
