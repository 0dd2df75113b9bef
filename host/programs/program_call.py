"""A request that waits for a program and its short answer, and for nothing else: it needs no task of the event loop.

Nearly every program ends with its answer, and the answer fits into the pipe. So nothing of it is looked at before the
program has ended: then its output and what it said on standard error are read at once, and no pipe is ever registered
with the event loop. What turns out to be something else (output that goes on, a redirect, a failure, a child that keeps
the output open) goes on in a task, as a `ProgramRun`: there is one set of rules. A shared timer notices it.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable, Collection, Coroutine, Generator
from typing import Any, Final

from host.api import (
    HttpError,
    PendingResult,
    ProgramExit,
    Request,
    RequestBody,
    Response,
    ScriptRun,
    StartedProgram,
    ThreadAnswer,
)
from host.gateway import cgi_failures
from host.programs.error_pipe import ErrorPipe
from host.programs.gateway_answer import whole_answer
from host.programs.output_pipe import PIECE_BYTES, OutputPipe, held_bytes
from host.programs.program_run import LOOK_SECONDS, ProgramOrder, ProgramRun, ProgramWatch
from host.programs.request_input import PIPE_BYTES, RequestInput, filled_pipe

PROMPT_SECONDS: Final = 0.005
"""From one look at programs that have not ended to the next."""

_LOOKS_AT_OUTPUT: Final = 2
"""Output that has not ended after so many looks is on its way to the client from then on."""

_LOOKS_AT_END: Final = 10
"""So many looks a program may take to end after its output has."""

_RUNS_BESIDE: Final = 16
"""A script whose answer, or standard error, was larger than a pipe is not waited for with its next so many requests."""


_MUCH_SAID_BYTES: Final = PIECE_BYTES // 2
"""So much on standard error, and the program will soon wait for somebody who reads it."""


class ProgramCalls:
    """All of a worker's, and the timer that they share."""

    def __init__(self, watch: ProgramWatch) -> None:
        self.watch = watch
        self.null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        """What a program reads that has no body."""
        self._calls: set[ProgramCall] = set()
        self._pipes = select.poll()  # of all calls: one look at the clock asks the kernel once
        self._timer: asyncio.TimerHandle | None = None
        self._large: dict[str, int] = {}

    @staticmethod
    def holds(body: RequestBody) -> bool:
        """Whether it is here, and a pipe holds it: its program needs nobody who goes on writing."""
        length = body.length
        return length == 0 or (length is not None and length <= PIPE_BYTES and body.is_complete)

    @staticmethod
    def feeds(request: Request) -> bool:
        """Whether its body is one that a pipe does not hold, of known length, and no client waits to be asked for it:
        it is passed on while its program runs."""
        length = request.body.length
        return length is not None and length > PIPE_BYTES and not request.first_header("Expect")

    def expects(self, script: str) -> bool:
        """Whether its answer is likely to be a short one."""
        left = self._large.get(script, 0)
        if not left:
            return True
        if left == 1:
            del self._large[script]
        else:
            self._large[script] = left - 1
        return False

    def note_large(self, script: str) -> None:
        """What it prints is larger than a pipe."""
        self._large[script] = _RUNS_BESIDE

    def add(self, call: ProgramCall) -> None:
        """Look at it, and its pipes, now and then."""
        self._calls.add(call)
        self._pipes.register(call.output_at, select.POLLIN)
        self._pipes.register(call.errors_at, select.POLLIN)
        if self._timer is None:
            self._timer = call.loop.call_later(PROMPT_SECONDS, self._look, call.loop)

    def discard(self, call: ProgramCall) -> None:
        """Look at it no more; its pipes are still open."""
        if call in self._calls:
            self._calls.remove(call)
            self._pipes.unregister(call.output_at)
            self._pipes.unregister(call.errors_at)

    def close(self) -> None:
        """The worker ends."""
        if self._timer is not None:
            self._timer.cancel()
        os.close(self.null)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        try:
            speaking = {pipe for pipe, _ in self._pipes.poll(0)}
            for call in list(self._calls):
                try:
                    call.look(now, speaking)
                except OSError:  # somebody has closed its pipes: it hears so in its task, and the others are looked at
                    call.settle()
        finally:  # one that cannot be looked at must not leave the others unseen
            self._timer = loop.call_later(PROMPT_SECONDS, self._look, loop) if self._calls else None


