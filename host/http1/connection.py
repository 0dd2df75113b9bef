"""The legal order on one server connection, as a table, and the decisions that hang on it.

One request at a time: client and server share one phase.

                       request with a body                    request without
    IDLE ---------------------------------> RECEIVING      IDLE ------------> RECEIVED
    RECEIVING  -- end of body -> RECEIVED; -- response begins -> ANSWERING_EARLY
    RECEIVED   -- response begins -> ANSWERING -- response ends -> DONE -- next -> IDLE
    ANSWERING_EARLY -- end of body -> ANSWERING; -- response ends -> ANSWERED_EARLY -- end of body -> DONE

CLOSE leads to CLOSED from everywhere. What is not in the table is a defect of ours (LocalProtocolError).

A connection is kept when the request allows it (RFC 9112 9.3), the worker does not object, the response's end can be
seen, and what is left of the request's body is short enough to be read and dropped.
"""

from __future__ import annotations

import enum
from typing import Final

from host.http1.errors import LocalProtocolError
from host.http1.policy import HeadPolicy
from host.http1.reader import Event, RequestReader, Signal
from host.http1.request_head import RequestHead

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
MAX_DISCARDED_BODY: Final = 1024 * 1024  # an unread body up to this size is read and dropped to keep the connection


class Phase(enum.IntEnum):
    """Where the connection stands."""

    IDLE = 0
    RECEIVING = 1
    RECEIVED = 2
    ANSWERING_EARLY = 3
    ANSWERING = 4
    ANSWERED_EARLY = 5
    DONE = 6
    CLOSED = 7


class Step(enum.IntEnum):
    """What happens to it."""

    HEAD_WITH_BODY = 0
    HEAD = 1
    BODY_END = 2
    RESPONSE_BEGIN = 3
    RESPONSE_END = 4
    NEXT = 5
    CLOSE = 6


class Transitions(dict[Phase, Phase]):
    """Phase before one step to phase after it."""

    def __init__(self, step: Step, legal: dict[Phase, Phase]) -> None:
        super().__init__(legal)
        self.step: Final = step

    def __missing__(self, phase: Phase) -> Phase:
        raise LocalProtocolError(f"{self.step.name} is not legal while {phase.name}")


TABLE: Final[dict[Step, Transitions]] = {
    step: Transitions(step, legal)
    for step, legal in (
        (Step.HEAD_WITH_BODY, {Phase.IDLE: Phase.RECEIVING}),
        (Step.HEAD, {Phase.IDLE: Phase.RECEIVED}),
        (
            Step.BODY_END,
            {
                Phase.RECEIVING: Phase.RECEIVED,
                Phase.ANSWERING_EARLY: Phase.ANSWERING,
                Phase.ANSWERED_EARLY: Phase.DONE,
            },
        ),
        (Step.RESPONSE_BEGIN, {Phase.RECEIVING: Phase.ANSWERING_EARLY, Phase.RECEIVED: Phase.ANSWERING}),
        (Step.RESPONSE_END, {Phase.ANSWERING_EARLY: Phase.ANSWERED_EARLY, Phase.ANSWERING: Phase.DONE}),
        (Step.NEXT, {Phase.DONE: Phase.IDLE}),
        (Step.CLOSE, dict.fromkeys(Phase, Phase.CLOSED)),
    )
}
"""Every legal step; a test walks all cells."""

# One look-up a step: the hot path takes four of them per request.
_ON_HEAD_WITH_BODY: Final = TABLE[Step.HEAD_WITH_BODY]
_ON_HEAD: Final = TABLE[Step.HEAD]
_ON_BODY_END: Final = TABLE[Step.BODY_END]
_ON_RESPONSE_BEGIN: Final = TABLE[Step.RESPONSE_BEGIN]
_ON_RESPONSE_END: Final = TABLE[Step.RESPONSE_END]
_ON_NEXT: Final = TABLE[Step.NEXT]
_ON_CLOSE: Final = TABLE[Step.CLOSE]
_IDLE: Final = Phase.IDLE
_RECEIVING: Final = Phase.RECEIVING
_RECEIVED: Final = Phase.RECEIVED
_DONE: Final = Phase.DONE
_BODY_END: Final = Signal.BODY_END


