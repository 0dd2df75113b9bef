"""Flame graphs: boxes as wide as what they stand for."""

from __future__ import annotations

from collections import Counter

from lxml import etree

from bench.flame_picture import WIDTH, draw
from bench.flame_stacks import Stacks

_SVG = "{http://www.w3.org/2000/svg}"


def boxes(picture: str) -> dict[str, tuple[float, float, float]]:
    """(left, top, width) of each, by what a pointer shows."""
    found = {}
    for group in etree.fromstring(picture.encode()).iter(f"{_SVG}g"):
        title, rectangle, *_ = group
        left, top, width = (float(rectangle.attrib[name]) for name in ("x", "y", "width"))
        found[title.text or ""] = left, top, width
    return found


def test_a_box_is_as_wide_as_its_share_and_stands_on_its_caller() -> None:
    """By name from left to right; what is the same in two stacks is one box, and an angle is no markup."""
    picture = draw(
        Counter({("loop", "b"): 30, ("loop", "a <x>", "c"): 20, ("loop", "a <x>"): 40, ("logs",): 10}), "T & U"
    )
    found = boxes(picture)
    assert list(found) == ["logs: 10.0%", "loop: 90.0%", "a <x>: 60.0%", "c: 20.0%", "b: 30.0%"]
    (logs, logs_top, width), (loop, loop_top, _), (a, a_top, a_width), (c, c_top, _), (b, _, _) = found.values()
    assert (logs, loop, a, c, b) == (0, WIDTH * 0.1, WIDTH * 0.1, WIDTH * 0.1, WIDTH * 0.7)
    assert logs_top == loop_top > a_top > c_top
    assert abs(width - WIDTH * 0.1) < 1 > abs(a_width - WIDTH * 0.6)
    assert "T &amp; U" in picture
    assert "100 samples" in picture


def test_what_is_narrower_than_a_pixel_is_left_out_and_words_are_cut_to_their_box() -> None:
    """The picture stays small however many stacks there were; a pointer shows the whole name."""
    stacks: Stacks = Counter({("loop", f"rare {number}"): 1 for number in range(3000)})
    stacks[("loop", "Relay.submit_a_request (listener/relay.py)")] = 120
    picture = draw(stacks, "many")
    assert list(boxes(picture)) == ["loop: 100.0%", "Relay.submit_a_request (listener/relay.py): 3.8%"]
    assert ">Relay…<" in picture
    assert len(picture) < 2000
