"""Whether a server that somebody else runs can be reached: said when that changes, not with every request."""

from __future__ import annotations

from collections.abc import Callable


class Reachability:
    """Of one server in one process. `report` gets the texts of its events."""

    def __init__(self, server: str, report: Callable[[str], None]) -> None:
        self._server = server
        self._report = report
        self._told: set[str] = set()  # reasons, of which there are few: an outage may have several
        self._missed = 0

    def missed(self, detail: str) -> None:
        """A request could not be given to it; `detail` says why. The first for each reason is told."""
        self._missed += 1
        if detail not in self._told:
            self._told.add(detail)
            self._report(f"{detail}; told once, further requests are counted until it is reached again")

    def met(self) -> None:
        """It has taken a connection."""
        if self._missed:
            missed, self._missed = self._missed, 0
            self._told.clear()
            self._report(f"{self._server} is reached again; {missed} request{'s' if missed > 1 else ''} got 502.0")
