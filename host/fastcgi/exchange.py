"""One request and one process: records out, output and error text in, and every way in which it can end.

The process is free again (`Owner.release`) when its END_REQUEST has come; until then it is busy, whatever has become of
the client. One that passes a limit, breaks the protocol, or goes on after it was told to abort is ended.
"""

from __future__ import annotations

import asyncio
from typing import Final

from host.api import ClientGone, HttpError
from host.fastcgi import failures
from host.fastcgi.connection import FastCgiConnection
from host.fastcgi.instance import Instance
from host.fastcgi.policy import ERROR_TEXT_VERDICTS, ErrorTextVerdict, Overdue, overdue
from host.fastcgi.roles import Awaiter, Owner
from host.gateway.cgi_failures import failed, failure_event, server_failed, server_failure_event
from host.gateway.error_output import ErrorOutput
from host.gateway.fastcgi_records import (
    EndRequest,
    ProtocolStatus,
    RecordType,
    encode_begin,
    encode_bodyless,
    encode_params,
    encode_record,
    encode_stream,
)
from host.programs.gateway_run import StaleRun
from host.programs.output_body import GATHER_SECONDS
from host.programs.output_pipe import PIECE_BYTES
from host.programs.output_stream import OutputStream
from host.programs.request_pieces import RequestPieces

ABORT_SECONDS: Final = 5.0
"""A process that was told to abort its request and has not ended it by then is ended."""

EXIT_SECONDS: Final = 1.0
"""A process that has closed its connection is dead or dying: its exit status is waited for no longer."""


