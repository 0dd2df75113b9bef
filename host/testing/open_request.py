"""A request under way, for tests that look while it is answered: pieces as they come, a client that leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final

from host.api import Headers
from host.testing.answer import Answer
from host.testing.background_loop import BackgroundLoop
from host.testing.front import Front, Incoming
from host.wire.frames import LogFrame, ResponseFlag

_LINE_END: Final = "\r\n"


class OpenRequest:
    """Made by `PluginTest.open`. A context manager: a request that is left open is one whose client leaves."""

    def __init__(
        self,
        background: BackgroundLoop,
        front: Front,
        incoming: Incoming,
        blamed: Callable[[int], tuple[str, ...]],
    ) -> None:
        self._background = background
        self._front = front
        self._incoming = incoming
        self._blamed = blamed
        self._taken: list[bytes] = []

    # --- the request's body

    def send(self, data: bytes) -> bool:
        """Send more of the body. Returns when the worker has room for it, which a handler that does not read leaves
        none of; False when the request was answered before."""
        return self._background.call(self._front.send_body(self._incoming, data), "the handler to read the body")

    def finish(self) -> None:
        """The body is complete."""

        async def end() -> None:
            self._front.end_body(self._incoming)

        self._background.call(end(), "the end of the body")

    # --- the answer

    @property
    def status(self) -> int:
        """The status; waits for the head."""
        self._wait(lambda: self._incoming.head is not None or self._incoming.is_over, "the response's head")
        if self._incoming.head is not None:
            return self._incoming.head.status
        assert self._incoming.reset is not None
        return self._incoming.reset[0]

    @property
    def headers(self) -> Headers:
        """The response's fields; waits for the head."""
        _ = self.status
        return _fields(self._incoming)

    def read(self) -> bytes:
        """The next piece of the body as the handler gave it (64 KB at most); empty at its end.

        What is not read is not taken from the worker either: from a megabyte on the handler waits.
        """
        incoming = self._incoming
        self._wait(lambda: bool(incoming.arrived) or incoming.is_over, "more of the response's body")
        if not incoming.arrived:
            return b""

        async def take() -> bytes:
            piece = incoming.arrived.popleft()
            if not incoming.grants_at_once:
                self._front.open_window(incoming, len(piece))
            return piece

        piece = self._background.call(take(), "a piece of the response's body")
        self._taken.append(piece)
        return piece

    def leave(self) -> None:
        """The client closes its connection. Returns when the worker is done with the request."""
        if self._incoming.has_ended:
            return

        async def go() -> None:
            self._front.abort(self._incoming)
            await self._front.until(lambda: self._incoming.has_ended)

        self._background.call(go(), "the handler to end after its client has left")

    def answer(self) -> Answer:
        """Read to the end, and wait until every plugin has been told of it."""
        while self.read():
            pass
        self._wait(lambda: self._incoming.has_ended, "the end of the request, after its answer")
        return _answer(self._incoming, tuple(self._taken), self._blamed(self._incoming.number))

    def __enter__(self) -> OpenRequest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        self._background.call(self._front.until(condition), what)


def _answer(incoming: Incoming, pieces: tuple[bytes, ...], blame: tuple[str, ...]) -> Answer:
    """The whole answer; a request that was reset before its head has the status that the listener makes a page for."""
    head, reset = incoming.head, incoming.reset
    if head is None:
        assert reset is not None, "a request ends with a head or a reset"
        return Answer(status=reset[0], substatus=reset[1], is_complete=False, failure=reset[2], blame=blame)
    return Answer(
        status=head.status,
        reason=head.head.decode("latin-1").partition(_LINE_END)[0].partition(" ")[2],
        headers=_fields(incoming),
        pieces=pieces,
        substatus=head.substatus,
        win32_status=head.win32_status,
        is_complete=reset is None,
        failure=reset[2] if reset is not None else "",
        closes_connection=bool(head.flags & ResponseFlag.CLOSE),
        is_raw=bool(head.flags & ResponseFlag.RAW),
        is_kept_from_cache=bool(head.flags & ResponseFlag.NO_CACHE),
        log_changes=_log_changes(incoming.log),
        blame=blame,
    )


def _fields(incoming: Incoming) -> Headers:
    if incoming.head is None:
        return Headers()
    return Headers.from_raw(incoming.head.head.partition(b"\r\n")[2])


def _log_changes(log: LogFrame | None) -> Mapping[str, str]:
    return {} if log is None else {name: value for name, value in log._asdict().items() if value}
