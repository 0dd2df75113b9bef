"""Status and header texts of an extension as a response's head (isapi.h's pszStatus and pszHeader)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Final

from host.api import Headers, reason_phrase
from host.api.isapi import IsapiError, Text
from host.api.win32_errors import ERROR_INVALID_PARAMETER

_STATUS: Final = re.compile(r"(?:HTTP/\d(?:\.\d)?\s+)?(\d{3})(?:\s+(.*))?", re.DOTALL)
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_OURS: Final = frozenset({"date", "server", "connection", "keep-alive", "proxy-connection"})


@dataclass(slots=True)
class ResponseHead:
    """A head, and the bytes that stood behind it. `raw` is the whole of it for a body that frames itself."""

    status: int = 200
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    closes: bool = False
    rest: bytes = b""
    raw: bytes = b""


def to_bytes(text: Text) -> bytes:
    """As it goes out. Raises IsapiError 87 for what is no text."""
    if isinstance(text, str):
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            return text.encode("utf-8", "surrogateescape")
    if isinstance(text, bytes | bytearray | memoryview):
        return bytes(text)
    raise IsapiError(ERROR_INVALID_PARAMETER, f"text or bytes are wanted, not {type(text).__name__}")


def parse_head(status: Text | None, header_text: Text | None, *, keeps: bool = True) -> ResponseHead:
    """The head that these texts ask for; no status is `200 OK`. Raises IsapiError 87 for what no head can say.

    Lines may end in CRLF or LF, and the last empty line may be missing. A body behind `Transfer-Encoding` frames
    itself: its head is raw, and the connection is closed behind it.
    """
    number, reason = parse_status(status)
    block, rest = _split(b"" if header_text is None else to_bytes(header_text))
    head = ResponseHead(number, reason, Headers(), not keeps, rest)
    for name, value in _fields(block):
        if name.lower() == "connection" and "close" in value.lower():
            head.closes = True
        if name.lower() not in _OURS:
            try:
                head.headers.add(name, value)
            except ValueError as error:
                raise IsapiError(ERROR_INVALID_PARAMETER, str(error)) from error
    if "Transfer-Encoding" in head.headers:
        head.raw = _raw(head)
        head.closes = True
    return head


def parse_status(status: Text | None) -> tuple[int, str]:
    """`404 Not Found`, also behind `HTTP/1.1` (as Apache takes it), or the number alone. Raises IsapiError 87."""
    if status is None or not status:
        return 200, ""
    found = _STATUS.fullmatch(to_bytes(status).decode("latin-1").strip())
    if found is None or int(found[1]) < 100:
        raise IsapiError(ERROR_INVALID_PARAMETER, f"not a status: {status!r}")
    return int(found[1]), (found[2] or "").strip()


def _split(text: bytes) -> tuple[bytes, bytes]:
    for start in (b"\r\n", b"\n"):  # no field at all
        if text.startswith(start):
            return b"", text[len(start) :]
    blank = _BLANK_LINE.search(text)
    return (text, b"") if blank is None else (text[: blank.start()], text[blank.end() :])


def _fields(block: bytes) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in block.decode("latin-1").replace("\r\n", "\n").split("\n"):
        if line[:1] in (" ", "\t") and fields:  # a folded line (RFC 9112 section 5.2: replace by spaces)
            fields[-1] = (fields[-1][0], f"{fields[-1][1]} {line.strip()}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            fields.append((name.strip(), value.strip()))
        elif line.strip():
            raise IsapiError(ERROR_INVALID_PARAMETER, f"not a header line: {line!r}")
    return fields


def _raw(head: ResponseHead) -> bytes:
    line = f"HTTP/1.1 {head.status} {head.reason or reason_phrase(head.status)}\r\n".encode("latin-1", "replace")
    own = f"Server: isapy\r\nDate: {formatdate(usegmt=True)}\r\nConnection: close\r\n\r\n".encode()
    return line + head.headers.to_raw() + own
