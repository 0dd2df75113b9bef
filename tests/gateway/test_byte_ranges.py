"""RFC 9110 section 14: what a Range field asks for."""

from __future__ import annotations

import pytest

from host.gateway.byte_ranges import MAX_RANGES, ByteRange, Unsatisfiable, parse_ranges


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=10-", [(10, 90)]),
        ("bytes=-1", [(99, 1)]),
        ("bytes=-500", [(0, 100)]),
        ("bytes=90-200", [(90, 10)]),
        ("BYTES = 1-2", [(1, 2)]),
        ("bytes=0-1, 4-5 ,,-2", [(0, 2), (4, 2), (98, 2)]),
        ("bytes=50-51,0-1", [(50, 2), (0, 2)]),  # the client's order
        ("bytes=0-1,500-", [(0, 2)]),  # what exists is sent
    ],
)
def test_satisfiable_ranges_are_clipped_to_the_representation(value: str, ranges: list[tuple[int, int]]) -> None:
    """Of 100 bytes."""
    assert parse_ranges(value, 100) == [ByteRange(*piece) for piece in ranges]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-4",
        "bytes=0-1,x",
        "bytes=+1-2",
        "bytes=\u0661-\u0662",
        "lines=0-1",
        "bytes=" + "9" * 5000 + "-",
        "bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)),
        "bytes=0-,0-",
        "bytes=0-60,40-99",
    ],
)
def test_malformed_and_greedy_fields_are_ignored(value: str) -> None:
    """The answer is then 200 with everything, once."""
    assert parse_ranges(value, 100) is None


@pytest.mark.parametrize(("value", "size"), [("bytes=100-", 100), ("bytes=-0", 100), ("bytes=0-", 0)])
def test_ranges_beyond_the_end_are_unsatisfiable(value: str, size: int) -> None:
    """416."""
    with pytest.raises(Unsatisfiable):
        parse_ranges(value, size)


def test_the_end_of_nothing_is_nothing() -> None:
    """A suffix of an empty file is the empty file, which no Content-Range can express."""
    assert parse_ranges("bytes=-5", 0) is None


def test_content_range_counts_inclusively() -> None:
    """RFC 9110 section 14.4."""
    assert ByteRange(10, 5).content_range(100) == "bytes 10-14/100"
