"""One program for one request, from its start to the end of its process tree, and the timer that looks after all.

Nothing waits for anything else: the body goes in while output comes out, standard error is drained at all times, and
output is read only as fast as the client takes it. The output ends when every process has closed it; or, when the
program itself has ended and a child of it keeps it open, after `SILENCE_SECONDS` without a byte.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from host.api import (
    HttpError,
    ProgramExit,
    ProgramLauncher,
    ResourceLimits,
    ScriptRun,
    StartedProgram,
    WarmStart,
)
from host.gateway import cgi_failures
from host.programs.error_pipe import ErrorPipe
from host.programs.gateway_run import PipedRun
from host.programs.lent_output import LentOutput
from host.programs.output_pipe import PIECE_BYTES, OutputPipe
from host.programs.request_input import RequestInput
from host.programs.time_limits import Overdue, RunFacts, TimeLimits, overdue

SILENCE_SECONDS: Final = 5.0
"""A background child that inherited the output is no part of the answer; five seconds without a byte tell it from
one that still writes the page. A program that wants to be sure closes its child's output or sends Content-Length."""

LOOK_SECONDS: Final = 0.5
"""The shared timer's period: the precision of all limits here."""

EXIT_SECONDS: Final = 1.0
"""After the output has ended the exit status follows at once; longer it is not waited for."""

_PATIENCE_SECONDS: Final = 0.01


@dataclass(slots=True, kw_only=True)  # a frozen one takes three times as long to make
class ProgramOrder:
    """What to run: `argv[0]` is an absolute path; `script` is the file, and its name for people; with
    `runs_as_its_user` who runs it is decided by the file (`cgi/@runAs`). `ended` is called when the program has ended.
    """

    argv: Sequence[bytes]
    environment: Mapping[bytes, bytes]
    directory: bytes
    request_id: str
    script: str
    time_limits: TimeLimits
    most_output_bytes: int = 0  # 0: any number
    limits: ResourceLimits | None = None
    warm: WarmStart | None = None
    ended: Callable[[], None] | None = None
    runs_as_its_user: bool = False
    has_private_temp: bool = False


class ProgramWatch:
    """What all programs of a worker share: who starts them, who is told, and one coarse timer."""

    def __init__(
        self,
        launcher: ProgramLauncher,
        report_event: Callable[[str, str], None],
        report_script: Callable[[ScriptRun], None],
    ) -> None:
        self.launcher = launcher
        self.report_event = report_event
        self.report_script = report_script
        self._runs: set[ProgramRun] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, run: ProgramRun) -> None:
        """Look after the run's limits until it is over."""
        self._runs.add(run)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def reporter(self, order: ProgramOrder) -> Callable[[str], None]:
        """Who is told each line of its standard error."""

        def report(line: str) -> None:
            self.report_event("cgi-stderr", f"{order.script} (request {order.request_id}): {line}")

        return report

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do `work` beside everything else."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def close(self) -> None:
        """The worker ends; its programs end with its socket to the spawner. To be called on the loop."""
        if self._timer is not None:
            self._timer.cancel()
        for run in self._runs:
            run.let_go()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._runs = {run for run in self._runs if not run.look(now)}
        self._timer = loop.call_later(LOOK_SECONDS, self._look) if self._runs else None


