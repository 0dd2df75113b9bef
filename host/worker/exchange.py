"""One request in hand and the frames of its answer.

Exactly one of these ends it: `send_complete`, `end`, `reset`. Bytes of the body wait for the window that the front
grants, so a slow client costs the worker no memory.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Final, Protocol

from host.api import ClientGone, HttpError, PipeLoan, Request
from host.api.whole_body import WholeBody
from host.wire.codec import (
    encode,
    encode_cache,
    encode_end,
    encode_file,
    encode_log,
    encode_pipe,
    encode_reset,
    encode_response_parts,
)
from host.wire.frames import (
    FILE_WINDOW_BYTES,
    INITIAL_RESPONSE_WINDOW,
    MAX_DATA_BYTES,
    CacheFrame,
    Kind,
    LogFrame,
    PipeState,
    ResponseFlag,
)
from host.worker.request_body import StreamedBody

_COMPLETE: Final = int(ResponseFlag.COMPLETE)
_REFUSAL: Final = int(ResponseFlag.REFUSAL)


class Outlet(Protocol):
    """The link an exchange answers on."""

    @property
    def place(self) -> int:
        """Which of the fronts that share the worker it leads to, from 0: each has a cache of its own."""

    @property
    def takes_pipes(self) -> bool:
        """Whether the front at its other end reads pipes; inetinfo does not read those of a dllhost."""

    def queue(self, frame: bytes) -> None:
        """Send with the turn's write."""

    def send_descriptor(self, request_id: int, sequence: int, descriptor: int) -> None:
        """Pass a descriptor, which the outlet owns from then on."""

    def give_back(self) -> int:
        """The credit to give back now: 1, or 0 when it is withheld for later."""

    def return_credit(self) -> None:
        """Give a credit back by itself."""

    def forget(self, number: int) -> None:
        """That request is answered; the front may use its number again."""

    def invalidate(self, number: int) -> None:
        """What the answer to that request put into the front's cache is out of date."""

    async def flushed(self) -> None:
        """Returns when the kernel has everything queued so far."""


class Parked(Protocol):
    """A request that waits for a thread without a task."""

    def become_task(self) -> asyncio.Task[None]:
        """Its task, which waits on."""


class Overdue:
    """A request whose time is over (requestTimeLimit): the refusal, and how far that has come."""

    __slots__ = ("error", "is_being_sent", "keeps_credit")

    def __init__(self, error: HttpError) -> None:
        self.error = error
        self.is_being_sent = False
        self.keeps_credit = False  # its code outlives its answer: the credit goes back at its end


