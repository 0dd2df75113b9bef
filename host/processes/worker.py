"""`isapy: worker POOL#N`: joins the engine, its control channel and its spawner, in a fork of the pool's parent."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from host.config.errors import ConfigError
from host.config.store import ServerConfiguration
from host.isolation.process_model import ProcessModel
from host.processes.control_channel import ControlChannel
from host.processes.event_loop import end_soon, release_memory, run_loop, settle_memory
from host.processes.priority import come_forward
from host.processes.shared_heap import give_back
from host.processes.spawn import allow_debuggers, continue_at_parents_death, entitle, take_signals
from host.processes.start_failure import StartFailure, give_up, start_failure, starting
from host.processes.time_slice import let_others_go_first
from host.wire.black_box import BlackBoxOpened
from host.wire.control_messages import (
    AnyMessage,
    AskExecuting,
    AttachLink,
    Drain,
    Event,
    Executing,
    FilesChanged,
    Pace,
    Ping,
    Pong,
    Ready,
    Served,
    Suspend,
    Suspended,
    TellWhenServed,
    Unhealthy,
    WebConfigChanged,
)
from host.wire.script_messages import Scripts
from host.wire.trace_messages import WatchForTrace
from host.worker.engine import Engine
from host.worker.examiner import Examiner
from host.worker.plugin_code import PluginCode
from host.worker.script_launcher import ScriptLauncher

_FIRST_ANSWER_SECONDS: Final = 0.05  # after Ready: what would only hold up the request that the start was for waits
_SHARE_SECONDS: Final = 5.0  # after the start, which competes with the worker that is replaced for processors
_MORE_TIMES: Final = 10  # that it is tried
_ASKED_SECONDS: Final = 0.5  # who signals a whole group means the service, which has heard it and recycles nothing then
_ALONE_SECONDS: Final = 5.0  # beyond shutdownTimeLimit, without a parent: the service ends it before, if there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSeat:
    """Who this worker is; decided before it runs."""

    title: str
    pool_name: str
    number: int
    applications: tuple[str, ...]
    model: ProcessModel
    runs_filters: bool
    handler_slot: str
    shutdown_seconds: float
    environment: Mapping[str, str] = field(default_factory=dict)
    max_concurrent_requests: int = 256
    plugin_code: PluginCode = field(default_factory=PluginCode)
    may_be_debugged: bool = False
    is_awaited: bool = True  # false: another one serves until this one is ready
    usual_priority: int = 0  # its nice value: what it comes forward to then
    usual_slice: int = 0  # nanoseconds: its time slice then
    second_spawner: socket.socket | None = None  # to who starts programs beside the pool's parent
    user_spawner: socket.socket | None = None  # to who starts scripts as other users


def run_worker(
    control: socket.socket,
    spawner: socket.socket | None,
    configuration: ServerConfiguration | None,
    seat: WorkerSeat,
    examiner: Examiner,
) -> None:
    """The process's life, from loading the plugins to the last response."""
    assert configuration is not None
    channel = ControlChannel(control)
    with starting(channel):
        entitle(seat.title)  # its signals are those of the pool's parent, which is one of us
        if seat.may_be_debugged:
            allow_debuggers()
        for name, value in seat.environment.items():  # os.environ.update asks ABCs, and touches a page for each
            os.environ[name] = value
        tempfile.tempdir = None  # TMPDIR is the pool's own: what the parent has found before does not count
    WorkerProcess(channel, spawner, configuration, seat, examiner).run()


