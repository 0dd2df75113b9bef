"""What a CGI program printed, as the head of a response (RFC 3875 section 6). Bytes in, one `CgiHead` out.

Feed `receive` whatever the pipe gave until `head` is set; what followed the empty line is `rest`. At the end of the
output call `receive_end`. Decisions where the RFC leaves room or old programs break it:

- lines end in LF or CRLF, mixed if need be; no continuation lines;
- a first line `HTTP/1.0 200 OK` counts as Status (programs of the IIS era print it);
- a field named `<!--` is what Python's cgitb prints in front of its own Content-Type: ignored;
- Content-Type, Location and Status more than once: the last one counts, as with Apache (a program that begins with a
  library's usual lines and then says what it really sends);
- a Content-Length that is no number, and several that differ, count for nothing: the length is what is printed;
- none of these three: a document without a type (Apache, lighttpd); so is an empty line and a page below it;
- a path as Location is a local redirect when nothing but Content-Type stands beside it. With Status, Set-Cookie or any
  other field the client is redirected, so that the field is not lost (IIS 3 to 5 lost the cookie);
- an absolute Location without Status is a 302 with a stock body; with Status the program's own answer goes out;
- fields that are the server's business (framing, Connection, Date, Server) are dropped.
"""

from __future__ import annotations

import enum
import html
import re
from dataclasses import dataclass, field
from typing import Final

from host.api import Headers

LARGEST_HEAD: Final = 65536
"""Bytes of header lines a program may print before the empty line."""

_LONGEST_KNOWN: Final = 512
_MOST_KNOWN: Final = 256
"""Heads up to so many bytes are remembered, and so many of them."""

