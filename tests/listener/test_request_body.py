"""A request's body under the worker's window."""

from __future__ import annotations

import pytest

from host.listener.request_body import BACKLOG, KEPT_FOR_REPLAY, LARGE, READ_AHEAD, RequestBody
from host.wire.frames import BODY_GRANT_STEP, INITIAL_BODY_WINDOW


def test_bytes_pass_inside_the_window_and_wait_outside_it() -> None:
    """The rest goes when the worker grants more."""
    body = RequestBody()
    body.receive(b"a" * INITIAL_BODY_WINDOW)
    body.receive(b"b" * 10)
    assert len(body.take()) == INITIAL_BODY_WINDOW
    assert body.take() == b""
    body.grant(4)
    assert body.take() == b"bbbb"
    body.grant(100)
    assert body.take() == b"b" * 6


def test_a_backlog_stops_the_reading() -> None:
    """Until the worker has taken it."""
    body = RequestBody()
    body.receive(b"a" * BACKLOG)
    seen = [body.is_backlogged]
    body.receive(b"b")
    seen.append(body.is_backlogged)
    body.take()
    seen.append(body.is_backlogged)
    assert seen == [False, True, False]


@pytest.mark.parametrize(("length", "waits"), [(LARGE, True), (LARGE - 1, False), (-1, False)])
def test_a_large_body_is_read_no_further_than_its_reader_needs_to_begin(length: int, waits: bool) -> None:
    """Until somebody reads it, or nobody will any more. What comes in chunks may be small."""
    body = RequestBody(length)
    body.receive(b"a" * READ_AHEAD)
    seen = [body.is_backlogged]
    body.receive(b"b")
    body.take()
    seen.append(body.is_backlogged)
    body.grant(BODY_GRANT_STEP)
    seen.append(body.is_backlogged)
    assert seen == [False, waits, False]


def test_of_a_large_body_a_worker_gets_no_more_unasked_than_it_needs_to_begin() -> None:
    """The rest waits for its first grant, and then for the window."""
    body = RequestBody(LARGE)
    body.receive(b"a" * (READ_AHEAD - 1))
    body.receive(b"b" * (READ_AHEAD + 1))
    assert [len(body.take()), body.take()] == [READ_AHEAD, b""]
    body.grant(BODY_GRANT_STEP)
    assert body.take() == b"b" * READ_AHEAD


def test_what_waits_for_a_pipe_is_sent_no_more() -> None:
    """It is written there. Without that way it is sent before the worker hears that the rest is held."""
    body = RequestBody(LARGE)
    body.receive(b"a" * READ_AHEAD + b"b")
    body.take()
    assert [body.hold(for_pipe=True), body.take(), body.is_at_hand] == [b"b", b"", False]
    body = RequestBody(LARGE)
    body.receive(b"a" * READ_AHEAD + b"b")
    body.take()
    assert [body.hold(for_pipe=False), body.take()] == [b"", b"b"]


def test_a_large_body_is_read_on_once_the_response_has_begun() -> None:
    """Whoever was stopped by nothing else may go on now, and once."""
    body = RequestBody(LARGE)
    body.receive(b"a" * (READ_AHEAD + 1))
    body.take()
    assert [body.forget(), body.is_backlogged, body.forget()] == [True, False, False]


def test_a_large_body_that_nobody_will_read_is_read_on() -> None:
    """It is dropped."""
    body = RequestBody(LARGE)
    body.receive(b"a" * (READ_AHEAD + 1))
    body.take()
    body.drop_rest()
    assert not body.is_backlogged


def test_the_end_is_reached_when_all_is_complete_and_sent() -> None:
    """Complete is the client's word, sent is ours."""
    body = RequestBody()
    body.receive(b"abc")
    body.is_complete = True
    seen = [body.is_all_sent]
    body.take()
    seen.append(body.is_all_sent)
    assert seen == [False, True]


def test_a_small_body_can_be_sent_again() -> None:
    """With a fresh window, what came meanwhile included."""
    body = RequestBody()
    body.receive(b"abc")
    body.take()
    body.receive(b"def")
    body.is_end_sent = True
    body.rewind()
    assert body.take() == b"abcdef"
    assert not body.is_end_sent


def test_a_large_body_is_not_kept() -> None:
    """64 KiB and no more."""
    body = RequestBody()
    body.receive(b"a" * KEPT_FOR_REPLAY)
    seen = [body.is_at_hand]
    body.receive(b"b")
    seen.append(body.is_at_hand)
    assert seen == [True, False]
    with pytest.raises(ValueError, match="at hand"):
        body.rewind()


def test_nothing_is_kept_once_the_response_has_begun() -> None:
    """Nobody will need it again."""
    body = RequestBody()
    body.receive(b"abc")
    body.forget()
    assert not body.is_at_hand
    body.receive(b"d")
    assert body.take() == b"abcd"