class Exchange:
    """A request that came over `link` under `number`, from its arrival to END or RESET."""

    __slots__ = (
        "_link",
        "_loan",
        "_parked",
        "_sequence",
        "_task",
        "_window",
        "_window_waiter",
        "arrival",
        "began_at",
        "body",
        "bytes_sent",
        "field_bytes",
        "has_begun",
        "is_done",
        "is_gone",
        "is_head",
        "is_refused",
        "log_parameters",
        "log_status",
        "method",
        "must_flush",
        "number",
        "overdue",
        "request",
        "target",
        "waits",
    )

    def __init__(self, link: Outlet, number: int, request: Request, body: WholeBody | StreamedBody) -> None:
        self._link = link
        self.number = number
        self.request = request
        self.body = body
        self.method = request.method  # as the client sent it, whatever filters make of it
        self.target = request.raw_target
        self.is_head = request.method == "HEAD"
        self.has_begun = False  # RESPONSE was sent
        self.is_done = False  # nothing more can be sent
        self.is_gone = False  # the client left
        self.is_refused = False  # the answer is the page of a refusal
        self.overdue: Overdue | None = None
        self.log_parameters = ""  # what the handler appends to the query field
        self.log_status = 0  # what it wants to be logged instead of the client's status
        self.must_flush = False  # STARTED lies in a queue: plugin code must wait until the kernel has it
        self.waits = False  # it has, or had, a task, or is parked
        self.began_at = 0.0  # see note_begin
        self.bytes_sent = 0  # of head and body so far
        self.field_bytes = 0  # of its header block
        self.arrival = 0  # the same number for requests that have come with one read; 0: nobody has counted
        self._task: asyncio.Task[None] | None = None
        self._parked: Parked | None = None
        self._window = INITIAL_RESPONSE_WINDOW
        self._window_waiter: asyncio.Future[None] | None = None
        self._sequence = 0
        self._loan: PipeLoan | None = None

    @property
    def front_place(self) -> int:
        """Which of the fronts that share the worker has sent it, from 0."""
        return self._link.place

    # --- its code

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The task of a request that has had to wait. One that was parked has one from now on."""
        parked, self._parked = self._parked, None
        if parked is not None:
            self._task = parked.become_task()
        return self._task

    @task.setter
    def task(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self.waits = True

    def park(self, parked: Parked | None) -> None:
        """It waits for a thread, or (None) goes on."""
        self._parked = parked
        self.waits = True

    def note_begin(self) -> None:
        """The worker takes it up, and a plugin will be told how long it has taken."""
        self.began_at = monotonic()

    # --- the answer

    def send_complete(self, flags: int, codes: tuple[int, int, int], head: bytes, body: bytes) -> None:
        """The whole answer in one frame; `codes` are status, substatus and win32 status. Ends the exchange."""
        if self._finish():
            link = self._link
            credit = link.give_back() if self.overdue is None else self._credit()
            if self.is_refused:
                flags |= _REFUSAL
            status, substatus, win32_status = codes
            frame = encode_response_parts(
                self.number, flags | _COMPLETE, credit, status, substatus, win32_status, head, body
            )
            link.queue(frame)

    def begin(self, flags: int, codes: tuple[int, int, int], head: bytes) -> None:
        """The head alone; data, files and `end` follow."""
        if not self.is_done and not self.has_begun:
            self.has_begun = True
            if self.is_refused:
                flags |= _REFUSAL
            self.bytes_sent = len(head)
            self._link.queue(encode_response_parts(self.number, flags, 0, *codes, head, b""))

    async def send_data(self, data: bytes) -> None:
        """A piece of the body, when the window allows. Raises ClientGone."""
        at = 0
        while at < len(data):
            room = await self._room()
            piece = data[at : at + min(room, MAX_DATA_BYTES)]
            at += len(piece)
            self._window -= len(piece)
            self.bytes_sent += len(piece)
            self._link.queue(encode(Kind.DATA, self.number, piece))

    async def send_file(self, descriptor: int, offset: int, length: int) -> None:
        """A piece of an open file, however long; the descriptor stays the caller's. Raises ClientGone."""
        if not length:
            return
        await self._room(FILE_WINDOW_BYTES)
        self._window -= FILE_WINDOW_BYTES
        self._link.queue(encode_file(self.number, self._sequence, offset, length))
        self._link.send_descriptor(self.number, self._sequence, os.dup(descriptor))
        self._sequence += 1
        self.bytes_sent += length

    @property
    def takes_pipes(self) -> bool:
        """Whether `send_pipe` may be called."""
        return self._link.takes_pipes

    async def send_pipe(self, lend: Callable[[], PipeLoan | None]) -> int:
        """What comes out of a pipe next, read by the front; how many bytes those were. Returns when the loan is over.
        Raises ClientGone, and what the loan does."""
        await self._room(FILE_WINDOW_BYTES)
        loan = lend()
        if loan is None:
            return 0
        self._window -= FILE_WINDOW_BYTES
        self._link.queue(encode_pipe(self.number, self._sequence, loan.most_bytes))
        self._link.send_descriptor(self.number, self._sequence, loan.descriptor)
        self._sequence += 1
        self._loan = loan
        sent = await loan.over()
        self.bytes_sent += sent
        return sent

    def log(self, frame: LogFrame) -> None:
        """Change the log line; before `end` or `send_complete`, once."""
        if not self.is_done:
            self._link.queue(encode_log(self.number, frame))

    def offer_to_cache(self, frame: CacheFrame) -> Callable[[], None]:
        """The front's cache may keep the complete answer that follows; what is returned takes that back."""
        self._link.queue(encode_cache(self.number, frame))
        return partial(self._link.invalidate, self.number)

    def end(self) -> None:
        """The body is complete. Ends the exchange."""
        if self._finish():
            self._link.queue(encode_end(self.number, self._credit()))

    def reset(self, status: int, substatus: int, reason: str) -> None:
        """The answer cannot be completed: `status` for the client when nothing was sent, else its connection is cut."""
        if self._finish():
            self._link.queue(encode_reset(self.number, status, substatus, self._credit(), reason))

    # --- the front's frames

    def open_window(self, count: int) -> None:
        """The front can take `count` bytes more."""
        self._window += count
        self._wake()

    def pipe_state(self, state: PipeState, taken_bytes: int) -> None:
        """What the front says of the pipe that it has been lent."""
        loan = self._loan
        if loan is None:
            return
        if state in (PipeState.FLOWS, PipeState.WAITS):
            loan.noted(taken_bytes, waits=state == PipeState.WAITS)
        else:
            self._loan = None
            loan.returned(taken_bytes, has_ended=state == PipeState.ENDED)

    def client_left(self) -> None:
        """Whatever waits for the client fails with ClientGone; the task is cancelled."""
        if not self.is_gone:
            self.is_gone = True
            self.body.client_left()
            self._wake()
            task = self.task
            if task is not None:
                task.cancel()

    async def started(self) -> None:
        """Returns when the kernel has STARTED. Raises ClientGone when the link broke first."""
        self.must_flush = False
        try:
            await self._link.flushed()
        except ConnectionError as error:
            raise ClientGone(str(error)) from error

    def return_credit(self) -> None:
        """The request's code has ended, after its answer."""
        self._link.return_credit()

    def _credit(self) -> int:
        is_kept = self.overdue is not None and self.overdue.keeps_credit
        return 0 if is_kept else self._link.give_back()

    def _finish(self) -> bool:
        if self.is_done:
            return False
        self.is_done = True
        self._link.forget(self.number)
        return True

    async def _room(self, wanted: int = 1) -> int:
        while self._window < wanted and not self.is_gone and not self.is_done:
            self._window_waiter = asyncio.get_running_loop().create_future()
            await self._window_waiter
        if self.is_gone or self.is_done:
            raise ClientGone("the client closed its connection")
        return self._window

    def _wake(self) -> None:
        if self._window_waiter is not None and not self._window_waiter.done():
            self._window_waiter.set_result(None)