class ServerConnection:
    """One client connection without its socket: the reader, the phase, the keep-alive decision."""

    __slots__ = ("_awaits_continue", "keep_alive", "phase", "reader", "request")

    def __init__(self, policy: HeadPolicy) -> None:
        self.reader = RequestReader(policy)
        self.phase = Phase.IDLE
        self.keep_alive = True
        self.request: RequestHead | None = None
        self._awaits_continue = False

    def next_event(self) -> Event:
        """The reader's next event, noted. Raises RemoteProtocolError."""
        event = self.reader.next_event()
        if event.__class__ is RequestHead:
            self.request = event
            self.keep_alive = event.keep_alive
            self._awaits_continue = event.expects_continue
            self.phase = (_ON_HEAD if event.content_length == 0 else _ON_HEAD_WITH_BODY)[self.phase]
        elif event is _BODY_END:
            self.phase = _ON_BODY_END[self.phase]
        elif self._awaits_continue and event.__class__ is bytes:
            self._awaits_continue = False  # the client went on without being asked
        return event

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing of a request has come, and no answer is under way."""
        return self.phase is _IDLE and not self.reader.buffered_bytes

    def read_usual(self, data: bytes) -> RequestHead | None:
        """The same for a request that `data` holds whole and that is like the one before it: see the reader's method.
        None: nothing was taken."""
        if self.phase is not _IDLE:
            return None
        head = self.reader.read_usual(data)
        if head is not None:  # without a body: what `next_event` would note
            self.request = head
            self.keep_alive = head.keep_alive
            self._awaits_continue = False
            self.phase = _RECEIVED
        return head

    @property
    def awaits_continue(self) -> bool:
        """Whether the client waits for the 100 response before it sends the body."""
        return self._awaits_continue

    def ask_for_body(self) -> bytes:
        """Bytes to send because the handler wants the body: the 100 response, once, if the client waits for it."""
        if not self._awaits_continue or self.phase is not _RECEIVING:
            return b""
        self._awaits_continue = False
        return CONTINUE

    def begin_response(self, wants_close: bool = False) -> bool:
        """The final response begins; whether the connection may be kept after it (decides its Connection field)."""
        if wants_close:
            self.keep_alive = False
        # A client that was never told to continue may or may not send its body: nothing after it can be trusted.
        if self.phase is _RECEIVING and (self._awaits_continue or not self._can_discard_body()):
            self.keep_alive = False
        self.phase = _ON_RESPONSE_BEGIN[self.phase]
        return self.keep_alive

    def answer(self, wants_close: bool = False) -> bool:
        """`begin_response` and `end_response` of a response that goes out whole; whether the connection may be kept."""
        if self.phase is not _RECEIVED:
            self.begin_response(wants_close)
            self.end_response()
            return self.keep_alive
        if wants_close:
            self.keep_alive = False
        self.phase = _DONE
        return self.keep_alive

    def end_response(self) -> Phase:
        """The response is complete: DONE (then `start_next`), or ANSWERED_EARLY while the body is still coming."""
        self.phase = _ON_RESPONSE_END[self.phase]
        return self.phase

    def start_next(self) -> bool:
        """Ready for the next request; whether bytes of it are here."""
        self.phase = _ON_NEXT[self.phase]
        self.request = None
        return self.reader.start_next()

    def close(self) -> None:
        """The connection is at its end."""
        self.phase = _ON_CLOSE[self.phase]
        self.keep_alive = False

    def _can_discard_body(self) -> bool:
        return 0 <= self.reader.remaining_bytes <= MAX_DISCARDED_BODY
