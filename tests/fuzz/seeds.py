"""Where fuzzing starts from: one of each kind for every target, right and wrong ones."""

from __future__ import annotations

from typing import Final

from host.wire.codec import (
    encode,
    encode_end,
    encode_file,
    encode_log,
    encode_number,
    encode_request,
    encode_reset,
    encode_response,
    encode_session_end,
)
from host.wire.frames import Kind, LogFrame, RequestFrame, ResponseFlag, ResponseFrame

_HOST: Final = b"Host: x\r\n"
_CHUNKED: Final = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
_HIDDEN: Final = b"GET /folder/ HTTP/1.1\r\nHost: hidden\r\n\r\n"


def _post(fields: bytes, body: bytes = b"0\r\n\r\n" + _HIDDEN) -> bytes:
    return b"POST / HTTP/1.1\r\n" + _HOST + fields + b"\r\n" + body


SMUGGLING: Final[dict[str, bytes]] = {
    "CL.TE": _post(b"Content-Length: 44\r\nTransfer-Encoding: chunked\r\n"),
    "TE.CL": _post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n"),
    "TE.TE": _post(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
    "TE twice chunked": _post(b"Transfer-Encoding: chunked, chunked\r\n"),
    "TE twice by two fields": _post(b"Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n"),
    "TE with a tab before the colon": _post(b"Transfer-Encoding\t: chunked\r\n"),
    "TE with a vertical tab": _post(b"Transfer-Encoding: \x0bchunked\r\n"),
    "TE with a quoted coding": _post(b'Transfer-Encoding: "chunked"\r\n'),
    "TE with a parameter": _post(b"Transfer-Encoding: chunked;q=1\r\n"),
    "TE on a folded line": _post(b"Transfer-Encoding:\r\n chunked\r\n"),
    "TE behind a folded line": _post(b"A: b\r\n Transfer-Encoding: chunked\r\n"),
    "TE behind a bare CR": _post(b"A: b\rTransfer-Encoding: chunked\r\n"),
    "TE behind a bare LF": _post(b"A: b\nTransfer-Encoding: chunked\r\n"),
    "TE empty": _post(b"Transfer-Encoding:\r\n"),
    "TE identity": _post(b"Transfer-Encoding: identity\r\n"),
    "TE named with an underscore": _post(b"Transfer_Encoding: chunked\r\n", b""),
    "CL with a plus": _post(b"Content-Length: +4\r\n"),
    "CL with a minus": _post(b"Content-Length: -0\r\n"),
    "CL in hexadecimal": _post(b"Content-Length: 0x4\r\n"),
    "CL with an underscore": _post(b"Content-Length: 1_0\r\n"),
    "CL with a blank inside": _post(b"Content-Length: 1 0\r\n"),
    "CL as a fraction": _post(b"Content-Length: 4.0\r\n"),
    "CL empty": _post(b"Content-Length:\r\n"),
    "CL as a list": _post(b"Content-Length: 4, 5\r\n"),
    "CL in other digits": _post("Content-Length: \u0664\r\n".encode()),
    "chunk size with 0x": _CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a plus": _CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a minus": _CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
    "chunk size with an underscore": _CHUNKED + b"1_0\r\nabc\r\n0\r\n\r\n",
    "chunk size with a blank before": _CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a blank behind": _CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk size beyond 64 bits": _CHUNKED + b"10000000000000003\r\nabc\r\n0\r\n\r\n",
    "chunk without its line end": _CHUNKED + b"3\r\nabc0\r\n\r\n",
    "chunk ended by a bare LF": _CHUNKED + b"3\r\nabc\n0\r\n\r\n",
    "chunk extension with a bare LF": _CHUNKED + b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "chunk extension with a bare CR": _CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "chunk extension with a line end in quotes": _CHUNKED + b'3;a="\r\n"\r\nabc\r\n0\r\n\r\n',
    "chunk extension with NUL": _CHUNKED + b"3;\0\r\nabc\r\n0\r\n\r\n",
    "trailer with a length": _CHUNKED + b"0\r\nContent-Length: 5\r\n\r\n" + _HIDDEN,
    "trailer with a coding": _CHUNKED + b"0\r\nTransfer-Encoding: chunked\r\n\r\n" + _HIDDEN,
    "trailer without colon": _CHUNKED + b"0\r\nnonsense\r\n\r\n",
    "trailer on a folded line": _CHUNKED + b"0\r\nA: b\r\n c\r\n\r\n",
    "trailers ended by a bare LF": _CHUNKED + b"0\r\nA: b\n\n",
    "Host twice in other case": b"GET / HTTP/1.1\r\nHost: x\r\nhOST: y\r\n\r\n",
    "Host with a blank before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "Host behind a blank line start": b"GET / HTTP/1.1\r\n Host: x\r\n\r\n",
    "request line with a tab": b"GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n",
    "request line with a blank at its end": b"GET / HTTP/1.1 \r\nHost: x\r\n\r\n",
    "request line with a blank before it": b" GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "request line with HTTP/1.10": b"GET / HTTP/1.10\r\nHost: x\r\n\r\n",
    "request line with http/1.1": b"GET / http/1.1\r\nHost: x\r\n\r\n",
    "a body of GET that is a request": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(_HIDDEN)
    + _HIDDEN,
}
"""Requests of which two servers may think differently: none is answered with what stands behind it (`/folder/`)."""

LEGAL: Final[dict[str, bytes]] = {
    "GET": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "two GETs": 2 * b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "OPTIONS *": b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute": b"GET http://y:80/a%20b HTTP/1.1\r\nHost: x\r\n\r\n",
    "length": b"POST /x.echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0005\r\nExpect: 100-continue\r\n\r\nabcde",
    "chunks": _CHUNKED + b'003;a=b;c="d e"\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\nHost: y\r\n\r\n' + _HIDDEN,
    "escapes": b"GET /%41/%u0042/..%5cb/./c//d?%zz HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: h2c\r\n\r\n",
}

_RESPONSE: Final = ResponseFrame(ResponseFlag.COMPLETE, 1, 404, 3, 2, b"404 Not Found\r\nA: b\r\n", b"gone")

SEEDS: Final[dict[str, list[bytes]]] = {
    "requests": [*SMUGGLING.values(), *LEGAL.values()],
    "frames": [
        encode_request(
            1, RequestFrame(2, b"10.0.0.1\0001\0a\0002\0007", b"1:/", b"GET", b"/", b"Host: a\r\n", -1, b"x")
        ),
        encode_response(1, _RESPONSE),
        encode(Kind.STARTED, 1) + encode(Kind.DATA, 1, b"data") + encode_end(1, 1),
        encode_file(1, 0, 5, 100),
        encode_reset(1, 503, 2, 1, "because"),
        encode_log(1, LogFrame("anna", "10.1.1.1", "-", "GET", "/a b", "418", "5")),
        encode_number(Kind.CREDIT, 0, 5) + encode_number(Kind.BODY_WINDOW, 1, 0) + encode_session_end(7),
    ],
    "forwarded": [
        b"X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\nX-Forwarded-Proto: https\r\n",
        b'Forwarded: for="[2001:db8::7%25eth0]:4711";proto=https;by=_x, for=10.1.1.1\r\n',
        b'Forwarded: for="\\"203.0.113.9"\r\nX-Forwarded-For: [::ffff:1.2.3.4]:99, unknown\r\n',
    ],
    "worker_heads": [
        b"200 OK\r\nA: b\r\nContent-Length: 5\r\nC: d\r\n",
        b"404 Not Found\r\n",
        b"200 OK\r\nConnection: close\r\n",
        b"204 \r\nSet-Cookie: a\r\n",
    ],
}