class ProgramCall(ThreadAnswer):
    """To be awaited for the response. `go_on` answers with a program that is to be read, in a task; `refuse` is what
    becomes of one that could not be started."""

    __slots__ = (
        "_calls",
        "_go_on",
        "_is_read",
        "_looks",
        "_order",
        "_output",
        "_pending",
        "_program",
        "_refuse",
        "_request",
        "_response",
        "_run",
        "_source",
        "_started_at",
        "cr_await",
        "errors_at",
        "loop",
        "output_at",
    )

    def __init__(
        self,
        calls: ProgramCalls,
        order: ProgramOrder,
        request: Request,
        body: bytes | RequestInput,
        pending: PendingResult,
        go_on: Callable[[Request, ProgramRun], Coroutine[Any, Any, Response]],
        refuse: Callable[[OSError], HttpError],
    ) -> None:
        """Starts it; `body` is what it reads, of no more than a pipe holds, or is open and to be fed. Raises OSError
        when that cannot be asked for."""
        self._calls = calls
        self._order = order
        self._request = request
        self._pending = pending
        self._go_on = go_on
        self._refuse = refuse
        self._output = b""
        self._is_read = False
        self._looks = 0
        self._response: Response | None = None
        self._run: ProgramRun | None = None  # of one whose client has left in the middle of its body
        self._source = body if isinstance(body, RequestInput) else None
        self.cr_await: Coroutine[Any, Any, Response] | None = None
        self.loop = asyncio.get_running_loop()
        self._started_at = self.loop.time()
        self.output_at, self.errors_at, self._program = self._start(body)
        calls.add(self)
        if self._source is not None:
            self._source.begin_feeding(calls.watch.spawn, self._client_left)

    def __await__(self) -> Generator[Any, None, Response]:
        """The response. Raises HttpError."""
        try:
            yield from self._pending.__await__()
            if self._response is None:
                yield  # the rest is done in a task, which may be cancelled before its first step
        except BaseException:
            self._let_go()
            raise
        if self._response is None:
            self._response = yield from self._in_task().__await__()
        return self._response

    def waits_for(self) -> PendingResult:
        """The end of the program, or what shows that there is more to do."""
        return self._pending

    def response_at_once(self) -> Response | None:
        """The response, if the answer was short and came whole."""
        return self._response

    def look(self, now: float, speaking: Collection[int]) -> None:
        """Called by the shared timer: it may be something else than a short answer. `speaking` are the pipes that have
        something to be read, or have ended."""
        if self.output_at in speaking:
            self._read()
        says_much = self.errors_at in speaking and held_bytes(self.errors_at) >= _MUCH_SAID_BYTES
        if says_much or len(self._output) >= PIECE_BYTES:
            self._calls.note_large(self._order.script)
            self.settle()
            return
        if self._output or self._is_read:
            self._looks += 1
        most = _LOOKS_AT_END if self._is_read else _LOOKS_AT_OUTPUT
        if self._looks >= most or now - self._started_at >= LOOK_SECONDS:
            self.settle()

    def told(self) -> None:
        """The program has ended, or could not be started."""
        if self._pending.done() or self.output_at < 0:  # a task goes on with it, or nobody does
            return
        self._calls.discard(self)
        program = self._program
        if program.failure is None:
            self._read()
            ended = program.exit
            most = self._order.most_output_bytes
            if self._is_read and ended is not None and not ended.by_signal and not 0 < most < len(self._output):
                self._response = whole_answer(self._request, self._output)
                if self._response is not None:
                    self._finish(ended)
        self.settle()

    cr_frame: Final = None
    """As a coroutine has it: reports about requests that hang follow `cr_await` to the plugin's code in the task."""

    # --- inside

    def _start(self, body: bytes | RequestInput) -> tuple[int, int, StartedProgram]:
        order = self._order
        made: list[int] = []
        stdin = self._calls.null
        try:
            if isinstance(body, RequestInput):
                stdin = body.descriptor
            elif body:
                made.append(stdin := filled_pipe(body))
            made += os.pipe2(os.O_CLOEXEC)
            made += os.pipe2(os.O_CLOEXEC)
            output, stdout, errors, stderr = made[-4:]
            os.set_blocking(output, False)
            os.set_blocking(errors, False)
            program = self._calls.watch.launcher.start(
                order.argv,
                order.environment,
                directory=order.directory,
                descriptors=(stdin, stdout, stderr),
                request_id=order.request_id,
                limits=order.limits,
                warm=order.warm,
                script=os.fsencode(order.script) if order.runs_as_its_user else b"",
                private_temp=order.has_private_temp,
                told=self.told,
            )
        except BaseException:
            for descriptor in made:
                os.close(descriptor)
            if isinstance(body, RequestInput):
                body.close()
            raise
        os.close(stdout)
        os.close(stderr)
        if isinstance(body, RequestInput):
            body.close_descriptor()
        elif body:
            os.close(stdin)
        return output, errors, program

    def settle(self) -> None:
        """It is looked at no more; whoever waits for it goes on."""
        self._calls.discard(self)
        if not self._pending.done():  # it is when a task that waits for it has just been cancelled
            self._pending.set_result(None)

    def _read(self) -> None:
        """Take what is there, as far as it is a short answer."""
        try:
            while not self._is_read and len(self._output) < PIECE_BYTES:
                data = os.read(self.output_at, PIECE_BYTES)
                if data:
                    self._output += data
                else:
                    self._is_read = True
        except BlockingIOError:
            pass

    def _finish(self, ended: ProgramExit) -> None:
        """The answer is complete and the program has ended."""
        try:
            said = os.read(self.errors_at, PIECE_BYTES)
        except BlockingIOError:
            said = None
        if said != b"":  # or a child of it may still say something
            self._tell_remark()
            self._as_run(said or b"").finish()
            return
        self._close()
        self._tell_remark()
        order = self._order
        self._calls.watch.report_script(
            ScriptRun(
                script=order.script,
                request_id=order.request_id,
                seconds=self.loop.time() - self._started_at,
                exit=cgi_failures.exit_in_brief(ended),
                is_warm=self._program.is_warm,
            )
        )

    async def _in_task(self) -> Response:
        run = self._run or self._as_run()  # its time limits count while it is started, too
        try:
            await run.started()
        except OSError as error:
            raise self._refuse(error) from error
        self.cr_await = self._go_on(self._request, run)
        return await self.cr_await

    def _as_run(self, said: bytes = b"") -> ProgramRun:
        """It is looked after as any other from now on; `said` was read from its standard error."""
        order, watch = self._order, self._calls.watch
        pipes = OutputPipe(self.output_at, self._output), ErrorPipe(self.errors_at, watch.reporter(order), said)
        self.output_at = self.errors_at = -1
        source = self._source or RequestInput(self._request.body)
        return ProgramRun(watch, order, source, self._program, pipes, started_at=self._started_at)

    def _tell_remark(self) -> None:
        if self._program.remark:
            self._calls.watch.report_event("cgi-not-warm", self._program.remark)

    def _let_go(self) -> None:
        """Nobody waits for the response any more."""
        self._calls.discard(self)
        if self.output_at >= 0:
            self._as_run().abandon("the client left")

    def _client_left(self) -> None:
        """In the middle of its body."""
        self._calls.discard(self)
        self._run = self._as_run()
        self._run.abandon("the client left")
        self.settle()

    def _close(self) -> None:
        if self._source is not None:
            self._source.close()
        for descriptor in (self.output_at, self.errors_at):
            if descriptor >= 0:
                os.close(descriptor)
        self.output_at = self.errors_at = -1
