"""Letters without their case, as paths of URLs are compared, one character for one.

Whatever finds a path and whatever locks it must agree about that. To a regular expression that ignores case, the
dotless i (U+0131) and the dotted I (U+0130) are an i, and the long s (U+017F) is an s; to `str.lower` none of them is,
one becomes two characters, and what a sigma becomes depends on where it stands. A handler for `wiki/*` that is found by
a dotless i would be open where the location `wiki` is locked.
"""

from __future__ import annotations

from typing import Final

_SIGMA: Final = "\N{GREEK SMALL LETTER SIGMA}"
_FINAL_SIGMA: Final = "\N{GREEK SMALL LETTER FINAL SIGMA}"


def without_case(text: str) -> str:
    """The text in small letters, of the same length; a letter that is small as two characters stays as it is. The sigma
    at a word's end is a sigma, as to every comparison by capital letters."""
    return text.lower() if text.isascii() else "".join(map(_small, text))


def _small(character: str) -> str:
    small = _SIGMA if character == _FINAL_SIGMA else character.lower()
    return small if len(small) == 1 else character
