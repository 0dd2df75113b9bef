"""What came back for a request, as the listener would have got it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from host.api import Headers


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """A line of the event log: the stable id, the text, further fields (`plugin`, `hook`, `place`, `request`, ...)."""

    id: str
    text: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer.

    The fields of framing (Date, Server, Connection, Transfer-Encoding, the Content-Length of a body that is complete)
    are the listener's and are not among `headers`. `pieces` is the body as it came, piece by piece. `substatus` and
    `win32_status` end in the log. An answer that broke off has `is_complete` False, and `failure` says why.
    """

    status: int
    reason: str = ""
    headers: Headers = field(default_factory=Headers)
    pieces: tuple[bytes, ...] = ()
    substatus: int = 0
    win32_status: int = 0
    is_complete: bool = True
    failure: str = ""
    closes_connection: bool = False
    is_raw: bool = False  # nph: the body is the whole answer, status line included
    is_kept_from_cache: bool = False  # a filter, or the user's name, keeps it out of the listener's cache
    log_changes: Mapping[str, str] = field(default_factory=dict)  # fields of the log line that plugins changed
    blame: tuple[str, ...] = ()  # what plugins did wrong in this request: events `plugin-error`, with tracebacks

    @property
    def body(self) -> bytes:
        """The whole body."""
        return b"".join(self.pieces)

    @property
    def text(self) -> str:
        """The body as text: UTF-8, what is not is replaced."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as a JSON document. Raises ValueError when it is none."""
        return json.loads(self.body)

    def __repr__(self) -> str:
        """For a failed assertion: the status, the beginning of the text, and who is to blame."""
        words = [f"{self.status}.{self.substatus}", *([self.reason] if self.reason else []), f"{self.text[:200]!r}"]
        if not self.is_complete:
            words.append(f"broken off: {self.failure}")
        return f"<Answer {' '.join(words)}>" + "".join(f"\n{blame}" for blame in self.blame)
