"""Texts that come again."""

from __future__ import annotations

import pytest

from host.remembered import Remembered, length_of_both


def test_what_comes_again_is_made_once() -> None:
    """Each text is made when it first comes."""
    made: list[str] = []

    def upper(text: str) -> str:
        made.append(text)
        return text.upper()

    texts = Remembered(upper, most=8, longest=8)
    assert [texts[text] for text in ("a", "b", "a", "b")] == ["A", "B", "A", "B"]
    assert made == ["a", "b"]


def test_no_more_is_kept_than_was_said() -> None:
    """However many different texts come."""
    texts = Remembered(str.upper, most=3, longest=8)
    assert [texts[text] for text in "abcdefg"] == list("ABCDEFG")
    assert len(texts) <= 3


def test_a_long_text_is_not_kept() -> None:
    """It is made each time."""
    texts = Remembered(str.upper, most=3, longest=4)
    assert (texts["abcde"], texts["abcd"]) == ("ABCDE", "ABCD")
    assert list(texts) == ["abcd"]


def test_a_pair_is_as_long_as_both_of_its_texts() -> None:
    """Names with values are remembered by both."""
    fields = Remembered[tuple[str, str], str](": ".join, most=3, longest=4, measure=length_of_both)
    assert (fields["a", "bcd"], fields["ab", "cde"]) == ("a: bcd", "ab: cde")
    assert list(fields) == [("a", "bcd")]


def test_what_cannot_be_made_is_tried_each_time() -> None:
    """Nothing is kept of it."""
    numbers = Remembered[str, int](int, most=3, longest=4)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            numbers["a"]
    assert not numbers
