"""`httpHandlers`: which entry is for a verb and a path. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Protocol


class HttpHandlerEntry(Protocol):
    """One entry of the section."""

    verb: str
    path: str
    type: str


def type_for(entries: Iterable[HttpHandlerEntry], method: str, path: str, application_path: str) -> str:
    """The type of the first entry that fits; empty when none does."""
    inside = path[len(application_path.rstrip("/")) :].lstrip("/").lower()
    for entry in entries:
        verbs = [verb.strip() for verb in entry.verb.split(",")]
        if "*" in verbs or method in verbs:
            patterns = [pattern.strip().lstrip("/").lower() for pattern in entry.path.split(",")]
            if any(_fits(pattern, inside) for pattern in patterns):
                return entry.type
    return ""


def _fits(pattern: str, inside: str) -> bool:
    """A pattern without a folder is compared with the last segment, one with folders with the whole path."""
    subject = inside if "/" in pattern else inside.rpartition("/")[2]
    return fnmatchcase(subject, pattern.replace("[", "[[]"))
