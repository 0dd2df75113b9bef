"""A response that comes in pieces: bytes, files and pipes in order, as fast as the client takes them.

Bytes go to the transport until it says stop; small pieces of files are read and sent like bytes, large ones by
sendfile.
The worker's window opens again by what has left. A piece of a file costs no memory, so its share is given back when it
arrives, as long as not too much is ahead: the worker prepares the next piece while this one is being sent.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from host.http1.errors import ShortBodyError
from host.http1.writer import BodyFraming, Framing
from host.listener.exchange import Exchange
from host.listener.file_piece import FilePiece
from host.listener.file_turns import FileTurns
from host.listener.piped_output import PipedOutput, Tell
from host.wire.frames import FILE_WINDOW_BYTES, INITIAL_RESPONSE_WINDOW, PipeState
from host.wire.request_dialogue import FlowWindow

GRANT_STEP: Final = INITIAL_RESPONSE_WINDOW // 4
SMALL_PIECE: Final = 64 * 1024  # a piece of a file up to this size is read and written with what stands before it


Item = tuple[bytes, int] | FilePiece | PipedOutput
"""Bytes, and what they count in the window; or what is read here."""


class Sink(Protocol):
    """The client's connection, as a stream sees it."""

    is_write_paused: bool

    def write(self, data: bytes) -> None:
        """To the transport."""

    def write_through(self, prefix: bytes, data: memoryview, suffix: bytes) -> None:
        """To the client at once, as far as it goes; `data` is not kept."""

    def send_file(self, prefix: bytes, piece: FilePiece, done: Callable[[bool], None]) -> bool:
        """Begin to send `prefix` and the piece, whose descriptor is taken; false: not now, `pump` will be called."""

    def stream_ended(self, exchange: Exchange, *, is_whole: bool) -> None:
        """Everything is out, or (`is_whole` false) cannot be completed: the connection must break."""


