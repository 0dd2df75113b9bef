"""CGI programs: IIS's CgiModule, RFC 3875.

A request walks down this file: which command line, which environment, start, what the head of the output asks for.
The program itself is started by the pool's parent; `host/programs` holds its pipes. A run ends in one of these ways:
- the program closes its output: the answer is complete, whatever the exit status says (good output wins);
- the bytes its Content-Length promised have come: the answer is complete, what follows is read and dropped;
- the program has ended, a child of it keeps the output open, and nothing came for five seconds: complete;
- a time limit of `<cgi>` passes, it prints more than it may, or the client leaves: the whole process tree is killed.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import stat
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple

from host.api import ApplicationInfo, HandlerInfo, HttpError, PluginContext, Request, Response, WarmStart, hookimpl
from host.gateway import cgi_failures
from host.gateway.arguments import query_words
from host.gateway.environment import meta_variables
from host.gateway.first_line import FirstLine, command_by_extension, own_command, read_first_line
from host.gateway.inherited import inherited_variables
from host.gateway.interpreter import LONGEST_SHEBANG, processor_command, shebang_command
from host.gateway.perl_preamble import LONGEST_PREAMBLE
from host.gateway.warm_command import warm_processor, warm_shebang
from host.programs.gateway_answer import respond
from host.programs.instances import Instances
from host.programs.legacy_cgi import LegacyCgi
from host.programs.output_body import OutputBody
from host.programs.program_call import ProgramCall, ProgramCalls
from host.programs.program_run import ProgramOrder, ProgramRun, ProgramWatch
from host.programs.request_input import RequestInput
from host.programs.time_limits import TimeLimits

KNOWN_STARTS: Final = 1000
"""Scripts whose first line a worker remembers."""

POOLS_USER: Final = "Pool"
"""`cgi/@runAs` unless somebody has written another one."""

_STATUS_LINE: Final = re.compile(rb"HTTP/\d(?:\.\d)? +([2-5]\d\d)")


@hookimpl
def module_names() -> Sequence[str]:
    return ("CgiModule",)


@hookimpl
def in_process_only() -> bool:
    return True


@hookimpl
def load(context: PluginContext) -> None:
    _loaded.append(CgiModule(context))


@hookimpl
def unload(context: PluginContext) -> None:
    while _loaded:
        _loaded.pop().close()


@hookimpl
def handler_info() -> HandlerInfo:
    return HandlerInfo(quick=True)


@hookimpl
def handle(request: Request) -> Awaitable[Response]:
    return _loaded[-1].answer(request)


async def answer_with(request: Request, run: ProgramRun) -> Response:
    """What the program answers. Raises HttpError."""
    try:
        if _speaks_http(request):
            response = await respond_raw(run)
        else:
            response = await respond(request, run)
        if isinstance(response.body, OutputBody):
            await run.let_body_come()
        return response
    except HttpError as error:
        run.abandon(str(error))
        raise
    except BaseException:
        run.abandon("the client left")
        raise


class Command(NamedTuple):
    """What to execute, and in which folder; `interpreter` is what the script's first line names, `runner` what may be a
    Python for it, whose PYTHONPATH gets `python_path`."""

    argv: list[bytes]
    folder: bytes
    interpreter: str = ""
    runner: bytes = b""
    start: bytes = b""  # of the script's text, as far as who runs it asks for it
    by_processor: bool = False
    python_path: bytes = b""


class _Script(NamedTuple):
    """What is remembered of a script's file, as long as its `stamp` is the same: its first bytes, if they are text of a
    script, what the `#!` line says, its path and its folder's."""

    stamp: tuple[int, int, int]
    start: bytes
    line: FirstLine | None
    raw_path: bytes
    raw_folder: bytes


