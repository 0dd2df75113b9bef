"""Follows a service's event log without reading it again and again; survives its roll-over."""

from __future__ import annotations

from collections import Counter
from pathlib import Path


class EventTail:
    """What has been written since the beginning, counted by event id; texts of the last lines are kept."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._inode = 0
        self._partial = ""
        self.counts: Counter[str] = Counter()
        self.lines: list[str] = []

    def count(self, event_id: str) -> int:
        """How often that event has been written so far."""
        self.read()
        return self.counts[event_id]

    def has(self, start: int, *words: str) -> bool:
        """Whether a line after the first `start` ones holds all the words."""
        self.read()
        return any(all(word in line for word in words) for line in self.lines[start:])

    def read(self) -> None:
        """Take in what is new."""
        if not self._path.exists():
            return
        if self._inode not in (0, self._path.stat().st_ino):
            self._take(self._path.with_suffix(".1.log"))  # what was written before it rolled over
            self._offset, self._partial = 0, ""
        self._inode = self._path.stat().st_ino
        self._take(self._path)

    def _take(self, path: Path) -> None:
        if not path.exists():
            return
        with path.open(encoding="utf-8", errors="replace") as log:
            log.seek(self._offset)
            text = self._partial + log.read()
            self._offset = log.tell()
        *whole, self._partial = text.split("\n")
        for line in whole:
            words = line.split(" ", 4)
            if len(words) > 3:
                self.counts[words[3]] += 1
            self.lines.append(line)
