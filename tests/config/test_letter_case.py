"""Letters without their case."""

from __future__ import annotations

import sys

from host.config.letter_case import without_case


def test_every_character_stays_one_and_is_the_same_as_its_capital() -> None:
    """What is cut out of a path by the length of what was found is what was found."""
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        small = without_case(character)
        assert len(small) == 1
        assert without_case(small) == small
        if character.upper().lower() == character:
            assert without_case(character.upper()) == small
    assert without_case("/A\N{GREEK CAPITAL LETTER SIGMA}/\N{GREEK SMALL LETTER FINAL SIGMA}") == "/a\u03c3/\u03c3"


def test_letters_that_are_an_i_or_an_s_to_a_regular_expression_are_none() -> None:
    """They would find a handler past the lock."""
    assert without_case("\u0131\u0130\u017f") == "\u0131\u0130\u017f"
    assert without_case("\N{KELVIN SIGN}") == "k"