SERVERS_OWN: Final = frozenset(
    ["connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "date", "server"]
)
"""Response fields of a program that never reach the client, in lower case."""

_STATUS_LINE: Final = re.compile(r"HTTP/\d(?:\.\d)? +(\d{3})(?: (.*))?")
_STATUS: Final = re.compile(r"(\d{3})(?:[ \t]+(.*))?")
_ONCE: Final = frozenset({"content-type", "location", "status"})


class CgiForm(enum.Enum):
    """The forms of a CGI response (RFC 3875 section 6.2)."""

    DOCUMENT = "document"  # also: client redirect with document
    LOCAL_REDIRECT = "local redirect"
    CLIENT_REDIRECT = "client redirect"


@dataclass(slots=True)
class CgiHead:
    """The head of the response. `stock_body` replaces the program's body (client redirect without a Status)."""

    form: CgiForm
    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    target: str = ""  # of a local redirect: path and query
    content_length: int | None = None  # bytes of body the program promised
    stock_body: bytes | None = None

    def copy(self) -> CgiHead:
        """One whose fields may be changed."""
        headers = self.headers.copy()
        return CgiHead(self.form, self.status, self.reason, headers, self.target, self.content_length, self.stock_body)

    @property
    def has_body(self) -> bool:
        """Whether the program's body goes to the client: not with 204 and 304, not with a redirect by the server."""
        return self.form is CgiForm.DOCUMENT and self.status not in (204, 304)


class MalformedOutput(Exception):
    """The output is no CGI response: 502.2. The text says why; `output` is what the program printed so far."""

    def __init__(self, why: str, output: bytes) -> None:
        super().__init__(why)
        self.output = output


class CgiResponseParser:
    """Collects header lines until the empty line; see the module's text for the rules."""

    __slots__ = ("_buffer", "_lines", "_scanned", "head", "rest")

    def __init__(self) -> None:
        self.head: CgiHead | None = None
        self.rest = b""
        self._buffer = bytearray()
        self._lines: list[bytes] = []
        self._scanned = 0

    def receive(self, data: bytes) -> None:
        """Feed output. Sets `head` and `rest` once the empty line has come; then call it no more.

        Raises MalformedOutput.
        """
        if self._buffer:
            self._receive(data)
            return
        size = data.find(b"\r\n\r\n", 0, _LONGEST_KNOWN) + 4
        known = _known.get(data[:size]) if size > 4 else None
        if known is not None:
            self.head, self.rest = known.copy(), data[size:]
            return
        self._receive(data)
        if size > 4 and self.head is not None and len(self.rest) == len(data) - size:
            _know(data[:size], self.head)

    def _receive(self, data: bytes) -> None:
        buffer = self._buffer
        search_from = len(buffer)
        buffer += data
        while (end := buffer.find(b"\n", search_from)) >= 0:
            line = bytes(buffer[self._scanned : end])
            self._scanned = search_from = end + 1
            line = line.removesuffix(b"\r")
            if not line:
                self.rest = bytes(buffer[end + 1 :])
                self.head = self._finish()
                return
            self._lines.append(line)
            if len(self._lines) == 1 and b":" not in line:
                self._check_first_line(line)
        if len(buffer) > LARGEST_HEAD:
            raise self._malformed(f"it printed more than {LARGEST_HEAD} bytes of header lines")

    def receive_end(self) -> None:
        """The output has ended. Raises MalformedOutput when no head came."""
        if self.head is not None:
            return
        if not self._buffer:
            raise self._malformed("it printed nothing")
        raise self._malformed("its output ended before the empty line that ends the headers")

    def _malformed(self, why: str) -> MalformedOutput:
        return MalformedOutput(why, bytes(self._buffer[:LARGEST_HEAD]))

    def _check_first_line(self, line: bytes) -> None:
        """A program that prints its page without any header is told at once, not after 64 KB."""
        if _STATUS_LINE.fullmatch(line.decode("latin-1")) is None:
            raise self._malformed(f"this line is no header: {_shown(line)}")

    def _finish(self) -> CgiHead:
        if self._scanned > LARGEST_HEAD:
            raise self._malformed(f"it printed more than {LARGEST_HEAD} bytes of header lines")
        headers, cgi = Headers(), {}
        lengths: set[int | None] = set()
        for number, raw_line in enumerate(self._lines):
            line = raw_line.decode("latin-1")
            status_line = _STATUS_LINE.fullmatch(line) if number == 0 else None
            if status_line is not None:
                cgi["status"] = f"{status_line[1]} {status_line[2] or ''}".strip()
                continue
            name, colon, value = line.partition(":")
            if not colon:
                raise self._malformed(f"this line is no header: {_shown(raw_line)}")
            lower, value = name.lower(), value.strip(" \t")
            if lower == "<!--" or lower in SERVERS_OWN:
                continue
            if lower == "content-length":
                lengths.add(int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None)
                continue
            if lower in _ONCE:
                if lower in cgi:
                    headers.remove(name)
                cgi[lower] = value
            if lower != "status":
                self._add(headers, name, value, raw_line)
        length = lengths.pop() if len(lengths) == 1 else None
        return self._head(headers, cgi, length)

    def _add(self, headers: Headers, name: str, value: str, raw_line: bytes) -> None:
        try:
            headers.add(name, value)
        except ValueError:
            raise self._malformed(f"this line is no valid header: {_shown(raw_line)}") from None

    def _head(self, headers: Headers, cgi: dict[str, str], length: int | None) -> CgiHead:
        status, reason = self._status(cgi.get("status"))
        location = cgi.get("location")
        if location is not None and "status" not in cgi:
            return self._redirect(headers, location)
        if status in (204, 304):
            length = None
        if length is not None:
            headers.add("Content-Length", str(length))
        return CgiHead(CgiForm.DOCUMENT, status, reason, headers, content_length=length)

    def _status(self, text: str | None) -> tuple[int, str]:
        if text is None:
            return 200, ""
        found = _STATUS.fullmatch(text)
        if found is None or not 200 <= int(found[1]) <= 599 or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", text):
            raise self._malformed(f"its Status is none: {text[:80]!r}")
        return int(found[1]), (found[2] or "").strip()

    def _redirect(self, headers: Headers, location: str) -> CgiHead:
        if not location:
            raise self._malformed("its Location is empty")
        others = {name.lower() for name, _ in headers} - {"location"}
        is_path = location.startswith("/") and not location.startswith("//") and "#" not in location
        if is_path and others <= {"content-type"}:
            return CgiHead(CgiForm.LOCAL_REDIRECT, 200, target=location)
        headers.set("Content-Type", "text/html")
        body = _object_moved(location)
        return CgiHead(CgiForm.CLIENT_REDIRECT, 302, headers=headers, stock_body=body)


def parse_whole(output: bytes) -> tuple[CgiHead, bytes] | None:
    """The head of a program's whole output, which is not to be changed, and what follows it; None when that is no CGI
    response."""
    size = output.find(b"\r\n\r\n", 0, _LONGEST_KNOWN) + 4
    known = _known.get(output[:size]) if size > 4 else None
    if known is not None:
        return known, output[size:]
    parser = CgiResponseParser()
    try:
        parser.receive(output)
    except MalformedOutput:
        return None
    return None if parser.head is None else (parser.head, parser.rest)


_known: Final[dict[bytes, CgiHead]] = {}
"""What heads mean that came whole: most programs print the same few again and again."""


def _know(raw: bytes, head: CgiHead) -> None:
    if b"ookie" in raw:  # hardly the same twice
        return
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    _known[raw] = head.copy()


def _object_moved(location: str) -> bytes:
    link = html.escape(location)
    page = (
        f'<html><head><title>Object moved</title></head><body><h1>Object moved</h1><a href="{link}">{link}</a></body>'
    )
    return f"{page}</html>\n".encode("latin-1", "xmlcharrefreplace")


def _shown(raw_line: bytes) -> str:
    return repr(raw_line[:200].decode("latin-1"))
