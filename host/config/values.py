"""Text to value and its checks, by the declaration of the attribute. Expansion of paths is `expansion.py`'s."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from typing import Final

from host.config.errors import ValueProblem
from host.config.schema_types import Attribute, Kind, Rule

Value = bool | int | str | tuple[str, ...]
"""Of bool, numbers and timeSpan (seconds), string and enum, flags (names in the order of their declaration)."""

_TIME_SPAN: Final = re.compile(r"(?:([0-9]{1,8})\.)?([0-9]{1,8}):([0-5]?[0-9]):([0-5]?[0-9])")
_LIMITS: Final = {
    Kind.UINT: (0, 2**32 - 1),
    Kind.INT: (-(2**31), 2**31 - 1),
    Kind.INT64: (-(2**63), 2**63 - 1),
}
_POOL_NAME_REFUSES: Final = frozenset('|\\"<>&/[]+=;:,?*@')
_SITE_NAME_REFUSES: Final = frozenset("/\\?")


def parse_value(attribute: Attribute, text: str) -> Value:
    """The value that `text` stands for. Raises ValueProblem with message and remedy."""
    match attribute.kind:
        case Kind.BOOL:
            return _boolean(text)
        case Kind.STRING:
            _check_rule(attribute.rule, text)
            return text
        case Kind.ENUM:
            return _enum(attribute, text)
        case Kind.FLAGS:
            return _flags(attribute, text)
        case Kind.TIME_SPAN:
            return _in_range(attribute, _time_span(text))
        case _:
            return _in_range(attribute, _number(attribute.kind, text))


@functools.cache
def default_value(attribute: Attribute) -> Value:
    """The value of an attribute that nobody sets."""
    if attribute.kind is Kind.STRING:
        return attribute.default
    if attribute.default == "":
        return "" if attribute.kind is Kind.ENUM else 0
    return parse_value(attribute, attribute.default)


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name that was probably meant, or an empty text."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[close[0]] if close else ""


def suggestion(name: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, or all of them when they are few."""
    names = list(known)
    nearest = nearest_name(name, names)
    if nearest:
        return f"did you mean {nearest}?"
    if 0 < len(names) <= 12:
        return f"known here: {', '.join(names)}"
    return "remove it"


def format_seconds(seconds: int) -> str:
    """A span of time as it stands in a file: `00:20:00`, `1.05:00:00`."""
    days, rest = divmod(seconds, 86400)
    clock = f"{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}.{clock}" if days else clock


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueProblem(f'"{text}" is not a bool', "write true or false")
    return text.lower() == "true"


def _number(kind: Kind, text: str) -> int:
    if re.fullmatch(r"-?[0-9]{1,20}", text):
        number = int(text)
    elif re.fullmatch(r"0[xX][0-9a-fA-F]{1,16}", text):
        number = int(text, 16)
    else:
        raise ValueProblem(f'"{text}" is not a number', "write decimal digits")
    low, high = _LIMITS[kind]
    if not low <= number <= high:
        raise ValueProblem(f"{number} does not fit into {kind.value}", f"give a number from {low} to {high}")
    return number


def _time_span(text: str) -> int:
    found = _TIME_SPAN.fullmatch(text)
    if found is None:
        raise ValueProblem(f'"{text}" is not a timeSpan', "write hh:mm:ss or d.hh:mm:ss, as in 00:20:00")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds


def _in_range(attribute: Attribute, number: int) -> int:
    shown = format_seconds if attribute.kind is Kind.TIME_SPAN else str
    low, high = attribute.minimum, attribute.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        between = f"from {shown(low or 0)} to {shown(high or 0)}"
        raise ValueProblem(f"{shown(number)} is out of range", f"give a value {between}")
    if attribute.refused is not None and attribute.refused[0] <= number <= attribute.refused[1]:
        first, last = attribute.refused
        raise ValueProblem(f"{number} is not allowed", f"values from {first} to {last} are refused")
    if number % attribute.granularity:
        step = shown(attribute.granularity)
        raise ValueProblem(f"{shown(number)} is not a multiple of {step}", f"give a multiple of {step}")
    return number


def _enum(attribute: Attribute, text: str) -> str:
    for name, number in attribute.names:
        if text.lower() == name.lower() or text == str(number):
            return name
    names = [name for name, _ in attribute.names]
    raise ValueProblem(f'"{text}" is not known', f"write one of {', '.join(names)}")


def _flags(attribute: Attribute, text: str) -> tuple[str, ...]:
    if re.fullmatch(r"[0-9]{1,10}", text):
        return _flags_of_number(attribute, int(text))
    known = {name.lower(): name for name, _ in attribute.names}
    words = [word.strip() for word in text.split(",") if word.strip()]
    unknown = [word for word in words if word.lower() not in known]
    if unknown:
        remedy = f"write a comma list of {', '.join(known.values())}"
        raise ValueProblem(f'"{unknown[0]}" is not known', remedy)
    chosen = {known[word.lower()] for word in words}
    return tuple(name for name, number in attribute.names if name in chosen and number)


def _flags_of_number(attribute: Attribute, number: int) -> tuple[str, ...]:
    names = tuple(name for name, bit in attribute.names if bit and number & bit == bit)
    if number & ~sum({bit for _, bit in attribute.names}):
        raise ValueProblem(f"{number} has bits without a name", "write the names")
    return names


def _check_rule(rule: Rule, text: str) -> None:
    if rule is not Rule.NONE and not text.strip():
        raise ValueProblem("it is empty", "give it a value")
    if rule is Rule.POOL_NAME:
        _refuse_characters(text, _POOL_NAME_REFUSES)
    elif rule is Rule.SITE_NAME:
        _refuse_characters(text, _SITE_NAME_REFUSES)
    elif rule is Rule.HANDLER_PATH:
        _check_handler_path(text)
    elif rule is Rule.URL_PATH:
        _check_url_path(text)


def _refuse_characters(text: str, refused: frozenset[str]) -> None:
    found = [character for character in text if character in refused or not character.isprintable()]
    if found:
        raise ValueProblem(f'"{text}" contains {found[0]!r}', "choose a name without it")


def _check_handler_path(text: str) -> None:
    """Paths hold no question mark (it begins the query), and a pattern has no other wildcard than `*`, as in IIS."""
    if "?" in text:
        raise ValueProblem(
            f'"{text}" matches nothing: ? is no wildcard, and paths hold none', f'write "{text.replace("?", "*")}"'
        )


def _check_url_path(text: str) -> None:
    if not text.startswith("/"):
        raise ValueProblem(f'"{text}" does not start with /', f'write "/{text}"')
    if text != "/" and text.endswith("/"):
        raise ValueProblem(f'"{text}" ends with /', f'write "{text.rstrip("/") or "/"}"')
    if text != "/" and any(segment in ("", ".", "..") for segment in text[1:].split("/")):
        raise ValueProblem(f'"{text}" has an empty, "." or ".." segment', "write the path without it")
