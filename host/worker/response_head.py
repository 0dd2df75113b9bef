"""A response's head as bytes: the status line without its version, and the fields; framing is the front's business."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from host.api import Response
from host.wire.frames import ResponseFlag

_OURS: Final = frozenset({"date", "connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "te"})
_NOT_IN_REASON: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS_LINES: Final[dict[int, str]] = {}
_CLOSE: Final = int(ResponseFlag.CLOSE)
_ABORT: Final = int(ResponseFlag.CLOSE | ResponseFlag.ABORTIVE)
MOST_HEAD_BYTES: Final = 1024 * 1024
"""A handler's fields beyond that are a defect of its: no client takes them, and a frame has an end."""
_NO_SERVER: Final = int(ResponseFlag.NO_SERVER)
_KEEP: Final = -1


class Head(NamedTuple):
    """The bytes, the flags that follow from the fields, and the length that the handler promised (-1: none)."""

    raw: bytes
    flags: int
    promised_length: int


_HEADS: Final[dict[tuple[int, tuple[str, str]], Head]] = {}
"""Heads of a status and a Content-Type alone, as most handlers' answers have."""

_MOST_HEADS: Final = 256


def build_head(response: Response, *, content_length: int = _KEEP, drops_length: bool = False) -> Head:
    """The head of `response`.

    Fields that are the front's are left out; `Connection: close` becomes a flag, and so does a Server field: the front
    adds no other one. `content_length` replaces the handler's own, `drops_length` takes it out (the front knows better,
    or nobody does). Raises ValueError for a head of more than MOST_HEAD_BYTES.
    """
    fields = response.headers._fields  # not to be changed here
    if drops_length and len(fields) == 2:  # applications say both; what is left is an everyday head
        if _is_length(fields[1][0]):
            fields = fields[:1]
        elif _is_length(fields[0][0]):
            fields = fields[1:]
    is_everyday = (
        len(fields) == 1
        and content_length < 0
        and not (response.reason or response.close_connection or response.abortive_close)
    )
    if is_everyday and (known := _HEADS.get((response.status, fields[0]))) is not None:
        return known
    head = _new_head(response, fields, content_length, drops_length=drops_length)
    if is_everyday and fields[0][0].lower() == "content-type":  # any other field may have a new value each time
        if len(_HEADS) >= _MOST_HEADS:
            _HEADS.clear()
        _HEADS[response.status, fields[0]] = head
    return head


def _is_length(name: str) -> bool:
    return len(name) == 14 and name.lower() == "content-length"


def close_flags(response: Response) -> int:
    """What becomes of the client's connection behind it."""
    if response.abortive_close:
        return _ABORT
    return _CLOSE if response.close_connection else 0


def _new_head(response: Response, fields: list[tuple[str, str]], content_length: int, *, drops_length: bool) -> Head:
    status = response.status
    if response.reason:
        line = f"{status} {_NOT_IN_REASON.sub(' ', response.reason)}\r\n"
    else:
        line = _STATUS_LINES.get(status) or _STATUS_LINES.setdefault(status, response.status_line + "\r\n")
    lines = [line]
    flags = close_flags(response)
    promised = -1
    for name, value in fields:
        lower = name.lower()
        if lower in _OURS:
            if lower == "connection" and "close" in value.lower():
                flags |= _CLOSE
            continue
        if lower == "server":  # as HTTP.sys: its own only where the response has none
            if flags & _NO_SERVER:
                continue
            flags |= _NO_SERVER
        if lower == "content-length":
            if drops_length or content_length >= 0:
                continue
            promised = int(value) if value.isascii() and value.isdigit() else -1
        lines.append(f"{name}: {value}\r\n")
    if content_length >= 0:
        promised = content_length
        lines.append(f"Content-Length: {content_length}\r\n")
    raw = "".join(lines).encode("latin-1", "replace")
    if len(raw) > MOST_HEAD_BYTES:
        raise ValueError(f"the response's status and fields have {len(raw)} bytes; at most {MOST_HEAD_BYTES} are sent")
    return Head(raw, flags, promised)
