"""`isapy: listener`: joins the listener's room, the logs and the control channel. No plugin code runs here."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import Final

from host.activation.group_memory import tightest_group
from host.config.errors import ConfigErrors
from host.config.listener_confinement import ListenerConfinement
from host.config.listener_parts import divided
from host.config.store import Source, build_snapshot
from host.confinement.errors import ConfinementError
from host.confinement.listener import confine_listener
from host.isolation.selection import model_for
from host.listener.server import Listener
from host.logs.appending import AppendingThread
from host.logs.handed_folders import HandedFolders
from host.logs.waiting import room_for_lines
from host.logs.writer import LogWriter
from host.processes.control_channel import ControlChannel
from host.processes.deathwatch import ORPHAN_SECONDS, Deathwatch
from host.processes.event_loop import end_soon, run_loop, settle_memory
from host.processes.loop_errors import LoopErrors
from host.wire.cache_messages import AskCache, CacheFlushed, FlushCache
from host.wire.certificate_messages import Certificates
from host.wire.control_messages import (
    AnyMessage,
    AskRequests,
    AttachWorker,
    Configure,
    DetachWorker,
    Drain,
    DropWorker,
    Event,
    Hello,
    PauseWorker,
    Ping,
    Pong,
    QueueState,
    Ready,
    Requests,
    ResumeWorker,
)
from host.wire.exit_codes import ExitCode
from host.wire.frames import PROTOCOL_VERSION
from host.wire.handed_messages import HandedMessage, LogFolder
from host.wire.listening_messages import Accept, SetSites, SitesSet, Unlisten

_FLUSH_SECONDS: Final = 0.025  # logs are written in batches of this age: p99 suffers from larger ones


def run_listener(control: socket.socket, confinement: ListenerConfinement, place: int = 0, instances: int = 1) -> None:
    """The process's life: what it may be, then from Hello to the last response. It is the one at `place` of so many."""
    channel = ControlChannel(control)
    memory = memory_bytes()
    try:
        confine_listener(confinement, lambda event_id, text: channel.send(Event(id=event_id, text=text)))
    except ConfinementError as error:
        channel.send(Event(id="listener-not-confined", text=f"the listener cannot start: {error}"))
        channel.close()
        raise SystemExit(int(ExitCode.NO_IDENTITY)) from error
    deathwatch = Deathwatch(control, ORPHAN_SECONDS)
    run_loop(FrontProcess(channel, "listener", deathwatch, memory, place, instances).live())


def memory_bytes() -> int:
    """What this process may hope for: the machine's memory, or the limit of its control group. A listener that is
    confined cannot read its group any more."""
    of_machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = tightest_group(os.getpid())
    return min(of_machine, group.limit_kilobytes * 1024) if group is not None else of_machine


