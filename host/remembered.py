"""What is made of a text that comes again and again: made once, until there is too much of it.

Clients, and the applications behind us, say most things in the same words each time: names of fields, whole fields,
whole blocks of them. Whoever makes something of such words remembers it here, within a measure: who invents new words
must not fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Text = TypeVar("Text", bound=str | bytes | tuple[str, str] | tuple[bytes, bytes])
Made = TypeVar("Made")


class Remembered(dict[Text, Made]):
    """`remembered[text]` is `make(text)`. At most `most` texts are kept, none longer than `longest`; beyond that all
    are forgotten, which is rare where texts come again and cheap where they do not. A look-up runs no Python code.

    Another key than a text, a field's name and value for instance, says by `measure` how long it is. What `make` raises
    is raised each time.
    """

    def __init__(
        self, make: Callable[[Text], Made], most: int, longest: int, *, measure: Callable[[Text], int] = len
    ) -> None:
        super().__init__()
        self._make: Callable[[Text], Made] = make
        self._most = most
        self._longest = longest
        self._measure: Callable[[Text], int] = measure

    def __missing__(self, text: Text) -> Made:
        made = self._make(text)
        if self._measure(text) <= self._longest:
            if len(self) >= self._most:
                self.clear()
            self[text] = made
        return made


def length_of_both(pair: tuple[str, str] | tuple[bytes, bytes]) -> int:
    """The measure of a name with its value."""
    return len(pair[0]) + len(pair[1])
