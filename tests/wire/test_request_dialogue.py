"""The legal order of a worker's frames: every cell of the table; and windows."""

from __future__ import annotations

import pytest

from host.wire.errors import WireError
from host.wire.frames import Kind
from host.wire.request_dialogue import ON_WORKER_FRAME, FlowWindow, RequestState, next_state

S = RequestState
LEGAL = {
    S.SENT: {
        Kind.STARTED: S.STARTED,
        Kind.BODY_WINDOW: S.SENT,
        Kind.BODY_HOLD: S.SENT,
        Kind.LOG: S.SENT,
        Kind.CACHE: S.SENT,
        Kind.RESPONSE: S.RESPONDING,
        Kind.RESET: S.DONE,
    },
    S.STARTED: {
        Kind.BODY_WINDOW: S.STARTED,
        Kind.BODY_HOLD: S.STARTED,
        Kind.LOG: S.STARTED,
        Kind.CACHE: S.STARTED,
        Kind.RESPONSE: S.RESPONDING,
        Kind.RESET: S.DONE,
    },
    S.RESPONDING: {
        Kind.BODY_WINDOW: S.RESPONDING,
        Kind.BODY_HOLD: S.RESPONDING,
        Kind.LOG: S.RESPONDING,
        Kind.DATA: S.RESPONDING,
        Kind.FILE: S.RESPONDING,
        Kind.PIPE: S.RESPONDING,
        Kind.END: S.DONE,
        Kind.RESET: S.DONE,
    },
    S.DONE: {},
}


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("state", RequestState)
def test_every_cell_of_the_table(state: RequestState, kind: Kind) -> None:
    """Legal frames lead on, all others break the dialogue."""
    expected = LEGAL[state].get(kind)
    if expected is not None:
        assert next_state(state, kind) is expected
        return
    with pytest.raises(WireError, match=f"{kind.name} is not legal"):
        next_state(state, kind)


def test_the_table_holds_nothing_else() -> None:
    """As many entries as legal cells."""
    assert len(ON_WORKER_FRAME) == sum(map(len, LEGAL.values()))


def test_nothing_is_legal_after_the_end() -> None:
    """DONE is final, and every state can reach it."""
    assert not [cell for cell in ON_WORKER_FRAME if cell[0] is S.DONE]
    assert {state for state, kind in ON_WORKER_FRAME if kind is Kind.RESET} == set(S) - {S.DONE}


def test_a_window_is_spent_and_granted() -> None:
    """To the last byte and not one more."""
    window = FlowWindow(10)
    window.spend(10)
    window.grant(5)
    window.spend(5)
    with pytest.raises(WireError, match="1 bytes more"):
        window.spend(1)
