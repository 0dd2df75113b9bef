"""A request as frames for a worker."""

from __future__ import annotations

from collections.abc import Callable

from host.wire.frames import INITIAL_BODY_WINDOW, Kind, RequestFlag
from tests.listener.running_listener import RunningListener

Start = Callable[..., RunningListener]


def test_the_frame_names_connection_application_and_head(front: RunningListener) -> None:
    """As the client sent it."""
    worker, client = front.worker(), front.client()
    client.get("/shopping?q", extra="X-A:  b\r\n")
    number, frame = worker.request()
    remote, remote_port, local, local_port, connection = frame.connection.split(b"\0")
    assert (remote, local, int(local_port)) == (b"127.0.0.1", b"127.0.0.1", front.port)
    assert int(remote_port) == client.socket.getsockname()[1]
    assert int(connection) > 0
    assert (frame.application, frame.method, frame.target) == (b"1:/", b"GET", b"/shopping?q")
    assert frame.fields == b"Host: 127.0.0.1\r\nX-A:  b\r\n"
    assert frame.flags == RequestFlag.HTTP_1_1 | RequestFlag.KEEP_ALIVE
    assert number > 0


def test_a_body_that_is_here_goes_with_the_head(front: RunningListener) -> None:
    """No further frame follows."""
    worker, client = front.worker(), front.client()
    client.post(b"abc")
    number, frame = worker.request()
    assert frame.flags & RequestFlag.HAS_BODY
    assert frame.flags & RequestFlag.BODY_COMPLETE
    assert (frame.body, frame.content_length) == (b"abc", 3)
    worker.answer(number)
    client.read_response()
    assert worker.has_nothing_to_do()


def test_an_empty_body_is_none(front: RunningListener) -> None:
    """Content-Length: 0."""
    worker, client = front.worker(), front.client()
    client.post(b"")
    _, frame = worker.request()
    assert not frame.flags & RequestFlag.HAS_BODY
    assert frame.content_length == 0


def test_a_chunked_body_comes_decoded_with_its_end(front: RunningListener) -> None:
    """Its length is not known before."""
    worker, client = front.worker(), front.client()
    client.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
    number, frame = worker.request()
    assert frame.content_length == -1
    assert not frame.flags & RequestFlag.BODY_COMPLETE
    client.send(b"3\r\nabc\r\n")
    assert worker.take(Kind.BODY) == (number, b"abc")
    client.send(b"0\r\nTrailer: dropped\r\n\r\n")
    assert worker.take(Kind.BODY_END) == (number, b"")


def test_nothing_but_the_window_is_sent_unasked(front: RunningListener) -> None:
    """REQUEST and BODY together."""
    worker, client = front.worker(), front.client()
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(head + b"%x\r\n" % 300_000 + b"x" * 300_000)
    number, frame = worker.request()
    got = len(frame.body)
    while got < INITIAL_BODY_WINDOW:
        got += len(worker.take(Kind.BODY)[1])
    worker.grant_body(number, 1)
    assert worker.take(Kind.BODY) == (number, b"x")
    assert got == INITIAL_BODY_WINDOW
