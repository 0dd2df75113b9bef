"""What is made of a text that comes again and again: made once, until there is too much of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Text = TypeVar("Text", bound=str | bytes)
Made = TypeVar("Made")


class Remembered(dict[Text, Made]):
    """`remembered[text]` is `make(text)`. At most `most` texts are kept, none longer than `longest`; beyond that all
    are forgotten, which is rare where texts come again and cheap where they do not. A look-up runs no Python code."""

    def __init__(self, make: Callable[[Text], Made], most: int, longest: int) -> None:
        super().__init__()
        self._make: Callable[[Text], Made] = make
        self._most = most
        self._longest = longest

    def __missing__(self, text: Text) -> Made:
        made = self._make(text)
        if len(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = made
        return made
