"""What a plugin file declares and what it is given: handler mappings, its context, launching CGI programs."""

from __future__ import annotations

import enum
import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from host.api.black_box import BlackBox, NoBlackBox
from host.api.threads import ThreadPerCall, Threads


class ResourceType(enum.Enum):
    """What the mapped URL must be on disk (IIS: handlers/add/@resourceType)."""

    FILE = "File"
    DIRECTORY = "Directory"
    EITHER = "Either"
    UNSPECIFIED = "Unspecified"


class RequireAccess(enum.Enum):
    """Which access the handler section's accessPolicy must grant (IIS: handlers/add/@requireAccess)."""

    NONE = "None"
    READ = "Read"
    WRITE = "Write"
    SCRIPT = "Script"
    EXECUTE = "Execute"


class ThreadingModel(enum.Enum):
    """Where plain code that answers requests is called (handlers/add/@threadingModel, ours; COM's words).

    Free: on a thread of the worker, where it may block. Single: on the main thread, which runs the event loop and does
    nothing else until the call returns; a request whose body is not here as a whole gets a thread all the same.
    """

    FREE = "Free"
    SINGLE = "Single"


MANAGED_MODULE_NAMES: Final = frozenset({"managedpipelinehandler", "managedengine"})
"""Names in `modules`, casefolded, by which a mapping leads to a managed handler."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerMapping:
    """Which requests a handler answers; the attributes of IIS's `<handlers><add .../>`.

    `path` is a pattern on the URL path: `*.ext`, `name.ext`, `*.` (no extension), `*`, `/dir/*`. `verbs` is a comma
    list, case-sensitive, or `*`. `modules` names the plugins that are tried in order; a plugin that brings a mapping
    of its own leaves it empty (it means itself).
    """

    name: str
    path: str
    verbs: str = "*"
    modules: str = ""
    script_processor: str = ""
    resource_type: ResourceType = ResourceType.UNSPECIFIED
    require_access: RequireAccess = RequireAccess.SCRIPT
    pre_condition: str = ""
    allow_path_info: bool = False  # ISAPI: PATH_INFO is only what follows the script (IIS: else the whole path)
    response_buffer_limit: int = 4194304  # ISAPI: bytes of an answer that are kept before it begins to be sent
    type: str = ""  # of a managed handler: module:Class
    threading_model: ThreadingModel = ThreadingModel.FREE

    @property
    def is_managed(self) -> bool:
        """Whether the handler is managed: what preCondition managedHandler asks."""
        return bool(self.type) or self.modules.casefold() in MANAGED_MODULE_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerInfo:
    """What an extension says of its `handle`.

    `quick`: a plain `def handle` that never blocks and takes less than a millisecond runs on the event loop instead of
    a thread, which is several times cheaper. Without effect on an `async def`.

    `runs_programs`: the `scriptProcessor` of its mappings is a program or a library, so isapiCgiRestriction decides
    whether it may run. False for an extension that means something else by it.
    """

    quick: bool = False
    runs_programs: bool = True


@dataclass(frozen=True, slots=True)
class ProgramExit:
    """How a launched program ended: `status` is the exit code, or minus the signal's number."""

    status: int
    by_signal: str = ""  # "SIGSEGV"; empty when it exited by itself


class Program(Protocol):
    """A program that runs for one request, as its own process group below the pool's parent."""

    @property
    def pid(self) -> int:
        """Process id of the program."""

    @property
    def remark(self) -> str:
        """Why it was not started warm although that was asked; empty when it was, and when it has been said before."""

    @property
    def is_warm(self) -> bool:
        """Whether it is a fork of an interpreter that had been started before."""

    @property
    def exit(self) -> ProgramExit | None:
        """How it ended, as far as is known now; None while it runs."""

    async def wait(self) -> ProgramExit:
        """How it ended; returns at once when it has."""

    async def kill(self, reason: str, *, grace_seconds: float = 2.0) -> None:
        """End the whole process tree: its group and every descendant, also those that called setsid.

        All get SIGTERM; what is left after `grace_seconds` gets SIGKILL.
        """


class StartedProgram(Program, Protocol):
    """A program from the word to start it: `pid` is 0 until it runs; where somebody is `told` of its end, until that or
    until `start` has returned."""

    @property
    def failure(self) -> OSError | None:
        """Why it could not be started; then `exit` is set, too."""

    async def start(self) -> None:
        """Return when it runs, or has run. Raises `failure`."""


