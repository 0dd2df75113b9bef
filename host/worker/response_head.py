"""A response's head as bytes: the status line without its version, and the fields; framing is the front's business."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from host.api import Response
from host.wire.frames import ResponseFlag

_OURS: Final = frozenset(
    {"date", "server", "connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "te"}
)
_NOT_IN_REASON: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS_LINES: Final[dict[int, str]] = {}
_CLOSE: Final = int(ResponseFlag.CLOSE)
_KEEP: Final = -1


class Head(NamedTuple):
    """The bytes, the flags that follow from the fields, and the length that the handler promised (-1: none)."""

    raw: bytes
    flags: int
    promised_length: int


def build_head(response: Response, *, content_length: int = _KEEP, drops_length: bool = False) -> Head:
    """The head of `response`.

    Fields that are the front's are left out; `Connection: close` becomes a flag. `content_length` replaces the
    handler's own, `drops_length` takes it out (the front knows better, or nobody does).
    """
    status = response.status
    if response.reason:
        line = f"{status} {_NOT_IN_REASON.sub(' ', response.reason)}\r\n"
    else:
        line = _STATUS_LINES.get(status) or _STATUS_LINES.setdefault(status, response.status_line + "\r\n")
    lines = [line]
    flags = _CLOSE if response.close_connection else 0
    promised = -1
    for name, value in response.headers:
        lower = name.lower()
        if lower in _OURS:
            if lower == "connection" and "close" in value.lower():
                flags = _CLOSE
            continue
        if lower == "content-length":
            if drops_length or content_length >= 0:
                continue
            promised = int(value) if value.isascii() and value.isdigit() else -1
        lines.append(f"{name}: {value}\r\n")
    if content_length >= 0:
        promised = content_length
        lines.append(f"Content-Length: {content_length}\r\n")
    return Head("".join(lines).encode("latin-1", "replace"), flags, promised)
