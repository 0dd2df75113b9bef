"""The legal order of frames about one request; the table is the automaton.

The front holds one state per request it has handed out and asks the table about every frame of the worker; a frame
that is not in the table breaks the dialogue and costs the worker its link. Flow control is counted beside it: bytes
of DATA, FILE and PIPE against the response window, bytes of BODY against the body window (`FlowWindow`).
"""

from __future__ import annotations

import enum
from typing import Final

from host.wire.errors import WireError
from host.wire.frames import Kind


class RequestState(enum.Enum):
    """Where a request stands, as the front sees it."""

    SENT = "sent"  # REQUEST is on the wire; nothing came back
    STARTED = "started"  # the worker may have acted on it
    RESPONDING = "responding"  # the head is here, the body is coming
    DONE = "done"


ON_WORKER_FRAME: Final[dict[tuple[RequestState, Kind], RequestState]] = {
    (RequestState.SENT, Kind.STARTED): RequestState.STARTED,
    (RequestState.SENT, Kind.BODY_WINDOW): RequestState.SENT,
    (RequestState.SENT, Kind.BODY_HOLD): RequestState.SENT,
    (RequestState.SENT, Kind.LOG): RequestState.SENT,
    (RequestState.SENT, Kind.CACHE): RequestState.SENT,
    (RequestState.SENT, Kind.RESPONSE): RequestState.RESPONDING,
    (RequestState.SENT, Kind.RESET): RequestState.DONE,
    (RequestState.STARTED, Kind.BODY_WINDOW): RequestState.STARTED,
    (RequestState.STARTED, Kind.BODY_HOLD): RequestState.STARTED,
    (RequestState.STARTED, Kind.LOG): RequestState.STARTED,
    (RequestState.STARTED, Kind.CACHE): RequestState.STARTED,
    (RequestState.STARTED, Kind.RESPONSE): RequestState.RESPONDING,
    (RequestState.STARTED, Kind.RESET): RequestState.DONE,
    (RequestState.RESPONDING, Kind.BODY_WINDOW): RequestState.RESPONDING,
    (RequestState.RESPONDING, Kind.BODY_HOLD): RequestState.RESPONDING,
    (RequestState.RESPONDING, Kind.LOG): RequestState.RESPONDING,
    (RequestState.RESPONDING, Kind.DATA): RequestState.RESPONDING,
    (RequestState.RESPONDING, Kind.FILE): RequestState.RESPONDING,
    (RequestState.RESPONDING, Kind.PIPE): RequestState.RESPONDING,
    (RequestState.RESPONDING, Kind.END): RequestState.DONE,
    (RequestState.RESPONDING, Kind.RESET): RequestState.DONE,
}
"""A RESPONSE that is COMPLETE leads to DONE at once; the caller knows by its flag."""


def next_state(state: RequestState, kind: Kind) -> RequestState:
    """The state after the worker's frame. Raises WireError when the frame is not legal there."""
    try:
        return ON_WORKER_FRAME[state, kind]
    except KeyError:
        raise WireError(f"{kind.name} is not legal for a request that is {state.value}") from None


class FlowWindow:
    """Bytes that may still be sent in one direction of one request."""

    __slots__ = ("left",)

    def __init__(self, initial_bytes: int) -> None:
        self.left = initial_bytes

    def spend(self, count: int) -> None:
        """`count` bytes arrived. Raises WireError when the peer sent more than it was granted."""
        self.left -= count
        if self.left < 0:
            raise WireError(f"the peer sent {-self.left} bytes more than its window")

    def grant(self, count: int) -> None:
        """The reader has consumed `count` bytes: as many may follow."""
        self.left += count
