"""Plain code on a worker's main thread (`ThreadingModel.SINGLE`): the event loop stands still while it is at work.

It is called as on a thread: no event loop is to be seen. Frameworks look for one and refuse to block where one runs
(Django's database layer, asgiref), and `asyncio.run` in such code makes a loop of its own.
"""

from __future__ import annotations

import asyncio
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

T = TypeVar("T")
NO_MORE: Final = object()
"""What `take` of a SteppedBody gives behind the last piece: nothing that an application could yield."""


def call_plainly(function: Callable[..., T], *arguments: Any) -> T:
    """`function(*arguments)`, which finds no running event loop. To be called on the loop's thread."""
    loop = _get_running_loop()
    _set_running_loop(None)
    try:
        return function(*arguments)
    finally:
        _set_running_loop(loop)


class SteppedBody:
    """A response's body that plain code makes piece by piece: between two of them the event loop goes on.

    `first` is made already (empty: nothing is). `take()` makes the next one, NO_MORE behind the last; empty ones are
    passed over. `end()` is called once: behind the last piece, or when nobody takes more. What either raises is raised
    where the body is read. `culprit`: whose code makes them, if that is not the plugin's (an application's name).
    """

    __slots__ = ("_end", "_first", "_is_ended", "_take", "culprit")

    def __init__(
        self, take: Callable[[], Any], end: Callable[[], None], first: bytes = b"", *, culprit: str = ""
    ) -> None:
        self.culprit = culprit
        self._take = take
        self._end = end
        self._first = first
        self._is_ended = False

    def __aiter__(self) -> SteppedBody:
        return self

    async def __anext__(self) -> Any:
        piece: Any = self._first
        self._first = b""
        while piece == b"":
            if self._is_ended:
                raise StopAsyncIteration
            await asyncio.sleep(0)  # what has been made leaves before the next piece is made (PEP 3333 demands that)
            piece = self._take()
        if piece is NO_MORE:
            await self.aclose()
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        """Nobody takes more."""
        if not self._is_ended:
            self._is_ended = True
            self._end()


def stepped(iterator: Iterator[Any]) -> SteppedBody:
    """An iterator as such a body; it is closed at the end, if it can be."""
    close = getattr(iterator, "close", None)
    return SteppedBody(
        lambda: call_plainly(next, iterator, NO_MORE), lambda: None if close is None else call_plainly(close)
    )
