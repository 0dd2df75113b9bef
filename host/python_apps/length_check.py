"""An application whose Content-Length is not its body's: the client gets the right one, the author an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BODYLESS: Final = frozenset({204, 205, 304})
"""Statuses whose Content-Length, if any, is that of a body which is not sent."""


class LengthCheck:
    """Of one application in one process, which is told once: it would be the same with each of its answers."""

    def __init__(self, name: str, report_event: Callable[[str, str], None]) -> None:
        self._name = name
        self._report_event = report_event
        self.is_told = False

    def tell(self, request_id: str, promised: int, given: int) -> None:
        """Of a body that was given as a whole. On the event loop."""
        self._tell(request_id, promised, f"a body of {given} bytes; the client was told {given}")

    def tell_of_more(self, request_id: str, promised: int) -> None:
        """Of a body that came in pieces and goes on behind its end. On the event loop."""
        self._tell(request_id, promised, "more; the client got no more than that")

    def _tell(self, request_id: str, promised: int, given: str) -> None:
        if self.is_told:
            return
        self.is_told = True
        text = f"request {request_id}: {self._name} said Content-Length: {promised} and gave {given}"
        self._report_event("plugin-warning", f"{text}. Correct or leave out the field; said once in each process")
