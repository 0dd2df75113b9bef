"""Rows as a table that a terminal of any width can show.

Names, states and numbers are never broken into pieces. Where the terminal is too narrow for all of it, texts that may
be long go on in further lines, and columns are left out in an order that each table has, the least asked for first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

from rich.table import Table
from rich.text import Text

_LEAST_FOLDED: Final = 24  # of a column that goes on in further lines
_GAP: Final = 3
_NARROW_GAP: Final = 2


class Column(NamedTuple):
    """A column of a table: its heading and how to get its text from a row."""

    heading: str
    text: Callable[[Any], object]
    is_number: bool = False
    folds: bool = False  # a long text goes on in further lines
    left_out: int = 0  # where there is no room: 1 goes first; 0: never


def safe(value: object) -> Text:
    """A value for the terminal: what a client or a file put into it cannot move the cursor or set colours."""
    text = str(value)
    if not text.isprintable():
        text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return Text(text)


class Fitted(NamedTuple):
    """A table, the width that it takes at least, and the headings of the columns that had no room in it."""

    table: Table
    width: int
    left_out: list[str]


def fitted(columns: Sequence[Column], rows: Sequence[Any], width: int) -> Fitted:
    """The table for a terminal of that many characters; where not even names have room, it is wider than that."""
    cells = [[safe(column.text(row)) for row in rows] for column in columns]
    widths = [
        max(len(column.heading), *(cell.cell_len for cell in texts))
        for column, texts in zip(columns, cells, strict=True)
    ]
    gap = _GAP if _width(range(len(columns)), widths, _GAP) <= width else _NARROW_GAP
    least = [
        min(widths[place], _LEAST_FOLDED) if column.folds else widths[place] for place, column in enumerate(columns)
    ]
    kept = _with_room(columns, least, gap, width)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
    for each in kept:
        justify: Literal["left", "right"] = "right" if columns[each].is_number else "left"
        table.add_column(columns[each].heading, justify=justify, overflow="fold", min_width=least[each])
    for row in zip(*(cells[each] for each in kept), strict=True):
        table.add_row(*row)
    left_out = [column.heading for place, column in enumerate(columns) if place not in kept]
    return Fitted(table, _width(kept, least, gap), left_out)


def _with_room(columns: Sequence[Column], least: Sequence[int], gap: int, width: int) -> list[int]:
    """The places of the columns that are shown, each with its least width."""

    def fits(kept: Sequence[int]) -> bool:
        return _width(kept, least, gap) <= width

    kept = list(range(len(columns)))
    out: list[int] = []
    for each in sorted((each for each in kept if columns[each].left_out), key=lambda each: columns[each].left_out):
        if fits(kept):
            break
        kept.remove(each)
        out.append(each)
    for each in reversed(out):  # a wide one that went later may have made room for a small one
        if fits([*kept, each]):
            kept = sorted([*kept, each])
    return kept


def _width(kept: Sequence[int], widths: Sequence[int], gap: int) -> int:
    """Of these columns with their gaps; rich counts one behind the last."""
    return sum(widths[each] + gap for each in kept)
