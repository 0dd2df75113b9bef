"""Tables for terminals of any width."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from types import SimpleNamespace

import pytest
from rich.console import Console

from host.cli.table import Column, fitted

COLUMNS = (
    Column("PID", attrgetter("pid"), True),
    Column("NAME", attrgetter("name")),
    Column("SPACE", attrgetter("space"), True, left_out=1),
    Column("WHY", attrgetter("why"), folds=True, left_out=3),
    Column("CPU", attrgetter("cpu"), True, left_out=2),
)
ROW = SimpleNamespace(
    pid=4711, name="DefaultAppPool#1", space="223.5 MB", cpu="1.5 s", why="plugin files changed: a.py"
)


def lines(width: int, rows: Sequence[object] = (ROW,)) -> tuple[list[str], list[str]]:
    """What a terminal of that width shows, and what it has no room for."""
    found = fitted(COLUMNS, rows, width)
    console = Console(width=max(found.width, width), highlight=False)
    with console.capture() as captured:
        console.print(found.table)
    return [line.rstrip() for line in captured.get().splitlines()], found.left_out


def test_all_is_in_one_line_where_there_is_room() -> None:
    """With wide gaps."""
    shown, left_out = lines(80)
    assert shown == [
        " PID   NAME                  SPACE   WHY                            CPU",
        "4711   DefaultAppPool#1   223.5 MB   plugin files changed: a.py   1.5 s",
    ]
    assert left_out == []


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(73, []), (67, []), (66, ["SPACE"]), (57, ["SPACE"]), (56, ["SPACE", "CPU"]), (50, ["SPACE", "CPU"])],
)
def test_long_texts_go_on_in_further_lines_before_columns_are_left_out(width: int, left_out: list[str]) -> None:
    """And columns in their order."""
    shown, found = lines(width)
    assert found == left_out
    assert all(len(line) <= width for line in shown)
    assert "plugin files changed:" in "".join(shown)
    assert "a.py" in "".join(shown)


def test_what_goes_last_makes_room_for_what_went_before() -> None:
    """A wide column's room is used."""
    assert lines(49)[1] == ["WHY"]
    assert lines(49)[0][1] == "4711  DefaultAppPool#1  223.5 MB  1.5 s"


def test_names_are_never_broken() -> None:
    """Where not even they have room, the terminal goes on in its next line."""
    shown, left_out = lines(10)
    assert shown == [" PID  NAME", "4711  DefaultAppPool#1"]
    assert left_out == ["SPACE", "WHY", "CPU"]


def test_a_value_cannot_command_the_terminal() -> None:
    """What a client or a file put into it."""
    shown, _ = lines(80, [SimpleNamespace(**{**vars(ROW), "name": "a\x1b[31m\n[red]b"})])
    assert "a\ufffd[31m\ufffd[red]b" in shown[1]
