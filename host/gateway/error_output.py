"""What a program writes to standard error: lines for the event log, and the last bytes for the error page.

A program may write gigabytes there. The log gets at most `MOST_LINES` lines of one request, each cut at
`LONGEST_LINE`; the newest `LARGEST_TAIL` bytes are kept for the error page.
"""

from __future__ import annotations

import re
from typing import Final

LARGEST_TAIL: Final = 65536
MOST_LINES: Final = 200
LONGEST_LINE: Final = 1000

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class ErrorOutput:
    """Collects one program's standard error."""

    __slots__ = ("_line_start", "_lines", "_tail")

    def __init__(self) -> None:
        self._tail = bytearray()
        self._line_start = b""
        self._lines = 0

    def receive(self, data: bytes) -> list[str]:
        """Feed bytes; the complete lines that belong in the log, safe to print."""
        self._tail += data
        if len(self._tail) > 2 * LARGEST_TAIL:
            del self._tail[:-LARGEST_TAIL]
        if self._lines > MOST_LINES:
            return []
        *lines, rest = (self._line_start + data).split(b"\n")
        self._line_start = rest[: 2 * LONGEST_LINE]
        return self._admit(lines)

    def receive_end(self) -> list[str]:
        """The pipe was closed; the last line if it had no line end."""
        rest, self._line_start = self._line_start, b""
        return self._admit([rest]) if rest else []

    @property
    def is_empty(self) -> bool:
        """Whether nothing has come."""
        return not self._tail

    @property
    def tail(self) -> str:
        """The newest bytes as text, at most LARGEST_TAIL of them."""
        return bytes(self._tail[-LARGEST_TAIL:]).decode("utf-8", "replace")

    def last_lines(self, count: int) -> list[str]:
        """The last lines that are not empty, safe to print."""
        lines = [line for line in self.tail.splitlines() if line.strip()]
        return [_safe(line) for line in lines[-count:]]

    def _admit(self, raw_lines: list[bytes]) -> list[str]:
        admitted: list[str] = []
        for raw_line in raw_lines:
            if not raw_line.strip():
                continue
            self._lines += 1
            if self._lines > MOST_LINES:
                admitted.append(f"(more than {MOST_LINES} lines: the rest of this request's is not logged)")
                break
            admitted.append(_safe(raw_line.decode("utf-8", "replace")))
        return admitted


def _safe(line: str) -> str:
    """No control character reaches the log or a terminal that shows it."""
    cut = line.rstrip()[:LONGEST_LINE]
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", cut)
