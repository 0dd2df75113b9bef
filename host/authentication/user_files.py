"""Files of users (`name:hash`, as htpasswd writes them) and of groups (`group: name name`, as Apache reads them).

A file is looked at with each use and read again when it has changed. What is wrong with single lines is told once for
each state of the file, and those lines are nobody's; a file that cannot be read lets nobody in.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from host.authentication.password_hashes import objection

MOST_BYTES: Final = 16 * 1024 * 1024
_MOST_TOLD: Final = 20
_NO_NAMES: Final = frozenset(("*", "?"))  # they mean everybody and nobody in rules

Content = TypeVar("Content")
_Stamp = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Users:
    """The users of one file: hash by name, those of which something is wrong left out."""

    hashes: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def some_hash(self) -> str:
        """One of them, for the time that a name which is not there must take as well; empty when there is none."""
        return next(iter(self.hashes.values()), "")


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of one file: the groups of each name."""

    by_name: Mapping[str, frozenset[str]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def parse_users(text: str) -> Users:
    """Lines `name:hash`; what stands behind a second colon is a comment, as for Apache. Empty lines and those that
    begin with # are passed over; the first line of a name counts."""
    hashes: dict[str, str] = {}
    problems: list[str] = []
    seen: set[str] = set()
    for number, line in _lines(text):
        name, colon, rest = line.partition(":")
        why = ""
        if not colon:
            why = "it has no colon; write name:hash"
        elif not name or name in _NO_NAMES or not name.isprintable():
            why = "it has no name before its colon" if not name else f"{name!r} is no name"
        elif name in seen:
            why = f"{name} stands further up, too, and that line counts; remove one"
        else:
            why = objection(rest.partition(":")[0].strip())
        if colon:
            seen.add(name)
        if why:
            problems.append(f"line {number}" + (f" ({name})" if colon and name else "") + f": {why}")
        else:
            hashes[name] = rest.partition(":")[0].strip()
    return Users(hashes, tuple(problems))


def parse_groups(text: str) -> Groups:
    """Lines `group: name name`; several lines of one group add up."""
    members: dict[str, set[str]] = {}
    problems: list[str] = []
    for number, line in _lines(text):
        group, colon, names = line.partition(":")
        if not colon or not group.strip():
            problems.append(f"line {number}: write group: name name")
            continue
        for name in names.split():
            members.setdefault(name, set()).add(group.strip())
    return Groups({name: frozenset(groups) for name, groups in members.items()}, tuple(problems))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        if (stripped := line.strip()) and not stripped.startswith("#"):
            yield number, stripped


class KeptFile(Generic[Content]):
    """One file as it was read last. `report` is told what is wrong with its lines, once for each state."""

    def __init__(self, path: str, parse: Callable[[str], Content], report: Callable[[str], None]) -> None:
        self.path = path
        self._parse = parse
        self._report = report
        self._stamp: _Stamp | None = None
        self._content: Content | None = None

    def content(self) -> Content:
        """What it says now. Raises OSError when it cannot be read, ValueError when it is no text file."""
        stamp = _stamp_of(os.stat(self.path))
        if self._content is None or stamp != self._stamp:
            self._content = None
            text, self._stamp = read_text(self.path)
            self._content = self._parse(text)
            problems: tuple[str, ...] = getattr(self._content, "problems", ())
            if problems:
                self._report(told_of(self.path, problems))
        return self._content


def told_of(path: str, problems: tuple[str, ...]) -> str:
    """What is wrong with the lines of a file, as one text."""
    more = len(problems) - _MOST_TOLD
    return f"{path}, " + "; ".join(problems[:_MOST_TOLD]) + (f"; and {more} more" if more > 0 else "")


def read_text(path: str) -> tuple[str, _Stamp]:
    """The text of a file, and its state. Raises OSError, and ValueError for what is no text file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO of that name must not block
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("it is not a regular file")
        raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES} bytes")
    return raw.decode("utf-8", "surrogateescape"), _stamp_of(status)


def _stamp_of(status: os.stat_result) -> _Stamp:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
