"""A request's body as a program's standard input.

No body: the null device. A body of known length: a pipe, filled as the body arrives and as the program reads, while
its output is read elsewhere (so a program that writes before it has read everything cannot deadlock); what has not
come of a large one when its front is asked goes into the pipe there, without passing through this process. A chunked
body: collected first, because the program must be told its length; then a file, which can even be read twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, runtime_checkable

from host.api import ClientGone, RequestBody

PIPE_BYTES: Final = 65536
"""What a pipe holds: a body up to this size is complete before the program starts."""

WIDE_BYTES: Final = 1048576
"""What the pipe of a larger body holds at most, so that program and worker wake one another less often. Linux lets
every user have pipes of this size, as long as they have few."""

CONTINUE_SECONDS: Final = 0.1
"""So long a program may take to refuse a body that its client holds back (Expect: 100-continue): one that looks at the
fields first has answered by then, and the body is never sent. Nobody can see from outside whether it reads; one that
has begun its answer and not ended it may, so the body is asked for before that leaves."""

SPOOL_BYTES: Final = 262144
"""A chunked body up to this size stays in memory; a larger one goes to a temporary file without a name."""


@runtime_checkable
class HandedBody(Protocol):
    """A body whose front can write the rest of it into a pipe: one that comes over a link."""

    is_held: bool
    """The front holds what it has not sent: after what is here `read_some` gives nothing."""
    awaits_client: bool
    """Whether what was handed over waits for the client, by the front's last word."""
    passed_at: float
    """Loop time of that word."""

    def ask_to_hold(self) -> None:
        """Ask the front to do so, if there is enough to come."""

    def hand_over(self, descriptor: int) -> None:
        """The front writes what it holds into this pipe, and closes it in any case."""

    async def passed(self) -> None:
        """Returns when it has. Raises ClientGone."""


class _Hold:
    """Asked to end, and ended."""

    def __init__(self) -> None:
        self.ends, self.has_ended = asyncio.Event(), asyncio.Event()