class ResponseStream:
    """One response under way. `grant(bytes)` opens the worker's window."""

    __slots__ = (
        "_consumed",
        "_exchange",
        "_framing",
        "_grant",
        "_is_ended",
        "_is_finished",
        "_is_sending_file",
        "_line",
        "_sink",
        "_turns",
        "_window",
        "codes",
        "raw_head",
        "sent_bytes",
    )

    def __init__(
        self,
        exchange: Exchange,
        sink: Sink,
        framing: BodyFraming,
        head: bytes,
        grant: Callable[[int], None],
        turns: FileTurns,
    ) -> None:
        self._exchange = exchange
        self._sink = sink
        self._framing = framing
        self._grant = grant
        self._turns = turns
        self._line: deque[Item] = deque()
        self._window = FlowWindow(INITIAL_RESPONSE_WINDOW)
        self._consumed = 0  # bytes to give back to the worker
        self._is_ended = False
        self._is_finished = False
        self._is_sending_file = False
        self.sent_bytes = 0  # what the client gets, framing included
        self.codes = (0, 0, 0)  # status, substatus, win32 status, for the log
        self.raw_head = b""  # for a log that shows header fields of the answer; empty for every other one
        self._append(head, 0)

    def first_body(self, data: bytes) -> None:
        """Body bytes that came with the head: they do not count in the window."""
        self._append(self._framing.piece(data), 0)

    def data(self, data: bytes) -> None:
        """A piece. Raises WireError when the worker exceeds its window."""
        self._window.spend(len(data))
        framed = self._framing.piece(data)
        if framed:
            self._append(framed, len(data))
        else:
            self._consumed += len(data)

    def file(self, offset: int, length: int) -> FilePiece | None:
        """A piece of a file, to be given its descriptor; None when it is not sent. Raises WireError."""
        self._window.spend(FILE_WINDOW_BYTES)
        prefix, allowed, suffix = self._framing.enclose(length)
        if not allowed:
            self._consumed += FILE_WINDOW_BYTES
            return None
        self._append(prefix, 0)
        piece = FilePiece(offset, allowed)
        self.sent_bytes += allowed
        self._line.append(piece)
        self._append(suffix, 0)
        return piece

    def pipe(self, most_bytes: int, tell: Tell) -> PipedOutput | None:
        """What comes out of a pipe, to be given its descriptor; None when it is not read, and `tell` has said so.
        Raises WireError."""
        self._window.spend(FILE_WINDOW_BYTES)
        framing = self._framing
        if framing.kind is Framing.LENGTH:
            most_bytes = min(most_bytes, framing.left)
        if framing.kind is Framing.NONE or not most_bytes:
            self._consumed += FILE_WINDOW_BYTES
            tell(PipeState.RETURNED, 0)
            return None
        pipe = PipedOutput(self._turns, self._sink, framing, most_bytes, tell, self._count, self.pump)
        self._line.append(pipe)
        return pipe

    def end(self) -> None:
        """No more pieces will come. A pipe that is still here is taken back."""
        self._is_ended = True
        for item in self._line:
            if isinstance(item, PipedOutput):
                item.close()

    def pump(self) -> None:
        """Move what can move: after new pieces, and when the client has taken some."""
        if self._is_finished:
            return
        if not self._is_sending_file:
            self._move()
        self._give_back()
        if self._is_ended and not self._line and not self._is_sending_file and not self._is_finished:
            self._finish()

    def close(self) -> None:
        """The connection is gone: drop everything."""
        self._is_finished = True
        for item in self._line:
            if isinstance(item, (FilePiece, PipedOutput)):
                item.close()
        self._line.clear()

    def _count(self, count: int) -> None:
        self.sent_bytes += count

    def _append(self, data: bytes, charge: int) -> None:
        if data:
            self._line.append((data, charge))
            self.sent_bytes += len(data)

    def _move(self) -> None:
        line, sink = self._line, self._sink
        ready: list[bytes] = []
        while line and not sink.is_write_paused:
            item = line[0]
            if isinstance(item, PipedOutput):
                if not item.is_over:
                    item.go_on()
                    break
                self._leave()
                continue
            if isinstance(item, FilePiece):
                if item.descriptor < 0:
                    break
                if item.length > SMALL_PIECE:
                    self._is_sending_file = sink.send_file(b"".join(ready), item, self._file_sent)
                    if self._is_sending_file:
                        ready = []
                        self._leave()
                    break
                data = self._read_small(item)
                if data is None:
                    return
                self._leave()
            else:
                data, charge = item
                self._consumed += charge
                line.popleft()
            ready.append(data)
            if len(data) >= SMALL_PIECE:  # the transport may say stop
                sink.write(b"".join(ready))
                ready = []
        if ready:
            sink.write(b"".join(ready))

    def _leave(self) -> None:
        self._line.popleft()
        self._consumed += FILE_WINDOW_BYTES

    def _read_small(self, piece: FilePiece) -> bytes | None:
        try:
            data = os.pread(piece.descriptor, piece.length, piece.offset)
        except OSError:
            data = b""
        piece.close()
        if len(data) < piece.length:  # the file has become shorter: the promised length cannot be kept
            self._break()
            return None
        return data

    def _file_sent(self, ok: bool) -> None:
        self._is_sending_file = False
        if self._is_finished:
            return
        if ok:
            self.pump()
        else:
            self._break()

    def _give_back(self) -> None:
        if self._consumed >= GRANT_STEP and not self._sink.is_write_paused and not self._is_ended:
            granted, self._consumed = self._consumed, 0
            self._window.grant(granted)
            self._grant(granted)

    def _finish(self) -> None:
        try:
            last = self._framing.end()
        except ShortBodyError:
            self._break()
            return
        self._is_finished = True
        if last:
            self._sink.write(last)
            self.sent_bytes += len(last)
        self._sink.stream_ended(self._exchange, is_whole=True)

    def _break(self) -> None:
        self.close()
        self._sink.stream_ended(self._exchange, is_whole=False)