class WorkerProcess:
    """A worker's side of the control dialogue, joined with its engine."""

    def __init__(
        self,
        channel: ControlChannel,
        spawner: socket.socket | None,
        configuration: ServerConfiguration,
        seat: WorkerSeat,
        examiner: Examiner | None = None,
        *,
        when_idle: Callable[[], object] = let_others_go_first,
        at_end: Callable[[], object] = end_soon,
    ) -> None:
        """`when_idle` is called when the last request has its answer, `at_end` when everything is closed, before the
        loop is."""
        self._channel = channel
        self._spawner = spawner
        self._configuration = configuration
        self._seat = seat
        self._examiner = examiner
        self._when_idle = when_idle
        self._at_end = at_end
        self._engine: Engine
        self._loop: asyncio.AbstractEventLoop
        self._end: asyncio.Event
        self._pings: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """The process's life. Raises SystemExit when it cannot start."""
        try:
            run_loop(self._live())
        except StartFailure as failure:
            give_up(self._channel, failure)

    async def _live(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        try:
            launcher = await self._start()
        except Exception as error:  # the boundary: whatever it is, it has ended the start
            raise start_failure(error) from error
        await self._end.wait()
        self._when_idle()
        take_signals()  # there will be no loop to ask for anything
        await self._engine.close()
        if launcher is not None:
            launcher.close()
        self._channel.close()
        self._at_end()

    async def _start(self) -> ScriptLauncher | None:
        seat = self._seat
        launcher = None
        if self._spawner is not None:
            launcher = ScriptLauncher(self._loop, self._spawner, seat.user_spawner, second=seat.second_spawner)
        self._engine = Engine(
            self._loop,
            self._configuration,
            seat.applications,
            model=seat.model,
            pool_name=seat.pool_name,
            worker_number=seat.number,
            launcher=launcher,
            report_event=self._report,
            report_unhealthy=lambda reason: self._channel.send(Unhealthy(reason=reason)),
            report_changed=lambda files: self._channel.send(FilesChanged(files=list(files))),
            runs_filters=seat.runs_filters,
            handler_slot=seat.handler_slot,
            capacity=seat.max_concurrent_requests,
            plugin_code=seat.plugin_code,
            leave_black_box=lambda memory: self._channel.send_from_thread(BlackBoxOpened(), [memory]),
            report_scripts=lambda rows: self._channel.send(Scripts(rows=rows)),
        )
        if self._examiner is not None:
            self._examiner.take_signal()
        report_web_configs_of(self._configuration, self._report)
        self._configuration.report_changes_to(lambda files: self._channel.send(WebConfigChanged(files=files)))
        await self._engine.start()
        self._channel.attach(self._loop, self._heard, lambda _why: self._drain(seat.shutdown_seconds))
        await self._engine.warm_up()
        if seat.model.has_pool_policies:  # else it is the administrator who unloads an application
            take_signals(partial(self._loop.call_soon_threadsafe, self._asked_to_end))
        if seat.is_awaited:
            self._channel.send(Ready())
            # done while the word goes round and the first request comes; what goes wrong is no reason not to start
            self._loop.call_soon(self._engine.foresee_requests)
            self._loop.call_soon(self._outlive_parent)
            self._loop.call_later(_FIRST_ANSWER_SECONDS, self._tell_plugins)
            self._loop.call_later(_FIRST_ANSWER_SECONDS, self._settle)
        else:
            self._loop.call_soon(self._engine.foresee_requests)
            self._loop.call_soon(self._outlive_parent)
            self._loop.call_soon(self._tell_plugins)
            self._loop.call_soon(self._settle)
            await asyncio.sleep(0)  # all is done then
            come_forward(os.getpid(), seat.usual_priority, seat.usual_slice)
            self._channel.send(Ready())
        return launcher

    def _heard(self, message: AnyMessage, descriptors: list[int]) -> None:
        match message:
            case AttachLink():
                link, side = (socket.socket(fileno=descriptor) for descriptor in descriptors)
                self._engine.attach(link, side, message.request_prefix, place=message.place, fronts=message.fronts)
            case Ping():
                ping = self._loop.create_task(self._answer(message.number))
                self._pings.add(ping)
                ping.add_done_callback(self._pings.discard)
            case AskExecuting():
                rows, processes = self._engine.executing(), self._engine.hosted.rows()
                self._channel.send(Executing(number=message.number, rows=rows, processes=processes))
            case WatchForTrace():
                self._engine.watch_for_trace(message.token, message.seconds)
            case Pace():
                self._engine.pace(message.share)
            case TellWhenServed():
                self._engine.tell_when_served(message.requests, self._say_served)
            case Drain():
                self._drain(message.seconds)
            case Suspend():
                release_memory()
                self._share()
                self._channel.send(Suspended(number=message.number))
            case _:
                pass

    def _say_served(self, count: int) -> None:
        self._channel.send(Served(requests=count))

    def _settle(self) -> None:
        """What start and first requests have touched is shared again a little later."""
        settle_memory(self._loop)
        self._loop.call_later(_SHARE_SECONDS, self._share, _MORE_TIMES)

    def _share(self, times: int = 0) -> None:
        """So many times more if a thread is at work. The examiner's writes one byte at most, which nobody looks at."""
        if give_back(self._engine.threads.resting_count + 1) == 0 and times:
            self._loop.call_later(_SHARE_SECONDS, self._share, times - 1)

    def _tell_plugins(self) -> None:
        self._channel.send(self._engine.told_plugins())

    async def _answer(self, number: int) -> None:
        """A ping must have passed through a thread and the loop: a process whose threads are all stuck is not well."""
        await self._engine.probe()
        engine = self._engine
        self._channel.send(
            Pong(
                number=number,
                requests_served=engine.requests_served,
                requests_in_hand=engine.requests_in_hand,
                idle_seconds=engine.idle_seconds,
            )
        )

    def _drain(self, seconds: float) -> None:
        """End when the front has said DRAIN on every link and nothing is in hand, at the latest after `seconds`."""
        self._engine.drained.add_done_callback(lambda _future: self._end.set())
        self._engine.end_when_idle()
        self._loop.call_later(seconds, self._end.set)

    def _asked_to_end(self) -> None:
        """`kill PID`: another worker takes this one's place, as when a plugin asks for it; nothing is lost."""
        take_signals()  # once is enough
        wish = Unhealthy(reason="SIGTERM asked this process to end")
        self._loop.call_later(_ASKED_SECONDS, self._channel.send, wish)

    def _outlive_parent(self) -> None:
        """It may have requests from now on, and finishes them in order. One that hangs from here on is examined, and
        ends all the same; until here the kernel ends it with its parent (`pool.py`)."""
        if self._examiner is not None:
            self._examiner.start(self._engine.examine, self._end_without_parent)
            continue_at_parents_death()

    def _end_without_parent(self) -> None:
        """The alarm's default action needs neither the loop nor the interpreter: it ends what hangs, too."""
        signal.alarm(math.ceil(self._seat.shutdown_seconds + _ALONE_SECONDS))

    def _report(self, event_id: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        self._channel.send_by(self._loop, Event(id=event_id, text=text, fields=dict(fields or {})))


def report_web_configs_of(configuration: ServerConfiguration, report: Callable[[str, str], None]) -> None:
    """A broken web.config is an event: the settings before it stay in force, or its path answers 500.19. So is what a
    sound one says and isapy does not obey."""

    def tell(event_id: str, problems: Sequence[ConfigError]) -> None:
        for problem in problems:
            report(event_id, str(problem))

    configuration.report_problems_to(lambda problems: tell("configuration-refused", problems.errors))
    configuration.report_warnings_to(partial(tell, "configuration-warning"))
