"""What llhttp lets through and we refuse, as a table; and what llhttp decides.

A head is judged in this order: sizes, request line, the rules about its fields, llhttp's syntax, the host. The field
block stays one value: one regular expression finds the few fields that framing and routing depend on, and llhttp is
fed without callbacks for fields, so that it validates every byte and builds nothing.

One parser serves all connections, since it is given whole heads only. What cannot be used again (a body is announced,
the connection is to be closed or upgraded) costs a fresh parser. A refusal by a used parser is never believed: a fresh
one decides, so that nothing an earlier client sent can refuse a later one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import httptools

from host.http1.errors import Fault, RemoteProtocolError
from host.http1.limits import Limits
from host.http1.request_head import CHUNKED, RequestHead
from host.http1.target import resolve_absolute_target
from host.remembered import Remembered

MAX_REMEMBERED: Final = 4096  # bytes of a head that is kept to recognize its fields
_MAX_JUDGED: Final = 512  # field blocks: beyond that all are forgotten (at most 2 MB)

Fields = dict[bytes, list[bytes]]

REQUEST_LINE: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Z]+) ([\x21-\x7e]+) HTTP/([0-9])\.([0-9])\r\n")
_USUAL_LINE: Final = re.compile(rb"(GET|HEAD|OPTIONS|DELETE) (/[\x21\x22\x24-\x7e]*) HTTP/1\.1\r\n")
_PLAIN_LINE: Final = b"GET / HTTP/1.1\r\n"
_VERB: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Z]+ ")
_VERSION: Final = re.compile(rb" HTTP/[0-9]\.[0-9]\r\n")
_BARE_LINE_END: Final = re.compile(rb"(?<!\r)\n|\r(?!\n)")

# The lookahead spares the alternation on most lines: half the cost on a browser's thirteen fields.
_INTERESTING: Final = re.compile(
    rb"\n(?=[hHcCtTeE \t])(?i:([ \t]|(?:host|content-length|transfer-encoding|connection|expect)(?=:)):?)([^\r\n]*)"
)
_OBS_FOLD: Final = (b" ", b"\t")

_HOST: Final = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.\-_~%!$&'()*+,;=]*)(?::[0-9]{0,5})?")
_LONGEST_HOST: Final = 260
_LENGTH: Final = re.compile(rb"[0-9]+")
_MAX_LENGTH: Final = 2**63 - 1  # what a frame between our processes can carry
_MUST_HAVE_LENGTH: Final = frozenset((b"POST", b"PUT"))  # HTTP.sys: 411
_PLAIN: Final = frozenset((b"host", b"connection"))  # with these alone, no body is announced and nothing is expected
_NOT_SERVED: Final = frozenset((b"TRACE", b"CONNECT"))  # TRACE reflects cookies to scripts; CONNECT is for proxies


def _has_transfer_coding_on_1_0(minor_version: int, fields: Fields) -> bool:
    return minor_version == 0 and b"transfer-encoding" in fields


def _has_unknown_coding(_minor_version: int, fields: Fields) -> bool:
    codings = fields.get(b"transfer-encoding")
    return codings is not None and b",".join(codings).lower() != b"chunked"


def _has_length_and_coding(_minor_version: int, fields: Fields) -> bool:
    return b"content-length" in fields and b"transfer-encoding" in fields


def _has_bad_length(_minor_version: int, fields: Fields) -> bool:
    lengths = fields.get(b"content-length")
    return lengths is not None and (len(lengths) > 1 or _LENGTH.fullmatch(lengths[0]) is None)


def _has_huge_length(_minor_version: int, fields: Fields) -> bool:
    lengths = fields.get(b"content-length")
    return lengths is not None and (len(lengths[0].lstrip(b"0")) > 19 or int(lengths[0]) > _MAX_LENGTH)


def _has_unknown_expectation(minor_version: int, fields: Fields) -> bool:
    expectations = fields.get(b"expect")
    return expectations is not None and minor_version == 1 and b",".join(expectations).lower() != b"100-continue"


def _has_folded_line(_minor_version: int, fields: Fields) -> bool:
    return any(fold in fields for fold in _OBS_FOLD)


RULES: Final[tuple[tuple[Callable[[int, Fields], bool], Fault, str], ...]] = (
    (_has_folded_line, Fault.INVALID_HEADER, "RFC 9112 5.2: a server refuses or unfolds; unfolding differs by parser"),
    (_has_transfer_coding_on_1_0, Fault.INVALID_HEADER, "RFC 9112 6.1: faulty framing; smuggling through old proxies"),
    (_has_unknown_coding, Fault.CODING_NOT_IMPLEMENTED, "RFC 9112 6.1: 501 for a coding that is not understood"),
    (_has_length_and_coding, Fault.BAD_REQUEST, "RFC 9112 6.1: ought to be handled as an error (smuggling)"),
    (_has_bad_length, Fault.INVALID_NUMBER, "RFC 9112 6.3: one decimal number, said once"),
    (_has_huge_length, Fault.ENTITY_TOO_LARGE, "RFC 9110 8.6: anticipate large numbers"),
    (_has_unknown_expectation, Fault.EXPECTATION_FAILED, "RFC 9110 10.1.1: 417 for what is not 100-continue"),
)
"""Forbidden fields and combinations, in the order in which they are tested: predicate, refusal, rule."""


class HeadPolicy:
    """Judges whole request heads; one per listener, shared by its connections."""

    __slots__ = ("_is_complete", "_judged", "_parser", "_usual_bytes", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._usual_bytes = min(limits.max_request_bytes, limits.max_field_bytes)  # no part can be too long
        self._is_complete = False
        # Plain blocks: the host each names, `keep_alive`, and the block itself, which all connections then share.
        self._judged: dict[bytes, tuple[bytes, bool, bytes]] = {}
        self._parser = httptools.HttpRequestParser(self)

    def on_message_complete(self) -> None:
        """Called by the parser: the head it was given announces no body."""
        self._is_complete = True

    def check(self, head: bytes) -> RequestHead:
        """The request head in `head` (request line to empty line). Raises RemoteProtocolError.

        Plain fields (`RequestHead.is_plain`) that were judged a short while ago need no second judgement: programs
        repeat themselves, and browsers take turns between a few sets of fields for the parts of a page.
        """
        line = REQUEST_LINE.match(head)
        if line is None:
            raise RemoteProtocolError(explain_request_line(head))
        method, target, major, minor = line.groups()
        if major != b"1" or minor not in (b"0", b"1"):
            raise RemoteProtocolError(Fault.VERSION_NOT_SUPPORTED)
        size, fields_at = len(head), line.end()
        if size > self.limits.max_field_bytes:
            self._check_lengths(head, method, target)
        fields = head[fields_at:-2]
        request = RequestHead(method, target, 1 if minor == b"1" else 0, fields, size)
        judged = self._judged.get(fields)
        if judged is not None and minor == b"1":
            request.host, request.keep_alive, request.fields = judged
            request.is_plain = True
        else:
            self._judge_fields(request, head, fields_at)
            if request.is_plain and size <= MAX_REMEMBERED:
                if len(self._judged) >= _MAX_JUDGED:
                    self._judged.clear()
                self._judged[fields] = (request.host, request.keep_alive, fields)
        if method in _NOT_SERVED:
            raise RemoteProtocolError(Fault.METHOD_NOT_IMPLEMENTED)
        if request.is_plain and method in _MUST_HAVE_LENGTH:
            raise RemoteProtocolError(Fault.LENGTH_REQUIRED)
        if target[0] != 47 or b"#" in target:
            resolve_absolute_target(request)
        return request

    def check_again(self, data: bytes, last: RequestHead) -> RequestHead | None:
        """The head in `data` if that is one whole head, with the fields of `last` (a plain one), and nothing about
        it is unusual: `check` would say the same. None: it is for `check` to say.

        Nothing is searched for: what stands before the known fields must be one request line.
        """
        size, fields = len(data), last.fields
        if size > self._usual_bytes or not data.endswith(b"\r\n") or not data.endswith(fields, 0, size - 2):
            return None
        line = _USUAL_LINE.fullmatch(data, 0, size - 2 - len(fields))
        if line is None:
            return None
        request = RequestHead(line[1], line[2], 1, fields, size)
        request.host = last.host
        request.keep_alive = last.keep_alive
        request.is_plain = True
        return request

    def check_known(self, data: bytes) -> RequestHead | None:
        """The head in `data` if that is one whole head, whose fields were judged before, whoever sent them, and nothing
        about it is unusual: `check` would say the same. None: it is for `check` to say."""
        if len(data) > self._usual_bytes or not data.endswith(b"\r\n"):
            return None
        fields_at = data.find(b"\r\n") + 2
        fields = data[fields_at : max(fields_at, len(data) - 2)]
        judged = self._judged.get(fields)
        if judged is None:
            return None
        line = _USUAL_LINE.fullmatch(data, 0, fields_at)
        if line is None:
            return None
        request = RequestHead(line[1], line[2], 1, fields, len(data))
        request.host, request.keep_alive, request.fields = judged
        request.is_plain = True
        return request

    def _judge_fields(self, request: RequestHead, head: bytes, fields_at: int) -> None:
        found = _INTERESTING.findall(head, fields_at - 1)
        if len(found) == 1 and len(found[0][0]) == 4 and request.minor_version:
            host = found[0][1].strip(b" \t")  # the usual case: Host alone (no other interesting name has 4 letters)
            self._check_syntax(head, fields_at)
            request.is_plain = True
        else:
            host = self._check_fields(request, found, head)
            if request.content_length == 0 and request.method in _MUST_HAVE_LENGTH and not _is_framed(found):
                raise RemoteProtocolError(Fault.LENGTH_REQUIRED)
        if host is None or not is_valid_host(host):
            raise RemoteProtocolError(Fault.INVALID_HOSTNAME)
        request.host = host

    def _check_fields(self, request: RequestHead, found: list[tuple[bytes, bytes]], head: bytes) -> bytes | None:
        """Test every rule, note what framing needs; the host, or None when it is missing or said twice."""
        fields: Fields = {}
        for name, value in found:
            fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
        minor_version = request.minor_version
        for is_broken, fault, rule in RULES:
            if is_broken(minor_version, fields):
                raise RemoteProtocolError(fault, rule)
        self._check_syntax(head, len(head) - len(request.fields) - 2)
        if b"transfer-encoding" in fields:
            request.content_length = CHUNKED
        elif b"content-length" in fields:
            request.content_length = int(fields[b"content-length"][0])
        connection = fields.get(b"connection")
        if connection is not None:
            request.keep_alive = _keeps_alive(minor_version, connection)
        request.expects_continue = minor_version == 1 and b"expect" in fields and request.content_length != 0
        if not request.keep_alive:
            self._renew_parser()
        request.is_plain = minor_version == 1 and fields.keys() <= _PLAIN
        hosts = fields.get(b"host")
        if hosts is None:
            return b"" if minor_version == 0 else None
        return hosts[0] if len(hosts) == 1 else None

    def _check_lengths(self, head: bytes, method: bytes, target: bytes) -> None:
        limit = self.limits.max_field_bytes
        if len(method) > limit:
            raise RemoteProtocolError(Fault.INVALID_VERB)
        if len(target) > limit:
            raise RemoteProtocolError(Fault.URL_TOO_LONG)
        if any(len(line) > limit for line in head.split(b"\r\n")[1:]):
            raise RemoteProtocolError(Fault.FIELD_TOO_LONG)

    def _check_syntax(self, head: bytes, fields_at: int) -> None:
        if self._is_well_formed(head):
            return
        # llhttp knows a fixed list of verbs; another token is fine with us (and the line is judged here), so the fields
        # are judged alone.
        self._renew_parser()
        if not self._is_well_formed(_PLAIN_LINE + head[fields_at:]):
            raise RemoteProtocolError(explain_fields(head))

    def _is_well_formed(self, head: bytes) -> bool:
        self._is_complete = False
        try:
            self._parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._renew_parser()  # the upgrade is not taken: RFC 9110 7.8 lets a server ignore the field
            return True
        except httptools.HttpParserError:
            self._renew_parser()
            return False
        if not self._is_complete:
            self._renew_parser()
        return True

    def _renew_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)


def _is_framed(found: list[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"content-length" for name, _ in found)


def _keeps_alive(minor_version: int, connection: list[bytes]) -> bool:
    options = {option.strip(b" \t").lower() for value in connection for option in value.split(b",")}
    if minor_version == 0:
        return b"keep-alive" in options and b"close" not in options
    return b"close" not in options


def is_valid_host(host: bytes) -> bool:
    """Whether this is `uri-host [":" port]` (RFC 9110 7.2); empty is allowed by RFC 9112 3.2."""
    return _hosts[host]


def _is_host(host: bytes) -> bool:
    return len(host) <= _LONGEST_HOST and _HOST.fullmatch(host) is not None


_hosts: Final = Remembered(_is_host, 1024, _LONGEST_HOST)


def explain_request_line(head: bytes) -> Fault:
    """Why the request line of `head` is refused (it is known to be bad)."""
    line = head[: head.find(b"\r\n") + 2] or head
    if _BARE_LINE_END.search(line) is not None:
        return Fault.INVALID_LINE_END
    if _VERB.match(line) is None:
        return Fault.INVALID_VERB
    if _VERSION.search(line) is not None:
        return Fault.INVALID_URL
    return Fault.BAD_REQUEST


def explain_fields(head: bytes) -> Fault:
    """Why the fields of `head` are refused (they are known to be bad)."""
    if _BARE_LINE_END.search(head) is not None:
        return Fault.INVALID_LINE_END
    return Fault.INVALID_HEADER


def find_bare_line_end(data: bytes, start: int) -> int:
    """Where a line feed without carriage return stands, or -1. A carriage return at the very end may still be whole."""
    found = _BARE_LINE_END.search(data, start)
    if found is None or (found.start() == len(data) - 1 and data.endswith(b"\r")):
        return -1
    return found.start()