class RequestInput:
    """`await open()` (or `open_large`), start the program with `descriptor`, close it with `close_descriptor`, then
    `await feed()` or `begin_feeding`."""

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._unsent = b""
        self._hold: _Hold | None = None  # of a body that its client holds back
        self._target = -1
        self._handed: HandedBody | None = None  # its rest goes past us
        self._took_at = 0.0
        self._awaits_client = False
        self._is_unread = False  # the program has closed it
        self._front: HandedBody | None = None  # which may hold what is to come
        self._feeder: asyncio.Task[None] | None = None
        self._client_left: Callable[[], None] | None = None
        self.descriptor = -1
        """What the program reads."""
        self.length: int | None = None
        """Bytes the program will read; None when there is no body."""

    @property
    def took_at(self) -> float:
        """Loop time when the program last took some of it."""
        return self._took_at if self._handed is None else max(self._took_at, self._handed.passed_at)

    @property
    def awaits_client(self) -> bool:
        """Whether what the client has sent so far is with the program."""
        return self._awaits_client if self._handed is None else self._handed.awaits_client

    @property
    def is_held_back(self) -> bool:
        """Whether its client waits to be asked for it."""
        return self._hold is not None

    @property
    def needs_feeding(self) -> bool:
        """Whether `feed` has something to do."""
        return self._target >= 0

    async def open(self, *, announces_length: bool, expects_continue: bool = False) -> None:
        """Prepare `descriptor`. `announces_length`: the client sent a Content-Length, if only of 0; `expects_continue`:
        it waits to be told that its body is wanted.

        Raises ClientGone when the client left meanwhile.
        """
        expected = self._body.length
        if expected is None:
            self.descriptor, self.length = await spool(self._body)
        elif expected == 0:
            self.descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            self.length = 0 if announces_length else None
        else:
            self._hold = _Hold() if expects_continue else None
            first = await self._body.read() if expected <= PIPE_BYTES and not expects_continue else b""
            self._open_pipe(expected, first)

    def open_large(self) -> None:
        """As `open`, for a body of which a pipe does not hold all, and that its client sends: nothing is waited for."""
        assert self._body.length is not None, "its length is known"
        self._open_pipe(self._body.length, b"")

    def _open_pipe(self, expected: int, first: bytes) -> None:
        self.length = expected
        self.descriptor, self._target = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._target, False)
        if expected > PIPE_BYTES:
            self._widen(expected)
            if self._hold is None:
                self._ask_to_hold()
        self._unsent = first
        if first and self._send() and self._body.is_at_end:
            self._close_target()

    def close_descriptor(self) -> None:
        """The program has its own copy."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def begin_feeding(
        self, spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]], client_left: Callable[[], None]
    ) -> None:
        """Do `feed` beside everything else, unless that has begun; from now on `client_left` is called when the client
        leaves in the middle of its body."""
        self._client_left = client_left
        if self._feeder is None and self.needs_feeding:
            self._feeder = spawn(self._feed_all())

    async def _feed_all(self) -> None:
        try:
            await self.feed()
        except ClientGone:
            if self._client_left is not None:
                self._client_left()

    async def feed(self) -> None:
        """Pass the rest of the body on. A program that has closed its input loses the rest, which is still read:
        its answer must reach a client that sends everything before it listens. Raises ClientGone."""
        try:
            if self._hold is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._hold.ends.wait(), CONTINUE_SECONDS)
                self._hold.has_ended.set()  # whoever waits for it goes on when `read_some` has asked
                self._ask_to_hold()
            while True:
                while not self._send():
                    await self._writable()
                if not self._is_unread:
                    self._took_at, self._awaits_client = self._loop.time(), True
                try:
                    self._unsent = await self._body.read_some()
                finally:
                    self._awaits_client = False
                if not self._unsent:
                    await self._hand_over()
                    return
        finally:
            if self._hold is not None:
                self._hold.has_ended.set()
            self._close_target()

    async def ask_for_body(self) -> None:
        """The client is told now to send what it holds back: its answer begins."""
        if self._hold is not None and self.needs_feeding:
            self._hold.ends.set()
            await self._hold.has_ended.wait()

    def close(self) -> None:
        """Feed no more, and let go of everything that is still open."""
        self._client_left = None  # whoever was called holds this
        if self._feeder is not None:
            self._feeder.cancel()
        self.close_descriptor()
        self._close_target()

    def _ask_to_hold(self) -> None:
        if isinstance(self._body, HandedBody):  # which takes a while to find out
            self._front = self._body
            self._front.ask_to_hold()

    async def _hand_over(self) -> None:
        """Give the front what it asked for the rest of the body. The pipe keeps a writer here: a program must not take
        the end of a client that has left for the end of its body before it is ended for that."""
        front = self._front
        if self._target >= 0 and front is not None and front.is_held:
            self._handed = front
            try:
                theirs = os.dup(self._target)
            except OSError:  # no descriptor is left: this one, so that the body comes whole all the same
                theirs, self._target = self._target, -1
            front.hand_over(theirs)
            await front.passed()
            self._handed = None

    def _widen(self, size: int) -> None:
        with contextlib.suppress(OSError):  # there are many wide ones: this one is as any other
            fcntl.fcntl(self._target, fcntl.F_SETPIPE_SZ, min(WIDE_BYTES, size))

    def _send(self) -> bool:
        """Write what waits, or drop it when nobody reads it; true when nothing waits any more."""
        while self._unsent and not self._is_unread:
            try:
                sent = os.write(self._target, self._unsent)
            except BlockingIOError:
                return False
            except BrokenPipeError:
                self._is_unread = True
                break
            self._unsent = self._unsent[sent:]
        self._unsent = b""
        return True

    async def _writable(self) -> None:
        writable = asyncio.Event()
        self._loop.add_writer(self._target, writable.set)
        try:
            await writable.wait()
        finally:
            if self._target >= 0:  # `close` may have been faster
                self._loop.remove_writer(self._target)

    def _close_target(self) -> None:
        if self._target >= 0:
            self._loop.remove_writer(self._target)
            os.close(self._target)
            self._target = -1


def filled_pipe(data: bytes) -> int:
    """The reading end of a pipe that holds `data`, at most `PIPE_BYTES`, and ends behind it; a file instead where the
    kernel gives this user only small pipes (pipe-user-pages-soft). Raises OSError."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    try:
        os.set_blocking(writing, False)
        if os.write(writing, data) == len(data):
            return reading
        pipe, reading = reading, os.memfd_create("request body", os.MFD_CLOEXEC)
        os.close(pipe)
        _write_all(reading, data)
        os.lseek(reading, 0, os.SEEK_SET)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return reading


async def spool(body: RequestBody) -> tuple[int, int]:
    """A body of unknown length as a file that stands at its beginning, and its size in bytes. Raises ClientGone."""
    loop = asyncio.get_running_loop()
    pieces, size = [], 0
    while size <= SPOOL_BYTES:
        piece = await body.read_some()
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
    if size <= SPOOL_BYTES:
        descriptor = os.memfd_create("request body", os.MFD_CLOEXEC)
        _write_all(descriptor, b"".join(pieces))
        os.lseek(descriptor, 0, os.SEEK_SET)
        return descriptor, size
    with tempfile.TemporaryFile(buffering=0) as file:
        descriptor = os.dup(file.fileno())
    try:
        piece = b"".join(pieces)
        while piece:
            await loop.run_in_executor(None, _write_all, descriptor, piece)  # a disk may be slow
            piece = await body.read_some()
            size += len(piece)
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, size


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
