"""`isapy: inetinfo`: IIS 5 isolation mode's one process of listener, every filter, and the Low applications.

Listener and worker engine share this process and its event loop; a request goes from one to the other over a pair of
sockets that never leaves the process, with the same frames as elsewhere. Handlers of Medium and High applications run
in dllhosts, which the listener half knows only as queues of that name. CGI programs are started by a small helper
that is forked before anything else is here (a process with threads and an event loop must not fork).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from typing import Final

from host.activation.children import link_pair
from host.config.store import ServerConfiguration, Source
from host.isolation.placement import FRONT_QUEUE
from host.isolation.selection import model_for
from host.listener.context import RawVerdict
from host.listener.server import Listener
from host.logs.writer import LogWriter
from host.processes.control_channel import ControlChannel
from host.processes.deathwatch import ORPHAN_SECONDS, Deathwatch
from host.processes.event_loop import run_loop
from host.processes.listener import FrontProcess, memory_bytes
from host.processes.script_spawner import fork_script_spawner
from host.processes.worker import report_web_configs_of
from host.wire.black_box import BlackBoxOpened
from host.wire.control_messages import (
    AnyMessage,
    AskExecuting,
    AttachWorker,
    Configure,
    Demand,
    Event,
    Executing,
    Unhealthy,
    WorkerGone,
)
from host.wire.script_messages import Scripts
from host.wire.spawn_messages import UseConfiguration
from host.wire.trace_messages import WatchForTrace
from host.worker.engine import Engine
from host.worker.script_launcher import ScriptLauncher

_WISH_SECONDS: Final = 10.0  # the process that was to take this one's place may not have started


def run_inetinfo(control: socket.socket, applications: tuple[str, ...]) -> None:
    """The process's life, from Hello to the last response."""
    spawner = fork_script_spawner(control)
    deathwatch = Deathwatch(control, ORPHAN_SECONDS)  # a thread, so behind the fork
    run_loop(_Inetinfo(ControlChannel(control), deathwatch, spawner, applications).live())