class ProgramRun(PipedRun):
    """A program that runs. One of `finish` and `abandon` must be called in the end."""

    def __init__(
        self,
        watch: ProgramWatch,
        order: ProgramOrder,
        source: RequestInput,
        program: StartedProgram,
        pipes: tuple[OutputPipe, ErrorPipe],
        started_at: float | None = None,
    ) -> None:
        self._watch = watch
        self._order = order
        self._input = source
        self._program = program
        self._output, self._errors = pipes
        self._started_at = asyncio.get_running_loop().time() if started_at is None else started_at
        self._answered_at = 0.0
        self._error = ""
        self._is_counted = False
        self._ended_at = 0.0
        self._is_killed = False
        if not source.is_held_back:
            self._begin_feeding()
        watch.add(self)

    @classmethod
    async def start(cls, watch: ProgramWatch, order: ProgramOrder, source: RequestInput) -> ProgramRun:
        """Start the program with `source`, opened, as its input, and return when it runs. Its body goes into the pipe
        meanwhile. Raises OSError with exec's or chdir's errno."""
        ours, stdout = os.pipe2(os.O_CLOEXEC)
        output = OutputPipe(ours)
        errors = None
        theirs = [stdout]
        try:
            ours, stderr = os.pipe2(os.O_CLOEXEC)
            theirs.append(stderr)
            errors = ErrorPipe(ours, watch.reporter(order))
            program = watch.launcher.start(
                order.argv,
                order.environment,
                directory=order.directory,
                descriptors=(source.descriptor, stdout, stderr),
                request_id=order.request_id,
                limits=order.limits,
                warm=order.warm,
                script=os.fsencode(order.script) if order.runs_as_its_user else b"",
                private_temp=order.has_private_temp,
            )
        except BaseException:
            output.close()
            if errors is not None:
                errors.close()
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
            source.close_descriptor()
        run = cls(watch, order, source, program, (output, errors))
        await run.started()
        return run

    async def started(self) -> None:
        """Return when it runs, or a time limit has passed: a reader is told. Raises OSError when it cannot be started.
        A body that its client holds back is waited for from now on."""
        try:
            await self._program.start()
        except asyncio.CancelledError:
            self.abandon("its request ended while it was started")
            raise
        except BaseException as error:
            self.let_go()
            if not (self._is_killed and isinstance(error, OSError)):
                raise
        if self._program.remark:
            self._watch.report_event("cgi-not-warm", self._program.remark)
        if not self._is_killed:
            self._begin_feeding()
        if self._order.ended is not None:
            self._watch.spawn(self._tell_end(self._order.ended))

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        """The next output; empty at the end, None when nothing came for `patience_seconds`.

        Raises HttpError 502.1 once a time limit has passed, 502.2 when it printed more than it may.
        """
        data = await self._output.read(patience_seconds)
        most = self._order.most_output_bytes
        if most and self._output.bytes_read > most and not self._answered_at:
            raise self._too_much(most)
        return data

    async def check_end(self, patience_seconds: float | None = None) -> bool:
        """The output has ended: raises HttpError 502.2 when a signal ended the program, whoever sent it. Output that
        ends so is not whole, as far as anybody knows. An exit status says nothing of the kind.

        False when the program has not ended after `patience_seconds`; one that works on after it has closed its
        output is waited for once, for `EXIT_SECONDS`, and not before its page has left.
        """
        ended = await self._exit(EXIT_SECONDS if patience_seconds is None else patience_seconds)
        if self._is_killed:  # somebody wanted no more of it and has been told why, or has left
            return True
        if ended is not None and ended.by_signal:
            raise await self.failure("its output is cut", in_body=True)
        if ended is None and patience_seconds is not None:
            return False
        self.finish()
        return True

    def lend(self, most_bytes: int, came_back: Callable[[int], None]) -> LentOutput | None:
        """As PipedRun; no more than the program may print."""
        output, most = self._output, self._order.most_output_bytes
        if most and not self._answered_at:
            most_bytes = min(most_bytes, most - output.bytes_read)
        if output.is_closed or self._is_killed or most_bytes <= 0:
            return None
        try:
            return LentOutput(output, most_bytes, came_back)
        except OSError:  # no descriptor is left
            return None

    async def failure(self, why: str, output: bytes = b"", *, in_body: bool = False) -> HttpError:
        """502.2 with everything that the program has said, which is also told to the event log.

        `in_body`: the program's headers were complete.
        """
        while len(output) < PIECE_BYTES and (more := await self.read(_PATIENCE_SECONDS)):
            output += more
        ended = await self._exit() if self._output.is_closed else None
        self._errors.drain()
        text, order = self._errors.text, self._order
        limits = order.limits
        event = cgi_failures.failure_event(order.script, order.request_id, why, ended, text, limits=limits)
        self._error = cgi_failures.error_in_brief(why, ended, text)
        self._answered()
        self._watch.report_event("cgi-failed", event)
        return cgi_failures.failed(order.script, why, ended, output, text, in_body=in_body, limits=limits)

    async def let_body_come(self) -> None:
        """The answer is about to begin before the program has ended: a body that is held back may be wanted."""
        await self._input.ask_for_body()

    def finish(self) -> None:
        """The answer is complete. What the program still prints is dropped; what it still does is its own business
        until the time limit."""
        self._answered()
        self._input.close()
        self._errors.drain()
        self._output.discard()

    def abandon(self, reason: str) -> None:
        """Nobody wants the answer any more: the whole process tree is killed."""
        self._answered()
        self._error = self._error or reason
        self._kill(reason)
        self._input.close()
        self._output.close()

    def let_go(self) -> None:
        """Close the pipes; nobody looks after the program any more."""
        self._input.close()
        self._output.close()
        self._errors.close()

    def look(self, now: float) -> bool:
        """Called by the shared timer: acts on what has passed. True when the run is over."""
        output, errors = self._output, self._errors
        output.look()
        if self._program.exit is not None and not self._ended_at:
            self._ended_at = now
        is_over = bool(self._ended_at) and output.is_closed
        if not self._is_killed and (limit := overdue(self._order.time_limits, self._facts(is_over), now)) is not None:
            self._time_out(limit)
        if not self._ended_at:
            return False
        if self._answered_at and not self._is_counted:
            self._count()
        if output.waits_since is not None and now - max(output.waits_since, self._ended_at) >= SILENCE_SECONDS:
            output.close()
        if is_over and now - max(errors.quiet_since, self._ended_at) >= SILENCE_SECONDS:
            errors.close()
        return output.is_closed and errors.is_closed

    def _answered(self) -> None:
        """What the client waits for is there, or will not come."""
        if not self._answered_at:
            self._answered_at = asyncio.get_running_loop().time()

    def _count(self) -> None:
        self._is_counted = True
        order = self._order
        self._watch.report_script(
            ScriptRun(
                script=order.script,
                request_id=order.request_id,
                seconds=self._answered_at - self._started_at,
                exit=cgi_failures.exit_in_brief(self._program.exit),
                is_warm=self._program.is_warm,
                error=self._error,
            )
        )

    def _facts(self, is_over: bool) -> RunFacts:
        output, source = self._output, self._input
        return RunFacts(
            started_at=self._started_at,
            is_over=is_over,
            is_answered=bool(self._answered_at),
            has_printed=output.bytes_read > 0,
            waits_since=output.waits_since,
            took_input_at=source.took_at,
            awaits_client=source.awaits_client,
        )

    def _time_out(self, limit: Overdue) -> None:
        order = self._order
        seconds = order.time_limits.seconds_of(limit)
        self._errors.drain()
        self._end("cgi-timeout", cgi_failures.overdue_in_brief(limit.value, seconds))
        self._output.fail(cgi_failures.timed_out(order.script, limit.value, seconds, self._errors.text))

    def _too_much(self, most_bytes: int) -> HttpError:
        """It has printed more than it may: it is ended, and what has not left of its output is dropped."""
        brief = f"printed more than {most_bytes // 1024} kilobytes and was ended"
        self._errors.drain()
        self._end("cgi-failed", brief)
        failure = cgi_failures.printed_too_much(self._order.script, brief, self._errors.text)
        self._output.fail(failure)
        return failure

    def _end(self, event: str, brief: str) -> None:
        """Kill it for something that it `brief`ly did, and tell the log."""
        order = self._order
        self._error = f"it {brief}"
        self._answered()
        self._watch.report_event(
            event, cgi_failures.ended_event(order.script, order.request_id, brief, self._errors.text)
        )
        self._kill(self._error)

    async def _tell_end(self, tell: Callable[[], None]) -> None:
        await self._program.wait()
        tell()

    def _kill(self, reason: str) -> None:
        if not self._is_killed:
            self._is_killed = True
            if self._program.exit is None or not self._output.is_closed:  # else nothing that we know of is left
                self._watch.spawn(self._program.kill(reason))

    def _begin_feeding(self) -> None:
        self._input.begin_feeding(self._watch.spawn, self._client_left)

    def _client_left(self) -> None:
        self.abandon("the client left")

    async def _exit(self, patience_seconds: float = EXIT_SECONDS) -> ProgramExit | None:
        """How the program ended, if it ends now."""
        if self._program.exit is not None:
            return self._program.exit
        try:
            async with asyncio.timeout(patience_seconds):  # wait_for would make a task for it
                return await self._program.wait()
        except TimeoutError:
            return None
