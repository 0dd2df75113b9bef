"""How a plugin that calls native code says what it is doing, in case that this is the last thing its worker does."""

from __future__ import annotations

from typing import Protocol


class NotedRequest(Protocol):
    """What is noted of a request: any `Request` is one."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def method(self) -> str:
        """Its verb."""

    @property
    def raw_target(self) -> str:
        """Its URL, as the client sent it."""


class BlackBox(Protocol):
    """Notes which native code runs, so that a crash can be told with the library's name and the request.

    For plugins that call C code which may end the process. May be used from any thread; a note costs a microsecond.
    """

    def enter(self, library: str, function: str, request: NotedRequest | None = None) -> int:
        """`function` of `library` is about to be called on this thread; gives what `leave` wants back."""

    def hold(self, library: str, function: str, request: NotedRequest | None = None) -> int:
        """The library goes on with it on a thread of its own; gives what `leave` wants back."""

    def leave(self, place: int) -> None:
        """It is over."""


class NoBlackBox:
    """Notes nothing: where no service would read it."""

    def enter(self, library: str, function: str, request: NotedRequest | None = None) -> int:  # noqa: ARG002
        """As `BlackBox.enter`."""
        return -1

    def hold(self, library: str, function: str, request: NotedRequest | None = None) -> int:  # noqa: ARG002
        """As `BlackBox.hold`."""
        return -1

    def leave(self, place: int) -> None:
        """As `BlackBox.leave`."""
