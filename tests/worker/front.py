"""The front's end of a link, for tests: speaks the real frames over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop

from host.api import Connection, Tls
from host.wire.codec import (
    decode_cache,
    decode_end,
    decode_file,
    decode_log,
    decode_number,
    decode_reset,
    decode_response,
    encode,
    encode_number,
    encode_request,
    encode_session_end,
)
from host.wire.frames import CacheFrame, Kind, LogFrame, RequestFlag, RequestFrame, ResponseFlag
from host.wire.request_dialogue import RequestState, next_state
from host.worker.connection_facts import facts_of
from host.worker.link import Link

T = TypeVar("T")
CLOSERS: list[Callable[[], None]] = []
"""What the test in hand has opened; `run` calls them, last one first."""


def run(main: Coroutine[Any, Any, T], *, plain: bool = False) -> T:
    """Run on a fresh loop: uvloop as in a worker, or the standard library's (`plain`)."""
    factory = None if plain else uvloop.new_event_loop

    async def bounded() -> T:
        try:
            return await asyncio.wait_for(main, 90)
        finally:
            while CLOSERS:
                CLOSERS.pop()()

    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop go round until `condition` holds (for facts that no event tells)."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0)


@dataclass
class Answer:
    """What came back for one request."""

    kinds: list[Kind] = field(default_factory=list)
    status: int = 0
    substatus: int = 0
    win32_status: int = 0
    flags: int = 0
    head: bytes = b""
    body: bytes = b""
    files: list[tuple[int, int, int]] = field(default_factory=list)
    descriptors: dict[int, int] = field(default_factory=dict)
    credit: int = 0
    log: LogFrame | None = None
    reset: str = ""
    cache: CacheFrame | None = None
    state: RequestState = RequestState.SENT
    done: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def header(self, name: str) -> str:
        """The first field of that name in the head, or an empty text."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            found, _, value = line.partition(": ")
            if found.lower() == name.lower():
                return value
        return ""

    def file_bytes(self) -> bytes:
        """What the passed descriptors hold; they are closed."""
        pieces = []
        for sequence, offset, length in self.files:
            pieces.append(os.pread(self.descriptors[sequence], length, offset))
            os.close(self.descriptors[sequence])
        return b"".join(pieces)


class Front:
    """Sends requests to what is attached to the other end, checks the order of frames, collects the answers."""

    def __init__(self, *, grants: bool = True) -> None:
        loop = asyncio.get_running_loop()
        mine, self.link = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        my_side, self.side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.end = Link(loop, mine, my_side)
        self.end.start(self._receive, self._closed, self._descriptor)
        self.grants = grants
        self.answers: dict[int, Answer] = {}
        self.credit = 0
        self.body_window: dict[int, int] = {}
        self.invalidated: list[int] = []
        self.closed: asyncio.Future[str] = loop.create_future()
        self._changed = asyncio.Event()
        self._number = 0
        CLOSERS.append(self.close)

    def send(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        fields: bytes = b"Host: localhost\r\n",
        body: bytes | None = b"",
        length: int = -1,
        application: str = "1:/",
        flags: int = 0,
        connection: int = 7,
        remote: str = "127.0.0.1",
        tls: Tls | None = None,
    ) -> int:
        """Send REQUEST; `body` None leaves it open for `send_body`. Returns the number."""
        self._number += 1
        flags |= RequestFlag.HTTP_1_1
        if body is None:
            flags |= RequestFlag.HAS_BODY
        else:
            flags |= RequestFlag.BODY_COMPLETE | (RequestFlag.HAS_BODY if body else 0)
            length = len(body)
        if tls is not None:
            flags |= RequestFlag.SECURE
        facts = facts_of(Connection(remote, 50000, "127.0.0.1", 8080, connection, tls is not None, tls))
        raw = (target.encode("latin-1"), fields)
        frame = RequestFrame(flags, facts, application.encode(), method.encode(), *raw, length, body or b"")
        self.answers[self._number] = Answer()
        self.end.queue(encode_request(self._number, frame))
        return self._number

    def say(self, kind: Kind, number: int = 0, body: bytes = b"") -> None:
        """Send a frame whose body is bytes."""
        self.end.queue(encode(kind, number, body))

    def open_window(self, number: int, count: int) -> None:
        """Grant response bytes."""
        self.end.queue(encode_number(Kind.WINDOW, number, count))

    def end_session(self, connection: int = 7) -> None:
        """The client's connection is closed."""
        self.end.queue(encode_session_end(connection))

    async def ask(self, target: str = "/", **request: Any) -> Answer:
        """Send a request and wait for its whole answer."""
        return await self.answer(self.send(target, **request))

    async def answer(self, number: int) -> Answer:
        """Wait until that request is answered."""
        answer = self.answers[number]
        await answer.done.wait()
        await self.until(lambda: len(answer.descriptors) >= len(answer.files))
        return answer

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until frames have made `condition` true."""
        while not condition():
            await self.changed()

    async def changed(self) -> None:
        """Wait for the next frames."""
        self._changed.clear()
        await self._changed.wait()

    def close(self) -> None:
        """Close this end."""
        self.end.close()

    def _receive(self, frames: list[tuple[Kind, int, bytes]]) -> None:
        for kind, number, body in frames:
            if number == 0:
                if kind is Kind.INVALIDATE:
                    self.invalidated.append(decode_number(body))
                    continue
                assert kind is Kind.CREDIT
                self.credit += decode_number(body)
            else:
                self._take(self.answers[number], number, kind, body)
        self._changed.set()

    def _take(self, answer: Answer, number: int, kind: Kind, body: bytes) -> None:
        answer.state = next_state(answer.state, kind)
        answer.kinds.append(kind)
        if kind is Kind.RESPONSE:
            frame = decode_response(body)
            answer.flags, credit, answer.status, answer.substatus, answer.win32_status, answer.head, answer.body = frame
            answer.credit += credit
            if frame.flags & ResponseFlag.COMPLETE:
                answer.state = RequestState.DONE
        elif kind is Kind.DATA:
            answer.body += body
            if self.grants:
                self.open_window(number, len(body))
        elif kind is Kind.FILE:
            answer.files.append(decode_file(body))
            if self.grants:
                self.open_window(number, decode_file(body)[2])
        elif kind is Kind.END:
            answer.credit += decode_end(body)
        elif kind is Kind.RESET:
            answer.status, answer.substatus, credit, answer.reset = decode_reset(body)
            answer.credit += credit
        elif kind is Kind.BODY_WINDOW:
            self.body_window[number] = self.body_window.get(number, 0) + decode_number(body)
        elif kind is Kind.LOG:
            answer.log = decode_log(body)
        elif kind is Kind.CACHE:
            answer.cache = decode_cache(body)
        if answer.state is RequestState.DONE:
            self.credit += answer.credit
            answer.done.set()

    def _descriptor(self, number: int, sequence: int, descriptor: int) -> None:
        self.answers[number].descriptors[sequence] = descriptor
        self._changed.set()

    def _closed(self, why: str) -> None:
        if not self.closed.done():
            self.closed.set_result(why)
