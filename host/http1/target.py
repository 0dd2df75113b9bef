"""The request target: its four forms (RFC 9112 3.2), and the path that routing compares.

HTTP.sys's rules for a path: escapes are UTF-8 first and ANSI otherwise, a backslash is a slash, dot segments go, and
nothing may decode to a control character. `%uNNNN` is refused, as HTTP.sys does with PercentUAllowed 0: no standard has
it, no browser writes it, and what comes behind (filters, handlers, programs) would not decode it. Routing must see the
path as a file system would, so empty segments go as well: `//shop` and `/shop` are the same application.
"""

from __future__ import annotations

import re
from typing import Final

from host.http1.errors import Fault, RemoteProtocolError
from host.http1.limits import Limits
from host.http1.request_head import RequestHead

_ABSOLUTE: Final = re.compile(rb"(?i:https?)://([^/?#@]+)([/?][^#]*)?")
_HOST_LINE: Final = re.compile(rb"(?im)^host:[^\r\n]*\r\n")
_AUTHORITY: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-_~%!$&'()*+,;=]+)(?::[0-9]{0,5})?")
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2}|u?)")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_CONTROL_UTF8: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_UNSAFE: Final = re.compile(rb"%|\\|//|/\.")


def resolve_absolute_target(request: RequestHead) -> None:
    """Bring a target that is not in plain origin form into it.

    The authority of an absolute target replaces Host, in `host` and in the fields (RFC 9112 3.2.2). `*` is for OPTIONS
    alone; the authority form is for CONNECT, which is not served. Raises RemoteProtocolError.
    """
    target = request.target
    if target == b"*" and request.method == b"OPTIONS":
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None or _AUTHORITY.fullmatch(absolute[1]) is None:
        raise RemoteProtocolError(Fault.INVALID_URL)
    path = absolute[2] or b""
    if not path and request.method == b"OPTIONS":
        request.target = b"*"  # RFC 9112 3.2.4
    else:
        request.target = path if path.startswith(b"/") else b"/" + path
    request.host = absolute[1]
    request.is_for_https = target[4:5] in b"sS"
    request.is_plain = False
    request.fields = b"Host: " + absolute[1] + b"\r\n" + _HOST_LINE.sub(b"", request.fields)


def routing_path(raw_path: bytes, limits: Limits) -> str:
    """The decoded, normalised path (`/`, `/shop/cart`) that decides which application answers.

    Raises RemoteProtocolError for broken escapes, control characters and paths beyond the limits on segments.
    """
    if _UNSAFE.search(raw_path) is None:
        path = raw_path.decode("ascii")
    else:
        path = _normalised(_decoded(raw_path))
    longest, most = limits.url_segment_max_length, limits.url_segment_max_count
    if most and len(path) > most and path.count("/") > most:
        raise RemoteProtocolError(Fault.INVALID_URL, f"more than {most} path segments")
    if longest and len(path) > longest and any(len(segment) > longest for segment in path.split("/")):
        raise RemoteProtocolError(Fault.INVALID_URL, f"a path segment of more than {longest} characters")
    return path


def _decoded(raw_path: bytes) -> str:
    raw = _ESCAPE.sub(_decode_escape, raw_path)
    try:
        path = raw.decode("utf-8")
        control = _CONTROL_UTF8
    except UnicodeDecodeError:
        path = raw.decode("latin-1")
        control = _CONTROL
    if control.search(path) is not None:
        raise RemoteProtocolError(Fault.INVALID_URL, "an escaped control character")
    return path


def _decode_escape(escape: re.Match[bytes]) -> bytes:
    digits = escape[1]
    if len(digits) == 2:
        return bytes((int(digits, 16),))
    raise RemoteProtocolError(Fault.INVALID_URL, "a %u escape" if digits else "a broken percent escape")


def _normalised(path: str) -> str:
    kept: list[str] = []
    segments = path.replace("\\", "/").split("/")
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    ends_in_folder = segments[-1] in ("", ".", "..")
    return "/" + "/".join(kept) + ("/" if ends_in_folder and kept else "")
