"""URLs as ISAPI's support functions take and give them."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from host.api.isapi import IsapiError, Text
from host.api.win32_errors import ERROR_INVALID_PARAMETER
from host.isapi.response_head import to_bytes


def normalized(url: Text) -> str:
    """HSE_REQ_NORMALIZE_URL: decoded, `\\` as `/`, without `.`, `..` and empty segments; the query is left away.

    Raises IsapiError 87 for a URL that leads above the root or does not begin with a slash.
    """
    raw_path = to_bytes(url).partition(b"?")[0]
    path = unquote_to_bytes(raw_path).decode("utf-8", "surrogateescape").replace("\\", "/")
    if not path.startswith("/"):
        raise IsapiError(ERROR_INVALID_PARAMETER, f"not an absolute path: {path!r}")
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if not kept:
                raise IsapiError(ERROR_INVALID_PARAMETER, f"{path!r} leads above the root")
            kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    ends_in_folder = path.rpartition("/")[2] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if ends_in_folder and kept else "")


def as_target(url: Text) -> str:
    """A local URL as a request target: characters that no target may hold are percent-encoded.

    Raises IsapiError 87 for what is no absolute path.
    """
    raw = to_bytes(url)
    if not raw.startswith(b"/"):
        raise IsapiError(ERROR_INVALID_PARAMETER, f"not an absolute path: {url!r}")
    return quote(raw, safe="/?%#[]@!$&'()*+,;=:-._~")


def as_location(url: Text) -> str:
    """A URL for a Location field. Raises IsapiError 87 for an empty one."""
    raw = to_bytes(url)
    if not raw:
        raise IsapiError(ERROR_INVALID_PARAMETER, "the URL is empty")
    return quote(raw, safe="/?%#[]@!$&'()*+,;=:-._~")