class FastCgiExchange:
    """`start` it, read it (`programs/gateway_run.py`); it ends by `finish` or `abandon`."""

    __slots__ = (
        "_abort_at",
        "_awaiter",
        "_began_at",
        "_connection",
        "_error_output",
        "_explainer",
        "_feeder",
        "_gathered",
        "_gathering",
        "_has_heard",
        "_has_left",
        "_instance",
        "_is_all_sent",
        "_is_over",
        "_loop",
        "_number",
        "_output_stream",
        "_owner",
        "_request_id",
        "_script",
        "_source",
        "_verdict",
        "_waits_for_client",
        "_was_gathered",
    )

    def __init__(self, owner: Owner, instance: Instance, script: str, request_id: str) -> None:
        self._owner = owner
        self._instance = instance
        self._script = script
        self._request_id = request_id
        assert instance.connection is not None
        self._connection: FastCgiConnection = instance.connection
        self._loop = self._connection.loop
        self._output_stream: OutputStream | None = None  # this one and the next are made when they are wanted
        self._error_output: ErrorOutput | None = None
        self._awaiter: Awaiter | None = None
        self._gathered = b""
        self._gathering: asyncio.TimerHandle | None = None
        self._was_gathered = False
        self._began_at = self._loop.time()
        self._abort_at: float | None = None
        self._source: RequestPieces | None = None
        self._feeder: asyncio.Task[None] | None = None
        self._explainer: asyncio.Task[None] | None = None
        self._is_all_sent = False
        self._waits_for_client = False
        self._has_heard = False
        self._has_left = False
        self._verdict = ErrorTextVerdict.PASS
        self._is_over = False
        self._number = 0  # its id on the connection

    def start(
        self, pairs: bytes, source: RequestPieces, *, keeps_connection: bool, awaiter: Awaiter | None = None
    ) -> None:
        """Send the request, whose variables are `pairs` (`encode_pairs`). Raises MalformedRecord when the connection
        was spoiled meanwhile. `awaiter` is only for a body that is whole."""
        number = self._number = self._connection.begin(self, keeps_connection=keeps_connection)
        if source.is_whole and not source.first:
            beginning = encode_bodyless(number, pairs, keeps_connection=keeps_connection)
        else:
            beginning = encode_begin(number, keeps_connection=keeps_connection) + encode_params(number, pairs)
            if source.first:
                beginning += encode_stream(RecordType.STDIN, number, source.first)
            if source.is_whole:
                beginning += encode_record(RecordType.STDIN, number)
        self._connection.write(beginning)
        if source.is_whole:
            self._is_all_sent = True
            self._awaiter = awaiter
        else:
            self._source = source
            self._feeder = self._loop.create_task(self._feed(source))

    # --- what the answer's reader calls

    async def read(self, patience_seconds: float | None = None) -> bytes | None:
        """As GatewayRun. Raises StaleRun before the first byte, and HttpError."""
        if self._was_gathered and patience_seconds is not None:
            patience_seconds = 0.0  # it has been had
        data = await self._output.read(patience_seconds)
        if self._verdict is not ErrorTextVerdict.PASS:
            while data != b"":  # the whole error text is wanted: it has come when the answer ends
                data = await self._output.read()
            self._owner.report("fastcgi-failed", f"{self.name}: an error text came before the answer")
            is_told = self._verdict is ErrorTextVerdict.REFUSE_AND_TELL
            raise failures.error_text(self._script, self._errors, is_told=is_told)
        return data

    async def check_end(self, patience_seconds: float | None = None) -> bool:  # noqa: ARG002  it is known
        """The output has ended with END_REQUEST: it is whole. The application's own status is its own business."""
        self.finish()
        return True

    async def failure(self, why: str, output: bytes = b"", *, in_body: bool = False) -> HttpError:
        """502.2 as for a CGI program."""
        if not self._instance.pid:
            server = f"the FastCGI server {self._owner.settings.full_path}"
            self._owner.report("fastcgi-failed", server_failure_event(server, self.name, why))
            return server_failed(server, self._script, why, output, in_body=in_body)
        event = failure_event(self._script, self._request_id, why, self._instance.exit, self._errors)
        self._owner.report("fastcgi-failed", event)
        return failed(self._script, why, self._instance.exit, output, self._errors, in_body=in_body)

    def head_has_left(self) -> None:
        """The response is on its way: error text cannot replace it any more."""
        self._has_left = True

    def finish(self) -> None:
        """As GatewayRun: the process may still work until its limits."""
        self._has_left = True
        self._output.discard()
        self._stop_feeding()

    def abandon(self, reason: str) -> None:
        """As GatewayRun: ABORT_REQUEST, and the end of a process that goes on all the same."""
        self._has_left = True
        self._forget_awaiter()
        self._output.discard()
        if not self._is_over and self._abort_at is None:
            if self._instance.pid:
                self._abort_at = self._loop.time() + ABORT_SECONDS
                self._connection.write(encode_record(RecordType.ABORT_REQUEST, self._number))
            else:
                self._give_up(reason, is_failure=False)
        self._stop_feeding()

    # --- what the connection calls

    def answered(self, output: bytes, end: EndRequest) -> None:
        """All of FCGI_STDOUT, and END_REQUEST: the process is free before anything is made of it."""
        awaiter = self._awaiter
        if awaiter is None or end.protocol_status or self._error_output is not None:
            self.received_output(output)
            self.ended(end)
            return
        self._forget_awaiter()
        if self._gathered:
            output, self._gathered = self._gathered + output, b""
        self._is_over = True
        self._owner.release(self._instance)
        if not awaiter.take(output):
            self._output.feed(output)
            self._output.end()
            awaiter.wake()

    def received_output(self, data: bytes) -> None:
        """FCGI_STDOUT."""
        self._has_heard = True
        if self._awaiter is None:
            self._output.feed(data)
            return
        self._gathered += data
        if len(self._gathered) > PIECE_BYTES:
            self._wake()
        elif self._gathering is None:
            self._gathering = self._loop.call_later(GATHER_SECONDS, self._gather_no_more)

    def received_error_text(self, data: bytes) -> None:
        """FCGI_STDERR: lines for the event log, and perhaps the end of the answer."""
        self._has_heard = True
        self._wake()
        for line in self._errors.receive(data):
            self._owner.report("fastcgi-stderr", f"{self.name}: {line}")
        if self._has_left or self._verdict is not ErrorTextVerdict.PASS:
            return
        self._verdict = ERROR_TEXT_VERDICTS[self._owner.settings.stderr_mode]
        if self._verdict is not ErrorTextVerdict.PASS:
            self._output.discard()
        if self._verdict is ErrorTextVerdict.REFUSE_AND_END:
            self._give_up("it wrote to its error stream", is_failure=True)
            self._output.end()

    def ended(self, end: EndRequest) -> None:
        """END_REQUEST: the process is free."""
        self._has_heard = True
        if self._awaiter is not None and self._gathered and not end.protocol_status and self._error_output is None:
            self.answered(b"", end)
            return
        self._wake()
        for line in self._errors.receive_end():
            self._owner.report("fastcgi-stderr", f"{self.name}: {line}")
        if end.protocol_status == ProtocolStatus.REQUEST_COMPLETE:
            self._output.end()
        else:
            self._output.fail(failures.refused(self._owner.settings, _name_of(end.protocol_status)))
        if not self._is_all_sent or self._abort_at is not None:
            # The rest must not be taken for the next request; and an abort that comes behind the answer makes php-cgi
            # close the connection, perhaps when the next request is on its way.
            self._connection.close()
        self._settle()
        self._owner.release(self._instance)

    def broken(self, why: str, *, is_stray: bool) -> None:
        """No FastCGI. What is stray is the fault of the request before: another process may get this one."""
        failure = failures.broken(self._owner.settings, why)
        self._owner.report("fastcgi-failed", f"{self.name}: {failure.detail}")
        is_stale = is_stray and not self._has_heard and self._is_all_sent and self._abort_at is None
        self._output.fail(StaleRun() if is_stale else failure)
        self._give_up(failure.detail, is_failure=True)

    def lost(self) -> None:
        """The connection was closed before the end."""
        is_stale = not self._has_heard and self._instance.served > 0 and self._is_all_sent
        if is_stale and self._abort_at is None:
            self._settle()
            self._owner.take_back(self._instance)
            self._output.fail(StaleRun())
        else:
            self._explainer = self._loop.create_task(self._explain_loss())

    # --- limits

    @property
    def owes_something(self) -> bool:
        """Whether the process is to say or to read something now: not while the client is slow to send or to take."""
        output = self._output_stream
        return (output is None or not output.is_held) and (
            not self._waits_for_client or self._connection.waits_for_process
        )

    def look(self, now: float) -> None:
        """Called by the shared timer."""
        if self._is_over:
            return
        settings = self._owner.settings
        limit = overdue(
            now,
            self._began_at,
            self._connection.last_heard if self.owes_something else None,
            activity_seconds=settings.activity_timeout_seconds,
            request_seconds=settings.request_timeout_seconds,
        )
        if limit is not None:
            self._time_out(limit)
        elif self._abort_at is not None and now >= self._abort_at:
            self._give_up("it went on after its client had left", is_failure=False)

    def _time_out(self, limit: Overdue) -> None:
        failure = failures.timed_out(self._owner.settings, limit)
        self._owner.report("fastcgi-timeout", f"{self.name}: {failure.detail}")
        self._output.fail(failure)
        self._give_up(failure.detail, is_failure=True)

    # --- inside

    @property
    def name(self) -> str:
        """The script and the request, for the event log."""
        return f"{self._script} (request {self._request_id})"

    @property
    def _output(self) -> OutputStream:
        """What is read; whoever waits without reading is woken."""
        stream = self._output_stream
        if stream is None:
            stream = self._output_stream = OutputStream(self._loop, self._connection.hold)
            self._wake()
        return stream

    @property
    def _errors(self) -> ErrorOutput:
        if self._error_output is None:
            self._error_output = ErrorOutput()
        return self._error_output

    def _forget_awaiter(self) -> None:
        self._awaiter = None
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None

    def _gather_no_more(self) -> None:
        self._was_gathered = True
        self._wake()

    def _wake(self) -> None:
        """It takes reading; what has been gathered comes first."""
        awaiter = self._awaiter
        if awaiter is not None:
            self._forget_awaiter()
            gathered, self._gathered = self._gathered, b""
            if gathered:
                self._output.feed(gathered)
            awaiter.wake()

    async def _explain_loss(self) -> None:
        """The exit status of a process that has closed its connection follows at once, or it is no exit."""
        instance = self._instance
        ended = instance.exit
        if instance.pid and ended is None:
            try:
                ended = await asyncio.wait_for(instance.wait(), EXIT_SECONDS)
            except TimeoutError:
                ended = None
        failure = failures.exited(self._owner.settings, ended, self._errors)
        if self._abort_at is None:
            self._owner.report("fastcgi-failed", f"{self.name}: {failure.detail.partition(chr(10))[0]}")
        self._output.fail(failure)
        self._give_up(failure.detail, is_failure=self._abort_at is None)

    def _give_up(self, reason: str, *, is_failure: bool) -> None:
        """The process has no use any more."""
        if not self._is_over:
            self._settle()
            self._connection.close()
            self._owner.discard(self._instance, f"{reason} (request {self._request_id})", is_failure=is_failure)

    def _settle(self) -> None:
        self._is_over = True
        self._stop_feeding()

    def _stop_feeding(self) -> None:
        """The rest of the body is not wanted: whoever reads it is told that it ends here."""
        if self._feeder is not None:
            self._feeder.cancel()
            self._feeder = None
            if not self._is_over:
                self._connection.write(encode_record(RecordType.STDIN, self._number))
        if self._source is not None:
            self._source.close()

    async def _feed(self, source: RequestPieces) -> None:
        try:
            self._waits_for_client = True
            while piece := await source.read_some():
                self._waits_for_client = False
                self._connection.write(encode_stream(RecordType.STDIN, self._number, piece))
                await self._connection.drained()
                self._waits_for_client = True
            self._waits_for_client = False
            self._connection.last_heard = self._loop.time()
            self._connection.write(encode_record(RecordType.STDIN, self._number))
            self._is_all_sent = True
            self._feeder = None
        except (ClientGone, HttpError) as error:  # HttpError: a filter's limit for bodies
            self._output.fail(error)
            self.abandon(str(error))


def _name_of(protocol_status: int) -> str:
    try:
        return ProtocolStatus(protocol_status).name
    except ValueError:
        return f"protocol status {protocol_status}"
