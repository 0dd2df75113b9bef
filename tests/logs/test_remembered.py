"""Texts that come again."""

from __future__ import annotations

from host.logs.remembered import Remembered


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
