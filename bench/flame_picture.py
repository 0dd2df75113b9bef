"""Stacks as a flame graph: an SVG without scripts, which a browser and a code host show as it is. Pure.

A box is as wide as its share of the samples, and stands on the one that called it. Boxes of one line are in the order
of their names, so that two pictures can be laid beside one another; what is narrower than a pixel is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Final

from bench.flame_stacks import Stacks

WIDTH: Final = 1200
_ROW: Final = 18
_CHARACTER: Final = 6.4  # of the font, in pixels
_LEAST: Final = 1.0  # pixels of a box
_TOP: Final = 44
_COLOURS: Final = (
    ("kernel", "#c9c9c9"),
    ("uvloop", "#9dbbe0"),
    ("the interpreter", "#e6b8d0"),
    ("wire/", "#f2b880"),
    ("worker_link", "#f2b880"),
    ("worker_frames", "#f2b880"),
    ("request_frames", "#f2b880"),
    ("http1/", "#f6d97a"),
    ("logs/", "#b8d8a0"),
    ("request_record", "#b8d8a0"),
    ("extensions/", "#d8c0ee"),
    ("filters/", "#d8c0ee"),
)
"""The first that a box's name contains; anything else is isapy's own, `_OTHER`."""

_OTHER: Final = "#f09a7e"


@dataclass(slots=True)
class _Box:
    """A function, called in this way; `count` samples, those of what it called included."""

    count: int = 0
    above: dict[str, _Box] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Placed:
    name: str
    count: int
    left: float
    width: float
    level: int


def draw(stacks: Stacks, title: str) -> str:
    """The picture. `stacks` must not be empty."""
    root = _Box()
    for frames, count in stacks.items():
        root.count += count
        box = root
        for name in frames:
            box = box.above.setdefault(name, _Box())
            box.count += count
    placed = list(_place(root, 0.0, WIDTH / root.count, 0))
    height = _TOP + _ROW * (1 + max(one.level for one in placed))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="6" y="18" font-size="13">{escape(title)}</text>',
        f'<text x="6" y="34">{root.count} samples; {_legend()}</text>',
        *(_drawn(one, height, root.count) for one in placed),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _place(box: _Box, left: float, scale: float, level: int) -> Iterator[_Placed]:
    for name, above in sorted(box.above.items()):
        width = above.count * scale
        if width >= _LEAST:
            yield _Placed(name, above.count, left, width, level)
            yield from _place(above, left, scale, level + 1)
        left += width


def _drawn(box: _Placed, height: int, total: int) -> str:
    top = height - _ROW * (box.level + 1)
    share = f"{box.count / total:.1%}"
    room = int((box.width - 4) / _CHARACTER)
    words = box.name if len(box.name) <= room else box.name.partition(" (")[0]
    shown = words if len(words) <= room else words[: room - 1] + "…" if room > 3 else ""
    text = f'<text x="{box.left + 2:.1f}" y="{top + 12}">{escape(shown)}</text>' if shown else ""
    return (
        f"<g><title>{escape(box.name)}: {share}</title>"
        f'<rect x="{box.left:.1f}" y="{top}" width="{max(box.width - 0.4, 0.4):.1f}" height="{_ROW - 1}" '
        f'fill="{_colour(box.name)}"/>{text}</g>'
    )


def _colour(name: str) -> str:
    return next((colour for word, colour in _COLOURS if word in name), _OTHER)


def _legend() -> str:
    return (
        "grey: the kernel, blue: uvloop, orange: frames between listener and worker, yellow: HTTP, green: logs, "
        "violet: plugins, red: everything else of isapy"
    )