class CgiModule:
    """What all requests of a worker share."""

    def __init__(self, context: PluginContext) -> None:
        self._watch = ProgramWatch(context.launcher, context.report_event, context.report_script)
        self._report_event = context.report_event
        self._inherited = inherited_variables(os.environb)
        self._legacy_cgi = LegacyCgi(
            context.launcher, self._inherited, lambda text: context.report_event("plugin-warning", text)
        )
        self._calls = ProgramCalls(self._watch)
        self._pending_result = context.threads.pending_result
        self._instances = Instances()
        self._scripts: dict[str, _Script] = {}
        self._lasting: dict[tuple[int, str, bytes], tuple[ApplicationInfo, dict[bytes, bytes]]] = {}

    def close(self) -> None:
        """The worker ends."""
        self._calls.close()
        self._watch.close()
        self._legacy_cgi.close()

    def command(self, request: Request) -> Command:
        """The command line for the script; no shell is involved. Raises HttpError."""
        script = request.physical_path
        if request.path_info and not request.settings.cgi.accept_path_info:
            raise cgi_failures.no_path_info(script, request.path_info)
        try:
            status = os.stat(script)
        except (OSError, ValueError) as error:
            raise cgi_failures.no_such_script(script, error) from error
        if not stat.S_ISREG(status.st_mode):
            raise cgi_failures.no_such_script(script, None)
        words = query_words(request.method, request.raw_query)
        processor = request.mapping.script_processor if request.mapping is not None else ""
        if processor:
            known = self._look_at(script, status)
            try:
                argv = processor_command(processor, known.raw_path, words)
            except ValueError as error:
                raise cgi_failures.bad_processor(processor, str(error)) from error
            refuse_unlisted(request, os.fsdecode(argv[0]), processor)
            text = known.start if b"perl" in argv[0] else b""
            return Command(argv, known.raw_folder, "", argv[0], text, by_processor=True)
        refuse_unlisted(request, script)
        if not status.st_mode & 0o111:
            raise cgi_failures.not_executable(script)
        _, start, line, raw_path, raw_folder = self._look_at(script, status)
        argv = [raw_path, *words]
        interpreters = request.settings.cgi.language_interpreters
        if line is None:
            own = command_by_extension(raw_path, start, interpreters) if interpreters else None
            if own is not None:
                return Command([*own, *argv], raw_folder, "", own[0], start, by_processor=True)
            return Command(argv, raw_folder, start=start)
        named = os.fsdecode(line.program)
        if (interpreters or not line.is_linuxs) and (
            own := own_command(line, interpreters, self._is_there)
        ) is not None:
            return Command([*own, *argv], raw_folder, named, own[0], start, by_processor=True)
        interpreter = (shebang_command(start) or [b""])[0]
        return Command(argv, raw_folder, named, interpreter, start)

    def _is_there(self, program: bytes) -> bool:
        search_path = os.fsdecode(self._inherited.get(b"PATH", b""))
        return shutil.which(os.fsdecode(program), path=search_path) is not None

    def answer(self, request: Request) -> Awaitable[Response]:
        """The response, to be awaited. Raises HttpError."""
        command = self.command(request)
        body = request.body
        holds = self._calls.holds(body)
        is_likely_short = (
            (holds or self._calls.feeds(request))
            and not request.settings.cgi.instances.most
            and not _speaks_http(request)
            and self._legacy_cgi.needs_nothing(command.runner)
            and self._calls.expects(request.physical_path)
        )
        if not is_likely_short:
            return self._answer_in_task(request, command)
        if not holds:
            return self._call(request, command, body.length, RequestInput(body))
        content = body.read_blocking() if body.length else b""
        length = len(content) if content or request.first_header("Content-Length") else None
        return self._call(request, command, length, content)

    def _call(
        self, request: Request, command: Command, length: int | None, content: bytes | RequestInput
    ) -> ProgramCall:
        order = self._order(request, command, length, None)
        refuse = functools.partial(self._refused, request, command)
        try:
            if isinstance(content, RequestInput):
                content.open_large()
            return ProgramCall(self._calls, order, request, content, self._pending_result(), answer_with, refuse)
        except OSError as error:
            raise refuse(error) from error

    async def _answer_in_task(self, request: Request, command: Command) -> Response:
        return await answer_with(request, await self.run(request, command))

    async def run(self, request: Request, command: Command) -> ProgramRun:
        """Start the program for `request`, in its turn. Raises HttpError; ClientGone when the client leaves while its
        body is awaited."""
        command = command._replace(python_path=await self._legacy_cgi.folder_for(command.runner))
        instances = request.settings.cgi.instances
        if not instances.most:
            return await self._start(request, command, None)
        leave = await self._instances.enter(instances)
        try:
            return await self._start(request, command, leave)
        except BaseException:
            leave()
            raise

    async def _start(self, request: Request, command: Command, ended: Callable[[], None] | None) -> ProgramRun:
        source = RequestInput(request.body)
        try:
            fields = request.headers
            expects_continue = request.body.length != 0 and fields.get("Expect").lower() == "100-continue"
            await source.open(announces_length="Content-Length" in fields, expects_continue=expects_continue)
            return await ProgramRun.start(self._watch, self._order(request, command, source.length, ended), source)
        except OSError as error:
            source.close()
            raise self._refused(request, command, error) from error
        except BaseException:
            source.close()
            raise

    def _order(
        self, request: Request, command: Command, content_length: int | None, ended: Callable[[], None] | None
    ) -> ProgramOrder:
        cgi = request.settings.cgi
        lasting = self._lasting_environment(request, command)
        variables = meta_variables(request, content_length=content_length, pass_authorization=cgi.pass_authorization)
        return ProgramOrder(
            argv=command.argv,
            environment=lasting | variables,
            directory=command.folder,
            request_id=request.id,
            script=request.physical_path,
            time_limits=time_limits(request),
            most_output_bytes=cgi.most_output_bytes,
            limits=cgi.limits,
            warm=self._warm_start(request, command, lasting, variables),
            ended=ended,
            runs_as_its_user=cgi.run_as != POOLS_USER,
            has_private_temp=cgi.has_private_temp,
        )

    def _refused(self, request: Request, command: Command, error: OSError) -> HttpError:
        """The program could not be started, which the log is told, too."""
        failure = cgi_failures.launch_failure(error, command.argv, command.interpreter, command.start)
        self._report_event("cgi-failed", cgi_failures.refusal_event(request.id, failure))
        return failure

    def _lasting_environment(self, request: Request, command: Command) -> dict[bytes, bytes]:
        """What every request for the script is given: the server's variables, the pool's, and PYTHONPATH. Remembered
        for each application; nobody changes it."""
        application = request.application
        key = (application.site_id, application.path, command.python_path)
        known = self._lasting.get(key)
        if known is None or known[0] is not application:
            of_pool = {os.fsencode(name): os.fsencode(value) for name, value in application.environment.items()}
            environment = self._inherited | of_pool
            if command.python_path:
                own = environment.get(b"PYTHONPATH")
                environment[b"PYTHONPATH"] = own + b":" + command.python_path if own else command.python_path
            known = self._lasting[key] = application, environment
        return known[1]

    @staticmethod
    def _warm_start(
        request: Request, command: Command, lasting: dict[bytes, bytes], variables: dict[bytes, bytes]
    ) -> WarmStart | None:
        """How a warm interpreter would run `command`, if it is one for it."""
        if request.settings.cgi.interpreters != "warm" or request.settings.cgi.run_as != POOLS_USER:
            return None
        if not command.by_processor and not command.start.startswith(b"#!"):
            return None  # a program: nothing else is to be looked at
        own = {*variables, b"TMPDIR"} if request.settings.cgi.has_private_temp else variables
        names = [name for name in lasting if name not in own]
        if command.by_processor:
            return warm_processor(command.argv, os.fsencode(request.physical_path), command.start, names)

        search_path = lasting.get(b"PATH", b"")
        return warm_shebang(command.argv, command.start, names, lambda name: find_program(name, search_path))

    def _look_at(self, script: str, status: os.stat_result) -> _Script:
        """What is to be known of the file; read again when it has changed."""
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        known = self._scripts.get(script)
        if known is None or known.stamp != stamp:
            try:
                with open(script, "rb", buffering=0) as file:
                    start = file.read(LONGEST_PREAMBLE)
            except OSError:
                start = b""  # executable and not readable: a compiled program may be that
            if b"perl" not in start[:LONGEST_SHEBANG] and b"\nuse " not in start:
                start = start[:LONGEST_SHEBANG]  # who asks for more is Perl
            if len(self._scripts) >= KNOWN_STARTS:
                self._scripts.clear()
            line, raw_path = read_first_line(start[:LONGEST_SHEBANG]), os.fsencode(script)
            known = self._scripts[script] = _Script(stamp, start, line, raw_path, os.path.dirname(raw_path))
        return known


