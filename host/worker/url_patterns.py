"""Path patterns of handler mappings, compiled: where in a URL path does a pattern match?

`*.ext` and `name.ext` match a segment anywhere in the path: what follows it is PATH_INFO (`/a.py/tail`). `*.` matches a
last segment without a dot, `*` everything, `dir/*` and `/dir/*` what lies below that folder of the application. Letters
match without regard to case, as in IIS: a script must not be served as text because it was asked for as `A.PY`.

However many stars a pattern has, what a client writes costs no more than its length: each text between two stars is
taken where it comes first, and is not looked for again when what follows is missing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from host.config.letter_case import without_case

WHOLE: Final = -1
"""The pattern matches the path as a whole; where the script ends is for the disk to say."""

_MOST_PATTERNS: Final = 512

Matcher = Callable[[str, str], list[int]]
"""(URL path, path of its application) to the lengths of the prefixes that match, shortest first, or [WHOLE], or []."""


@lru_cache(maxsize=_MOST_PATTERNS)
def compile_pattern(pattern: str) -> Matcher:
    """The matcher of a pattern, or of a comma list of patterns. Remembered: a pool's parent compiles those that it can
    know, and each of its workers finds them."""
    matchers = [_compile_one(part.strip()) for part in pattern.split(",") if part.strip()]
    if len(matchers) == 1:
        return matchers[0]

    def match(path: str, application_path: str) -> list[int]:
        return sorted({length for matcher in matchers for length in matcher(path, application_path)})

    return match


def _compile_one(pattern: str) -> Matcher:
    if pattern == "*":
        return lambda _path, _application_path: [WHOLE]
    if pattern == "*.":
        return _match_without_extension
    if "/" in pattern:
        return _folder_matcher(pattern)
    segment = re.compile(f"(?<=/){_expression(pattern, within='[^/]')}(?=/|$)")
    return lambda path, _application_path: [found.end() for found in segment.finditer(without_case(path))]


def _match_without_extension(path: str, _application_path: str) -> list[int]:
    last = path.rpartition("/")[2]
    return [len(path)] if last and "." not in last else []


def _folder_matcher(pattern: str) -> Matcher:
    """Below the application's folder; a pattern with a leading slash may also name the path from the site's root."""
    expression = re.compile(_expression("/" + pattern.lstrip("/"), within="."))

    def match(path: str, application_path: str) -> list[int]:
        path = without_case(path)
        below = path if application_path == "/" else path[len(application_path) :]
        if expression.fullmatch(below) or (pattern.startswith("/") and expression.fullmatch(path)):
            return [WHOLE]
        return []

    return match


def _expression(pattern: str, *, within: str) -> str:
    first, *others = map(re.escape, without_case(pattern).split("*"))
    if not others:
        return first
    between = "".join(f"(?>{within}*?{part})" for part in others[:-1] if part)
    return f"{first}{between}{within}*{others[-1]}"
