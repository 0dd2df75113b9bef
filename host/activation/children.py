"""What activation needs of the processes below it; `processes/` provides it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from signal import Signals
from typing import NamedTuple, Protocol

from host.activation.headroom import MemoryFacts
from host.activation.memory import memory_facts
from host.activation.script_totals import ScriptTotals
from host.activation.wall_clock import WallClock
from host.isolation.placement import Slot
from host.wire.certificate_messages import Certificates
from host.wire.control_messages import AnyMessage
from host.wire.exit_codes import cannot_load
from host.wire.handed_messages import LogFolder


class Channel(Protocol):
    """The service's end of a control channel."""

    def attach(
        self,
        loop: asyncio.AbstractEventLoop,
        on_message: Callable[[AnyMessage, list[int]], None],
        on_closed: Callable[[str], None],
    ) -> None:
        """Start reading; `on_closed(why)` comes once."""

    def send(self, message: AnyMessage, descriptors: Sequence[int] = ()) -> None:
        """Say something; the descriptors stay the caller's."""

    def read_rest(self) -> None:
        """Hand on what has arrived and was not read yet: the last words of a process that has ended."""

    def close(self) -> None:
        """The peer sees the end of input."""


class Child(Protocol):
    """A process that the service itself started."""

    @property
    def pid(self) -> int:
        """Its process id."""

    @property
    def channel(self) -> Channel:
        """Its control channel."""

    def kill(self, number: int) -> None:
        """Send it a signal; a process that is gone does not mind."""


class ProgramEnd(NamedTuple):
    """How a program that is no part of isapy has ended. `status`: exit code, or minus the signal; `output`: the end of
    what it wrote; `start_error`: why it was never started; `why_ended`: what `RunningProgram.end` was given."""

    status: int
    output: str
    start_error: str = ""
    why_ended: str = ""


class RunningProgram(Protocol):
    """A program that is no part of isapy."""

    @property
    def pid(self) -> int:
        """The process id of who answers for it."""

    def end(self, why: str) -> None:
        """Kill it, and all that it has started."""


class ChildLauncher(Protocol):
    """Starts processes for slots, and makes channels."""

    def start(self, slot: Slot, on_exit: Callable[[int], None]) -> Child:
        """Start the slot's process; `on_exit(status)` comes once: exit code, or minus the signal."""

    def run_program(self, argv: Sequence[str], on_end: Callable[[ProgramEnd], None]) -> RunningProgram:
        """Run a program that is no part of isapy; `on_end` comes once, when it and all that it has started have ended.
        Raises OSError when nothing can be started at all, ValueError for arguments with NUL."""

    def channel_pair(self) -> tuple[Channel, socket.socket]:
        """A control channel: our end, and the end to pass on (the caller closes it)."""


HandOver = Callable[[Callable[[LogFolder, int], None], set[str]], None]
"""(say, told): says every folder of logs that is not among those told, with its descriptor."""

EventReporter = Callable[[str, str, Mapping[str, str]], None]
"""(stable id, text, fields): a line in the event log."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every supervisor is given. `clock` is monotonic seconds, `wall_clock` the local time without a zone,
    `memory_facts(pid)` what an overlapped recycle of that worker would need and find, `certificates` those that a front
    needs, if any, `log_folders` gives a listener those of its logs, `scripts` what is counted of them, `actions` the
    programs that run for an occasion, by pool and process id. What is done in `in_no_hurry` lets the requests go first.
    `has_lost_parent` hears that a pool's parent has died: the CGI programs that it had started are orphans now."""

    loop: asyncio.AbstractEventLoop
    launcher: ChildLauncher
    report: EventReporter
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], datetime] = field(default_factory=WallClock)
    memory_facts: Callable[[int], MemoryFacts] = memory_facts
    certificates: Callable[[], Certificates | None] = lambda: None
    has_lost_parent: Callable[[], None] = lambda: None
    log_folders: HandOver = lambda _say, _told: None
    scripts: ScriptTotals = field(default_factory=ScriptTotals)
    actions: dict[str, dict[int, RunningProgram]] = field(default_factory=dict)
    in_no_hurry: Callable[[], AbstractContextManager[None]] = nullcontext


def describe_exit(status: int) -> str:
    """`exit code 3`, `exit code 78 (bad configuration)` or `signal 9 (SIGKILL)`."""
    if status < 0:
        return f"signal {-status} ({signal_name(-status)})"
    code = cannot_load(status)
    return f"exit code {status}" + (f" ({code.name.lower().replace('_', ' ')})" if code is not None else "")


def signal_name(number: int) -> str:
    """`SIGKILL` for 9; the number as text when it has no name."""
    try:
        return Signals(number).name
    except ValueError:
        return str(number)


def link_pair() -> tuple[tuple[socket.socket, socket.socket], tuple[socket.socket, socket.socket]]:
    """A worker link: (the front's stream and side socket), (the worker's)."""
    front_stream, worker_stream = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    front_side, worker_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (front_stream, worker_stream):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1024 * 1024)
    return (front_stream, front_side), (worker_stream, worker_side)