_loaded: list[CgiModule] = []


def find_program(name: bytes, search_path: bytes) -> bytes:
    """What `env` would execute; empty when there is none. One that a sandbox hides from this worker may still pass
    access(2), and execvp(3) goes on to the next folder: so it is opened."""
    for folder in os.fsdecode(search_path).split(":"):
        found = shutil.which(os.fsdecode(name), path=folder) if folder else None
        if found is not None:
            try:
                os.close(os.open(found, os.O_RDONLY | os.O_CLOEXEC))
            except OSError:
                continue
            return os.fsencode(found)
    return b""


def _speaks_http(request: Request) -> bool:
    return request.physical_path.rpartition("/")[2].startswith("nph-")


def time_limits(request: Request) -> TimeLimits:
    """Those of the request's path."""
    cgi = request.settings.cgi
    return _time_limits(cgi.timeout_seconds, cgi.first_byte_seconds, cgi.idle_seconds)


@functools.lru_cache(maxsize=64)
def _time_limits(in_all: int, first_byte: int, silence: int) -> TimeLimits:
    return TimeLimits(in_all=in_all, first_byte=first_byte, silence=silence)


def refuse_unlisted(request: Request, program: str, command_line: str = "") -> None:
    """404.2 for a program that the restriction list denies, or does not name while unlisted ones are denied.

    An entry names the program, or the whole scriptProcessor.
    """
    settings = request.settings
    for entry in settings.restrictions:
        if entry.path in (program, command_line):
            allowed = entry.allowed
            break
    else:
        allowed = settings.not_listed_cgis_allowed
    if not allowed:
        remedy = f'Allow it in <isapiCgiRestriction>: <add path="{program}" allowed="true" />.'
        raise HttpError(404, 2, f"{program} is not allowed to run by the restriction list", remedy=remedy)


async def respond_raw(run: ProgramRun) -> Response:
    """The program speaks HTTP itself (RFC 3875 section 5); only the log looks at its status line."""
    first = await run.read()
    if not first:
        raise await run.failure("it printed nothing")
    found = _STATUS_LINE.match(first)
    status = int(found[1]) if found is not None else 200
    return Response(status=status, raw=True, close_connection=True, body=OutputBody(run, first, None))
