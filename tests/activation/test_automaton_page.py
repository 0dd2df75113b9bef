"""The pictures of the automata in docs/architecture.md are those of the tables."""

from __future__ import annotations

from host.activation.pool_transitions import PoolEvent, PoolState
from tests.activation.automaton_page import PAGE, picture, rows, with_sections


def test_the_page_shows_the_tables() -> None:
    """`python -m tests.activation.automaton_page` draws them anew."""
    page = PAGE.read_text()
    assert with_sections(page) == page


def test_a_picture_has_an_arrow_for_every_change_of_state_and_a_row_for_every_cell_that_does_something() -> None:
    """What changes nothing and does nothing is not shown."""
    table = {
        (PoolState.STOPPED, PoolEvent.START): (PoolState.STARTING, ()),
        (PoolState.STOPPED, PoolEvent.STOP): (PoolState.STOPPED, ()),
        (PoolState.STARTING, PoolEvent.PARENT_READY): (PoolState.STARTED, ()),
    }
    drawn = picture(table, PoolState.STOPPED).splitlines()
    assert drawn[1:-1] == [
        "stateDiagram-v2",
        "    [*] --> Stopped",
        "    Stopped --> Starting : start",
        "    Starting --> Started : parent ready",
    ]
    assert rows(table).splitlines()[2:] == [
        "| Stopped | start | Starting |  |",
        "| Starting | parent ready | Started |  |",
    ]