class _Inetinfo(FrontProcess):
    """The listener's process with an engine inside."""

    def __init__(
        self, channel: ControlChannel, deathwatch: Deathwatch, spawner: socket.socket, applications: tuple[str, ...]
    ) -> None:
        super().__init__(channel, "inetinfo", deathwatch, memory_bytes())
        self._spawner = spawner
        self._applications = applications
        self._engine: Engine | None = None
        self._launcher: ScriptLauncher | None = None

    async def configured(self, message: Configure) -> None:
        """Load the plugins, then join listener and engine."""
        source = Source(message.path, message.text, message.isolation, message.port)
        configuration = ServerConfiguration(source, message.version)
        self._launcher = ScriptLauncher(self.loop, self._spawner, lost=self._spawner_lost)
        if any(pool.confinement.has_script_users for pool in configuration.snapshot.pools):
            self._launcher.send(_for_spawner(message, configuration))
        self._engine = Engine(
            self.loop,
            configuration,
            self._applications,
            model=model_for(configuration.snapshot.isolation_mode),
            pool_name=FRONT_QUEUE,
            worker_number=1,
            launcher=self._launcher,
            report_event=self._report,
            report_unhealthy=lambda reason: self._report("plugin-warning", reason),
            report_changed=self._cannot_be_replaced,
            runs_filters=True,
            handler_slot=FRONT_QUEUE,
            capacity=configuration.snapshot.max_concurrent_requests,
            demand=lambda slot: self.channel.send(Demand(queue=slot, waiting=1)),
            leave_black_box=lambda memory: self.channel.send_from_thread(BlackBoxOpened(), [memory]),
            report_scripts=lambda rows: self.channel.send(Scripts(rows=rows)),
        )
        report_web_configs_of(configuration, self._report)
        await self._engine.start()
        await self._engine.warm_up()
        self.channel.send(self._engine.told_plugins())
        (front_stream, front_side), (worker_stream, worker_side) = link_pair()
        self.listener.attach_worker(FRONT_QUEUE, FRONT_QUEUE, os.getpid(), front_stream, front_side)
        self._engine.attach(worker_stream, worker_side, self.request_prefix)

    def heard(self, message: AnyMessage, descriptors: list[int]) -> None:
        """One message of the service; what the engine knows is answered here."""
        if isinstance(message, AskExecuting):
            rows = self._engine.executing() if self._engine is not None else []
            processes = self._engine.hosted.rows() if self._engine is not None else []
            self.channel.send(Executing(number=message.number, rows=rows, processes=processes))
        elif isinstance(message, WatchForTrace):
            if self._engine is not None:
                self._engine.watch_for_trace(message.token, message.seconds)
        else:
            super().heard(message, descriptors)

    def attach_worker(self, message: AttachWorker, link: socket.socket, side: socket.socket) -> None:
        """A dllhost has been started: its link belongs to the engine's forwarding handlers."""
        assert self._engine is not None, "dllhosts are attached after Ready"
        self._engine.attach_dllhost(message.queue, link, side)

    def detach_worker(self, worker: str) -> None:
        """A dllhost is unloaded."""
        if self._engine is not None:
            self._engine.detach_dllhost(worker)

    def build_listener(self, logs: LogWriter) -> Listener:
        """A listener whose bytes pass the raw-data filters first."""
        listener = Listener(
            self.loop,
            send=self._pass_on,
            log=logs,
            raw_data_hook=self._see_raw_data,
            request_prefix=self.request_prefix,
        )
        listener.filters_raw_data_while(lambda: self._engine is not None and bool(self._engine.raw_filters.hooks))
        return listener

    async def close(self) -> None:
        """Unload the plugins and end the helper."""
        if self._engine is not None:
            await self._engine.close()
        if self._launcher is not None:
            self._launcher.close()
        self._spawner.close()

    def _pass_on(self, message: AnyMessage) -> None:
        """What the listener half says. Without its link to the engine half nothing can be answered any more: the
        process ends, as a worker does whose link breaks, and is started again."""
        self.channel.send(message)
        if isinstance(message, WorkerGone) and message.worker == FRONT_QUEUE and not self.is_closing:
            self._report("front-broken-link", "inetinfo's link to itself is broken: it ends, and is started again")
            self.give_up()

    def _see_raw_data(self, connection: bytes, data: bytes) -> RawVerdict:
        assert self._engine is not None, "nobody connects before Ready"
        return RawVerdict(*self._engine.read_raw_data(connection, data))

    def _cannot_be_replaced(self, files: Sequence[str]) -> None:
        text = f"{', '.join(files)} changed, but inetinfo runs on with what it has loaded until isapy is restarted"
        self._report("plugin-warning", f"{text}; applications of isolation Medium or High are unloaded by themselves")

    def _spawner_lost(self, _requests: list[str]) -> None:
        """No CGI program can be started any more, and this process must not fork: another one is to take its place."""
        if not self.is_closing:
            self._report(
                "process-died", "inetinfo's CGI spawner has ended: another inetinfo with another one is started"
            )
            self._wish_for_another()

    def _wish_for_another(self) -> None:
        if not self.is_closing:
            self.channel.send(Unhealthy(reason="the CGI spawner of the one before it ended"))
            self.loop.call_later(_WISH_SECONDS, self._wish_for_another)

    def _report(self, event_id: str, text: str, fields: Mapping[str, str] | None = None) -> None:
        self.channel.send_by(self.loop, Event(id=event_id, text=text, fields=dict(fields or {})))


def _for_spawner(message: Configure, configuration: ServerConfiguration) -> UseConfiguration:
    """Programs of every application are started by the spawner, wherever the rest of the application is."""
    keys = [application.key for site in configuration.snapshot.sites for application in site.applications]
    return UseConfiguration(
        number=0,
        path=message.path,
        text=message.text,
        isolation=message.isolation,
        port=message.port,
        version=message.version,
        applications=keys,
    )
