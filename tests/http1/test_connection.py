"""The order on one connection: every cell of the table, and the decisions that hang on it."""

from __future__ import annotations

import pytest

from host.http1.connection import CONTINUE, MAX_DISCARDED_BODY, TABLE, Phase, ServerConnection, Step
from host.http1.errors import LocalProtocolError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.reader import Signal
from host.http1.request_head import RequestHead

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def connection(raw: bytes) -> ServerConnection:
    it = ServerConnection(HeadPolicy(Limits()))
    it.reader.receive(raw)
    assert isinstance(it.next_event(), RequestHead)
    return it


def post(length: int, body: bytes = b"", extra: bytes = b"") -> bytes:
    return b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b" % (length, extra, body)


LEGAL = {
    (Phase.IDLE, Step.HEAD_WITH_BODY): Phase.RECEIVING,
    (Phase.IDLE, Step.HEAD): Phase.RECEIVED,
    (Phase.RECEIVING, Step.BODY_END): Phase.RECEIVED,
    (Phase.RECEIVING, Step.RESPONSE_BEGIN): Phase.ANSWERING_EARLY,
    (Phase.RECEIVED, Step.RESPONSE_BEGIN): Phase.ANSWERING,
    (Phase.ANSWERING_EARLY, Step.BODY_END): Phase.ANSWERING,
    (Phase.ANSWERING_EARLY, Step.RESPONSE_END): Phase.ANSWERED_EARLY,
    (Phase.ANSWERING, Step.RESPONSE_END): Phase.DONE,
    (Phase.ANSWERED_EARLY, Step.BODY_END): Phase.DONE,
    (Phase.DONE, Step.NEXT): Phase.IDLE,
} | {(phase, Step.CLOSE): Phase.CLOSED for phase in Phase}


@pytest.mark.parametrize("step", Step)
@pytest.mark.parametrize("phase", Phase)
def test_every_cell_of_the_table(phase: Phase, step: Step) -> None:
    """Legal cells lead where the diagram says; all others are our own error."""
    expected = LEGAL.get((phase, step))
    if expected is not None:
        assert TABLE[step][phase] is expected
        return
    with pytest.raises(LocalProtocolError, match=step.name):
        TABLE[step][phase]


def test_a_request_walks_from_idle_to_idle() -> None:
    """The usual case, twice on one connection."""
    it = connection(GET + GET)
    for _ in range(2):
        assert it.phase is Phase.RECEIVED
        assert it.begin_response()
        assert it.end_response() is Phase.DONE
        it.start_next()
        assert it.request is None
        it.next_event()
    assert it.phase is Phase.IDLE


def test_a_response_can_end_before_the_body_does() -> None:
    """The rest of a short body is read, then the next request."""
    it = connection(post(5, b"he"))
    assert it.begin_response()
    assert it.end_response() is Phase.ANSWERED_EARLY
    assert it.next_event() == b"he"
    it.reader.receive(b"llo")
    assert it.next_event() == b"llo"
    assert it.next_event() is Signal.BODY_END
    assert it.phase is Phase.DONE
    it.start_next()


def test_a_response_can_begin_before_the_body_ends() -> None:
    """A program that writes while it reads."""
    it = connection(post(2))
    it.begin_response()
    it.reader.receive(b"ab")
    it.next_event()
    it.next_event()
    assert it.phase is Phase.ANSWERING
    assert it.end_response() is Phase.DONE


def test_an_unread_body_closes_when_it_is_long_or_chunked() -> None:
    """Reading a gigabyte to save a connection is no saving."""
    assert connection(post(MAX_DISCARDED_BODY)).begin_response()
    assert not connection(post(MAX_DISCARDED_BODY + 1)).begin_response()
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert not connection(chunked).begin_response()


def test_the_worker_can_ask_for_the_close() -> None:
    """ResponseFlag.CLOSE."""
    it = connection(GET)
    assert not it.begin_response(wants_close=True)
    assert not it.keep_alive


def test_continue_is_sent_once_and_only_to_a_client_that_waits() -> None:
    """RFC 9110 10.1.1."""
    it = connection(post(3, extra=b"Expect: 100-continue\r\n"))
    assert it.ask_for_body() == CONTINUE
    assert it.ask_for_body() == b""
    assert connection(post(3)).ask_for_body() == b""


def test_continue_is_not_sent_once_the_body_has_begun() -> None:
    """A client that did not wait needs no permission."""
    it = connection(post(3, b"a", extra=b"Expect: 100-continue\r\n"))
    assert it.next_event() == b"a"
    assert it.ask_for_body() == b""
    assert it.begin_response()


def test_an_answer_without_continue_closes() -> None:
    """The client may or may not send its body now: what follows cannot be told from a request."""
    it = connection(post(3, extra=b"Expect: 100-continue\r\n"))
    assert not it.begin_response()
    assert it.ask_for_body() == b""


def test_a_closed_connection_keeps_nothing() -> None:
    """Close is legal at any time."""
    it = connection(GET)
    it.close()
    assert it.phase is Phase.CLOSED
    assert not it.keep_alive
    it.close()


def test_a_usual_request_is_noted_like_any_other() -> None:
    """The second request of its kind: the phase and what may be kept follow it."""
    it = ServerConnection(HeadPolicy(Limits()))
    raw_head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    it.reader.receive(raw_head)
    it.next_event()
    assert it.read_usual(raw_head) is None
    assert it.answer()
    assert it.phase is Phase.DONE
    assert not it.start_next()
    head = it.read_usual(raw_head)
    assert (it.phase, it.request, it.keep_alive) == (Phase.RECEIVED, head, True)
    assert head is not None


def test_a_whole_answer_is_both_steps_at_once() -> None:
    """The worker can ask for the close; before the body's end it is an early answer."""
    it = ServerConnection(HeadPolicy(Limits()))
    it.reader.receive(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    it.next_event()
    assert not it.answer(True)
    assert it.phase is Phase.DONE
    it = ServerConnection(HeadPolicy(Limits()))
    it.reader.receive(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
    it.next_event()
    assert it.answer()
    assert it.phase is Phase.ANSWERED_EARLY
    with pytest.raises(LocalProtocolError):
        it.answer()