class ResourceLimits(Protocol):
    """Limits of a program and of all that it starts (setrlimit(2)), such as `settings.cgi.limits`; 0: none."""

    @property
    def processor_seconds(self) -> int:
        """Processor time of one process; SIGKILL ends it, since the hard limit is the same."""

    @property
    def address_space_kilobytes(self) -> int:
        """Address space of one process; more memory is refused."""

    @property
    def open_files(self) -> int:
        """Descriptors of one process."""

    @property
    def processes(self) -> int:
        """Processes and threads of the program's user, whoever started them; root is not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmStart:
    """A program that is a Python or Perl script: a fork of its interpreter, started before, may run it.

    `command` is the interpreter with its options as exec would be told them, `program` the file that is executed for
    its first word; `arguments`, the script's path first, is what the script sees as its own. `lasting` names the
    variables that are the same for all requests: the interpreter is started with them. `modules`, of a Perl script, are
    loaded before.
    """

    program: bytes
    command: Sequence[bytes]
    arguments: Sequence[bytes]
    lasting: Sequence[bytes]
    language: Literal["python", "perl"] = "python"
    modules: Sequence[bytes] = ()


class LaunchRefused(PermissionError):
    """A script may not run as the user that it would run as (`cgi/@runAs`): `check` names the rule, `str()` what was
    found, `remedy` what to do."""

    def __init__(self, check: str, reason: str, remedy: str) -> None:
        super().__init__(errno.EPERM, reason)
        self.check, self.reason, self.remedy = check, reason, remedy

    def __str__(self) -> str:
        return f"{self.reason} (check: {self.check})"


class ProgramLauncher(Protocol):
    """Starts programs from the pool's small parent, never from the worker. No shell is ever involved."""

    async def launch(  # noqa: PLR0913  the parameters are those of an exec
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        stdin: int,
        stdout: int,
        stderr: int,
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
    ) -> Program:
        """Start `argv[0]` (an absolute path). The three descriptors stay the caller's and may be closed afterwards.
        With `warm` a warm interpreter may run the script instead, to the same effect. With `script`, the file that
        `argv` runs, it runs as the user whom `cgi/@runAs` names for that file, in the file's folder and cold. With
        `private_temp` its TMPDIR is a folder of its own, which goes when it has ended.

        Raises OSError with the errno that exec or chdir gave, LaunchRefused when that user may not run it.
        """

    def start(  # noqa: PLR0913  the parameters are those of an exec
        self,
        argv: Sequence[bytes],
        environment: Mapping[bytes, bytes],
        *,
        directory: bytes,
        descriptors: tuple[int, int, int],
        request_id: str,
        limits: ResourceLimits | None = None,
        warm: WarmStart | None = None,
        script: bytes = b"",
        private_temp: bool = False,
        told: Callable[[], None] | None = None,
    ) -> StartedProgram:
        """As `launch`, without waiting for it to run. `told` is called on the event loop when the program has ended, or
        could not be started. Whoever does not want it any more kills it. Raises OSError for what cannot be said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRun:
    """One program run of a script, told when the program has ended, for `isapy list scripts`.

    `seconds` from its start until its answer was complete or given up; `exit` is its status, or a signal's name.
    `error` is one sentence when the request failed, else empty.
    """

    script: str
    request_id: str
    seconds: float
    exit: str
    is_warm: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedProcess:
    """A process that a plugin keeps for further requests, for `isapy list fastcgi`; or an application of which none
    runs now (`pid` 0, state `none`). Times in seconds.

    `command`: the program with its arguments, or a server's address (then each row is a connection, and `pid` is 0).
    `state`: idle, busy, ending or none. What follows is the same for all processes of one application in this worker:
    `most_processes` it may have at a time; `restarts`, those that have ended until now; `failures`, those that went
    wrong or could not be started; `waiting` requests for which no process is free, of `queue_length` that may wait.
    """

    command: str
    pid: int
    state: str
    requests_served: int = 0
    requests_in_hand: int = 0
    age_seconds: float = 0.0
    idle_seconds: float = 0.0
    most_processes: int
    restarts: int
    failures: int
    waiting: int
    queue_length: int


ProcessSource = Callable[[], "Sequence[HostedProcess]"]


def _nobody(files: Sequence[str]) -> None:
    """A context that no worker has made has no process to replace."""


def _nobody_counts(run: ScriptRun) -> None:
    """A context that no worker has made has nobody who lists scripts."""


def _nobody_lists(source: ProcessSource) -> None:
    """A context that no worker has made has nobody who lists processes."""


@dataclass(slots=True, kw_only=True)
class PluginContext:
    """Given to a plugin's `load` hook, once per worker."""

    plugin_name: str
    pool_name: str
    worker_number: int
    isolation_mode: str  # "WorkerProcess" or "IIS5"
    launcher: ProgramLauncher
    report_event: Callable[[str, str], None]  # (stable id as "plugin-warning", text): an event; on any thread
    report_unhealthy: Callable[[str], None]  # the worker is recycled, the reason is logged
    black_box: BlackBox = field(default_factory=NoBlackBox)  # for plugins that call native code
    report_changed: Callable[[Sequence[str]], None] = _nobody  # loaded files that changed: the process is replaced
    report_script: Callable[[ScriptRun], None] = _nobody_counts  # a script's program has ended; on the loop's thread
    show_processes: Callable[[ProcessSource], None] = _nobody_lists  # asked for rows when somebody lists them
    threads: Threads = field(default_factory=ThreadPerCall)  # the worker's
    settings: Mapping[str, str] = field(default_factory=dict)  # attributes the configuration gives this plugin
    state: dict[str, Any] = field(default_factory=dict)  # the plugin's own, for the life of the worker