class FrontProcess:
    """What listener and inetinfo have in common: the control dialogue, the logs, the end. Of `instances` that share
    the work this is the one at `place`. `memory`: bytes that the logs may count on a part of."""

    def __init__(
        self,
        channel: ControlChannel,
        role: str,
        deathwatch: Deathwatch,
        memory: int,
        place: int = 0,
        instances: int = 1,
    ) -> None:
        self.channel = channel
        self._deathwatch = deathwatch
        self._role = role
        self._memory = memory
        self._place = place
        self._instances = instances
        self.request_prefix: Final = f"{int(time.time()):x}-{os.getpid():x}-"  # no other process of this machine has it
        self.loop: asyncio.AbstractEventLoop
        self.listener: Listener
        self._logs: LogWriter | None = None
        self._end: asyncio.Event
        self._closing: asyncio.Task[None] | None = None
        self._certificates = Certificates(items=[])
        self._handed_folders = HandedFolders()

    async def live(self) -> None:
        """From Hello to the end of the drain."""
        self.loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        LoopErrors(self.loop, self.channel.send)
        self.channel.attach(self.loop, self.heard, lambda _why: self._lose_service())
        hello = Hello(role=self._role, pid=os.getpid(), protocol=PROTOCOL_VERSION, request_prefix=self.request_prefix)
        self.channel.send(hello)
        await self._end.wait()
        await self.close()
        if self._logs is not None:
            self._logs.close()
            await asyncio.sleep(0)  # what the last lines met is told
        self.channel.close()
        end_soon()

    async def close(self) -> None:
        """What inetinfo has to end beside the listener."""

    async def configured(self, message: Configure) -> None:
        """What inetinfo has to start beside the listener, before it is Ready."""

    def build_listener(self, logs: LogWriter) -> Listener:
        """The listener of this process."""
        return Listener(
            self.loop,
            send=self.channel.send,
            log=logs,
            request_prefix=self.request_prefix,
            place=self._place,
            instances=self._instances,
        )

    def heard(self, message: AnyMessage, descriptors: list[int]) -> None:
        """One message of the service."""
        match message:
            case Configure():
                self._configure(message)
            case Certificates() | LogFolder():
                self._take(message, descriptors)
            case Accept():
                self.listener.listen(message.endpoint, socket.socket(fileno=descriptors[0]), message.place)
            case Unlisten():
                self.listener.unlisten(message.endpoint, message.place)
            case SetSites():
                self.listener.set_sites(message.started)
                self.channel.send(SitesSet(number=message.number))
            case QueueState():
                self.listener.set_queue_state(message.queue, message.reason)
            case AttachWorker():
                link, side = (socket.socket(fileno=descriptor) for descriptor in descriptors)
                self.attach_worker(message, link, side)
            case DetachWorker():
                self.detach_worker(message.worker)
            case DropWorker():
                self.listener.drop_worker(message.worker, message.culprits)
            case PauseWorker():
                self.listener.pause_worker(message.worker, message.number)
            case ResumeWorker():
                self.listener.resume_worker(message.worker)
            case AskRequests():
                rows = self.listener.requests()
                connections = self.listener.connection_count
                self.channel.send(Requests(number=message.number, rows=rows, connections=connections))
            case Ping():
                self.channel.send(Pong(number=message.number))
            case Drain():
                self.drain(message.seconds, message.patience_seconds)
            case _:
                self._heard_of_cache(message)

    def _take(self, message: HandedMessage, descriptors: list[int]) -> None:
        """What this process may not open by itself."""
        if isinstance(message, LogFolder):
            if descriptors:  # otherwise no more files can be opened, and what there was goes on
                self._handed_folders.take(message.path, descriptors[0])
            return
        self._certificates = message
        if self._logs is not None:
            self.listener.set_certificates(message.items)

    def _heard_of_cache(self, message: AnyMessage) -> None:
        match message:
            case AskCache():
                self.channel.send(self.listener.cache_contents(message.number))
            case FlushCache():
                count = self.listener.flush_cache(message.site_id, message.url)
                self.channel.send(CacheFlushed(number=message.number, count=count))
            case _:
                pass

    def attach_worker(self, message: AttachWorker, link: socket.socket, side: socket.socket) -> None:
        """A worker (listener) or a dllhost (inetinfo) has been started."""
        self.listener.attach_worker(message.queue, message.worker, message.pid, link, side)

    def detach_worker(self, worker: str) -> None:
        """That worker (inetinfo: that dllhost) is to finish what it has, and gets nothing more."""
        self.listener.detach_worker(worker)

    @property
    def is_closing(self) -> bool:
        """Whether the process is about to end."""
        return self._closing is not None or self._end.is_set()

    def give_up(self) -> None:
        """End soon, whatever is in hand: it cannot be finished."""
        self._end.set()

    def _lose_service(self) -> None:
        """The service is gone, and with it whoever starts workers: what can be finished is, and this process ends."""
        if self._logs is not None:
            self.listener.expect_no_worker()
        self.drain(self._deathwatch.seconds)

    def drain(self, seconds: float, patience_seconds: float = 0.0) -> None:
        """Accept nothing more, finish what is in hand, end."""
        if self._closing is None:
            self._closing = self.loop.create_task(self._drain(seconds, patience_seconds))

    async def _drain(self, seconds: float, patience_seconds: float) -> None:
        if self._logs is not None:
            await self.listener.drain(seconds, patience_seconds)
        self._end.set()

    def _configure(self, message: Configure) -> None:
        source = Source(message.path, message.text, message.isolation, message.port)
        try:
            snapshot = build_snapshot(source, message.version, check_files=False)
        except ConfigErrors as problems:  # the service has validated it: whatever it is, another process may do better
            self.channel.send(Event(id="configuration-refused", text=str(problems)))
            self._end.set()
            return
        self._deathwatch.seconds = float(snapshot.longest_shutdown_seconds)
        is_first = self._logs is None
        if self._logs is None:
            self._logs = LogWriter(
                snapshot.log_directory,
                clock=time.time,
                report=self._log_problem,
                computer_name=socket.gethostname(),
                appending=AppendingThread(self._log_problem),
                handed=self._handed_folders,
                is_shared=self._instances > 1,
                room=room_for_lines(self._memory, self._instances),
            )
            self.listener = self.build_listener(self._logs)
            self.listener.set_certificates(self._certificates.items)
            self.loop.call_later(_FLUSH_SECONDS, self._flush_logs)
        own_part = divided(snapshot, self._instances, self._place)
        self.listener.configure(own_part, model_for(snapshot.isolation_mode), message.started_sites)
        if is_first:
            self._starting = self.loop.create_task(self._start(message))

    async def _start(self, message: Configure) -> None:
        await self.configured(message)
        settle_memory(self.loop)
        self.channel.send(Ready())

    def _flush_logs(self) -> None:
        assert self._logs is not None
        if self._logs.has_lines:
            self._logs.flush()
        self.loop.call_later(_FLUSH_SECONDS, self._flush_logs)

    def _log_problem(self, text: str) -> None:
        """On the thread that writes the logs, as a rule; the channel belongs to the loop."""
        self.loop.call_soon_threadsafe(self.channel.send, Event(id="log-failed", text=text))
