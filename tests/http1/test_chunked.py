"""Chunked bodies: fed whole, byte by byte, and with the next request right behind."""

from __future__ import annotations

import pytest

from host.http1.chunked import ChunkedDecoder
from host.http1.errors import Fault, RemoteProtocolError

NEXT = b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

BODIES: dict[str, tuple[bytes, bytes]] = {
    "empty": (b"0\r\n\r\n", b""),
    "one chunk": (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "upper-case size with zeros": (b"00A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "extensions": (b'3;a=b;c="d e"\r\nabc\r\n0;x\r\n\r\n', b"abc"),
    "trailers": (b"3\r\nabc\r\n0\r\nX-Sum: 1\r\nB: 2\r\n\r\n", b"abc"),
    "line ends in the data": (b"8\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n\r\n\r\n"),
    "data that ends in a line end": (b"5\r\nabc\r\n\r\n0\r\n\r\n", b"abc\r\n"),
    "data that looks like an end": (b"5\r\n0\r\n\r\n\r\n3\r\nabc\r\n0\r\n\r\n", b"0\r\n\r\nabc"),
    "many chunks": (b"1\r\nx\r\n" * 500 + b"0\r\n\r\n", b"x" * 500),
}


def feed(pieces: list[bytes]) -> tuple[bytes, bytes]:
    decoder = ChunkedDecoder(1000)
    body, rest = b"", b""
    for piece in pieces:
        if decoder.is_complete:
            rest += piece
        else:
            more, rest = decoder.receive(piece)
            body += more
    assert decoder.is_complete
    return body, rest


@pytest.mark.parametrize(("raw", "body"), BODIES.values(), ids=BODIES.keys())
def test_whole_and_with_the_next_request_behind(raw: bytes, body: bytes) -> None:
    """What follows the message comes back untouched."""
    assert feed([raw]) == (body, b"")
    assert feed([raw + NEXT]) == (body, NEXT)


@pytest.mark.parametrize(("raw", "body"), BODIES.values(), ids=BODIES.keys())
def test_byte_by_byte(raw: bytes, body: bytes) -> None:
    """Every boundary falls between two reads."""
    assert feed([bytes((byte,)) for byte in raw + NEXT]) == (body, NEXT)


@pytest.mark.parametrize(("raw", "body"), list(BODIES.values())[:-1], ids=list(BODIES.keys())[:-1])
def test_cut_anywhere(raw: bytes, body: bytes) -> None:
    """An end that is split over two reads is found wherever the cut falls."""
    stream = raw + NEXT
    for at in range(1, len(stream)):
        assert feed([stream[:at], stream[at:]]) == (body, NEXT), at


@pytest.mark.parametrize(
    "raw",
    [
        b"x\r\n",
        b"-1\r\n",
        b"0x3\r\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"fffffffffffffffff\r\n",
        b"3\r\nabcd\r\n",
        b"3\nabc\n0\n\n",
        b"3\r\nabc0\r\n\r\n",
        b"0\r\nA : b\r\n\r\n",
        b"0\r\nA: b\0\r\n\r\n",
        b"0\r\nA: b\r\n c\r\n\r\n",
        b"0\r\nContent-Length: 5\r\n\r\n",
        b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_malformed_chunks_and_trailers_are_refused(raw: bytes) -> None:
    """A body whose end is in doubt ends the connection."""
    with pytest.raises(RemoteProtocolError) as caught:
        ChunkedDecoder(1000).receive(raw)
    assert caught.value.fault is Fault.INVALID_BODY


@pytest.mark.parametrize(
    "raw", [b"0\r\n" + b"A: b\r\n" * 300, b"3;" + b"x" * 1100, (b"1;" + b"x" * 100 + b"\r\na\r\n") * 20]
)
def test_endless_trailers_and_extensions_are_refused(raw: bytes) -> None:
    """A client that only ever frames and never sends must not keep a connection busy for ever."""
    with pytest.raises(RemoteProtocolError) as caught:
        ChunkedDecoder(1000).receive(raw)
    assert caught.value.fault is Fault.HEAD_TOO_LONG


def test_what_a_body_costs_does_not_depend_on_what_is_in_it() -> None:
    """Line ends in the data were looked at one by one, and each copied all that was behind it: some megabytes of them
    kept the listener busy for hours, and this test, too."""
    data = b"\r\n" * (16 * 1024 * 1024)
    decoder = ChunkedDecoder(1000)
    body, rest = decoder.receive(b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n" + NEXT)
    assert (decoder.is_complete, len(body), rest) == (True, len(data), NEXT)


@pytest.mark.parametrize("zeros", [40, 400])
def test_a_size_that_can_be_read_in_two_ways_is_refused(zeros: int) -> None:
    """Of so many zeros the search for the end sees no digit behind them; the parser does."""
    raw = b"0" * zeros + b"6\r\nab\r\n\r\n\r\n0\r\n\r\n"
    with pytest.raises(RemoteProtocolError) as caught:
        ChunkedDecoder(10_000).receive(raw + NEXT)
    assert caught.value.fault is Fault.INVALID_BODY
