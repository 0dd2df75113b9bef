"""What answers a request with CGI output, whatever carries it: a program's pipes, FastCGI records, SCGI."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from host.api import HttpError, PipeLoan


class StaleRun(Exception):  # an event in the life of a process, not an error
    """What was asked had answered before and went away before it had begun with this request: another may get it."""


class GatewayRun(Protocol):
    """A request that is being answered. One of `finish` and `abandon` must be called in the end."""

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        """The next output; empty at the end, None when nothing came for `patience_seconds`.

        Raises HttpError when no more will come than this: a time limit has passed, the peer has died.
        """

    async def check_end(self, patience_seconds: float | None = None) -> bool:
        """The output has ended: raises HttpError when it was cut. False when that is not known after
        `patience_seconds`: then the answer may begin, but not end before this was asked without patience."""

    async def failure(self, why: str, output: bytes = b"", *, in_body: bool = False) -> HttpError:
        """The refusal for an answer that is none, which is also told to the event log. `output` is what has come of
        it; `in_body`: its headers were complete."""

    def finish(self) -> None:
        """The answer is complete; what still comes is dropped."""

    def abandon(self, reason: str) -> None:
        """Nobody wants the answer any more."""


class PipedRun:
    """A GatewayRun whose output comes by a pipe, which can be lent to the front."""

    def lend(self, most_bytes: int, came_back: Callable[[int], None]) -> PipeLoan | None:
        """The pipe, for so many bytes at most; `came_back(bytes)` says how many were read when the loan is over. None:
        nobody wants the output any more, or no descriptor is left."""
        raise NotImplementedError
