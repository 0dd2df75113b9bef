"""`isapy: service`: W3SVC and WAS in one. Owns the listening sockets, the configuration and every process's life.

It is not on any request's path and runs no plugin code. It ends last, and nothing survives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from host import __version__
from host.activation.children import Surroundings, describe_exit
from host.activation.supervisor import Supervisor
from host.admin import commands
from host.admin.client import ControlError
from host.admin.commands import Command, Reply
from host.admin.location import control_socket, service_mark
from host.admin.server import ControlServer
from host.admin.unix_socket import SocketInUse
from host.config.model import Snapshot
from host.config.store import Source
from host.early_signals import let_signals_in
from host.logs.event_log import EventLog
from host.processes.administration import Administration
from host.processes.births import Nursery
from host.processes.certificates import CertificateStore
from host.processes.configuration_changes import ConfigurationChanges
from host.processes.console import Console, site_urls
from host.processes.inherited_sockets import InheritedSockets
from host.processes.launcher import Launcher
from host.processes.lifeline import WaitersEnd
from host.processes.listening_sockets import BindingError, ListeningSockets
from host.processes.log_folders import LogFolders
from host.processes.orphans import end_orphans, reap_orphans
from host.processes.out_of_memory import OutOfMemory
from host.processes.predecessor import Predecessor, PredecessorGone
from host.processes.priority import in_no_hurry
from host.processes.service_manager import ServiceManager, Watchdog
from host.processes.site_control import SiteControl, SitePlan
from host.processes.succession import UpgradeFailed
from host.processes.traces import Traces
from host.processes.upgrade import Upgrade
from host.processes.waiter import block_signals
from host.wire.trace_messages import REQUEST_TRACED

EXIT_FAILED: Final = 1
_SWEEP_SECONDS: Final = 1.0
_ANSWER_SECONDS: Final = 0.05  # before this process ends: the administrator's answer goes out first
_CRASH_SECONDS: Final = 30.0  # how long the sockets of a service that was killed may still be in use
_PAUSE_SECONDS: Final = 0.05
_SAME_REQUEST_SECONDS: Final = 0.05  # timeout(1) signals the process and then its group; nobody types so fast as this,
_SAME_REQUEST_TIMES: Final = 4  # so often: a busy machine may hold the loop up, and hand it both signals late
_LAST_SECONDS: Final = 10.0  # beyond shutdownTimeLimit: what is left is killed, parents and fronts end


class CannotStart(Exception):
    """The service cannot start; the text says why and what to do."""


class Service:
    """Joins configuration, sockets, supervisor, control socket, file watching, service manager and succession."""

    def __init__(
        self,
        source: Source,
        snapshot: Snapshot,
        console: Console,
        *,
        manager: ServiceManager,
        inherited: InheritedSockets,
        predecessor: Predecessor | None,
        nursery: Nursery,
    ) -> None:
        self._path = source.path
        self._first = (source, snapshot)
        self._console = console
        self._manager = manager
        self._inherited = inherited
        self._predecessor = predecessor
        self._nursery = nursery
        self._sockets = ListeningSockets()
        log, mark = Path(snapshot.log_directory, "events.log"), service_mark(source.path)
        self._events = EventLog(log, echo=console.event, common={"service": mark})
        self._stop = asyncio.Event()
        self._same_request_times: int | None = None  # left of these; None: nobody has told it to stop
        self._exit_status = 0
        self._status = ""
        self._out_of_memory = OutOfMemory()
        self._may_have_orphans = False
        self._background_tasks: set[asyncio.Task[None]] = set()
        self._launcher: Launcher
        self._supervisor: Supervisor
        self._sites: SiteControl
        self._changes: ConfigurationChanges
        self._watchdog: Watchdog
        self._server: ControlServer
        self._upgrade: Upgrade

    @property
    def heirs(self) -> list[int]:
        """Processes that serve in this one's place, and are none of its business any more."""
        return self._upgrade.heirs

    @property
    def waiters_end(self) -> WaitersEnd | None:
        """The lifeline of the service that took over, when this process has to stay and wait for it."""
        return self._upgrade.waiters_end

    async def live(self) -> int:
        """Until a signal, the administrator or a successor ends it; gives the exit status."""
        loop = asyncio.get_running_loop()
        self._build(loop)
        try:
            await self._start(loop)
        except CannotStart as error:
            if self._predecessor is not None:
                self._predecessor.refuse(str(error))
            self._console.error(str(error))
            self._exit_status = EXIT_FAILED
        except PredecessorGone:
            await self._end()
        else:
            self._sweep()
            self._has_started()
            await self._stop.wait()
            await self._end()
        await self._server.close()
        if self.waiters_end is not None:
            block_signals()
        else:
            self._do_without_signals(loop)
        return self._exit_status

    # --- start and end ----------------------------------------------------------------------------------------

    def _build(self, loop: asyncio.AbstractEventLoop) -> None:
        self._launcher = Launcher(loop, self._nursery, self._nursery_has_died)
        self._traces = Traces()
        self._certificates = CertificateStore(lambda: self._changes.snapshot.sites, self._report)
        folders = LogFolders(lambda: self._changes.snapshot, self._report)
        around = Surroundings(
            loop,
            self._launcher,
            self._report,
            certificates=self._certificates.message,
            has_lost_parent=self._has_lost_parent,
            log_folders=folders.hand_over,
            in_no_hurry=in_no_hurry,
        )
        self._supervisor = Supervisor(around)
        lock = asyncio.Lock()
        self._sites = SiteControl(self._sockets, lock, self._supervisor, self._report)
        self._changes = ConfigurationChanges(
            *self._first,
            sites=self._sites,
            sockets=self._sockets,
            lock=lock,
            supervisor=self._supervisor,
            report=self._report,
            on_reload=self._has_reloaded,
        )
        self._supervisor.on_unhealthy = lambda front, why: self._background(self._changes.replace_front(front, why))
        self._administration = Administration(
            self._supervisor,
            self._sites,
            lambda: self._changes.snapshot,
            self._stop.set,
            self._traces,
            lambda: self._launcher.nursery_pid,
        )
        self._server = ControlServer(control_socket(self._path), self._answer)
        self._upgrade = Upgrade(loop, self._launcher, self._server, self._manager, self._predecessor)
        self._watchdog = Watchdog(loop, self._manager, lambda: self._supervisor.is_well)

    async def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raises CannotStart, or PredecessorGone when there is nothing to take over any more."""
        try:
            has_crashed = self._server.path.exists()  # a service that ends takes its socket away
            if self._predecessor is None:
                await self._server.start()
            self._adopt_sockets()
            plan = await self._plan(_CRASH_SECONDS if has_crashed else 0.0)
        except SocketInUse as error:
            raise CannotStart(f"process {error.pid} runs {self._path} already; end it with: isapy stop") from error
        except BindingError as error:
            raise CannotStart(str(error)) from error
        except (ControlError, OSError) as error:
            text = f"the control socket cannot be made: {error}; set ISAPY_CONTROL to a folder of your own"
            raise CannotStart(text) from error
        self._listen_to_signals(loop)
        if self._predecessor is not None:
            self._predecessor.attach(loop, self._is_left_alone)
        # from here on no saved file goes unnoticed; it is followed after the start
        self._background(self._changes.follow_files(self._stop, self._background))
        self._background(self._certificates.follow(self._supervisor.tell_certificates))
        pools = None if self._predecessor is None else self._predecessor.pools
        try:
            async with self._changes.lock:
                self._sites.put_in_force(plan)
                await self._supervisor.start(self._changes.snapshot, self._changes.configure, plan.sockets, pools)
                await self._sites.confirm(plan)
        except ConnectionAbortedError as error:
            await self._supervisor.stop(0.0)
            log = Path(self._changes.snapshot.log_directory, "events.log")
            raise CannotStart(f"{error}; the event log {log} has more") from error
        if self._predecessor is not None:
            await self._server.start(await self._predecessor.take_over())
            await self._predecessor.confirm()

    def _adopt_sockets(self) -> None:
        """Inherited sockets first: what they listen on need not, and cannot, be opened again."""
        sites = self._changes.snapshot.sites
        if self._predecessor is not None:
            self._sites.restore(sites, self._predecessor.sites)
            self._sockets.adopt(self._predecessor.listening, self._predecessor.managers)
            self._sockets.close_unwanted(sites)
            return
        problems = self._inherited.problems
        for endpoint in self._sockets.adopt(self._inherited.listening):
            problems.append(f"{endpoint} was inherited twice: one of the sockets is closed")
        for endpoint in self._sockets.close_unwanted(sites):
            problems.append(f"no binding wants the inherited socket {endpoint}: it is closed")
        for problem in problems:
            self._report("socket-not-wanted", problem, {})

    async def _plan(self, patience_seconds: float) -> SitePlan:
        """Open what is missing. Raises BindingError; one that is still in use, after so many seconds: the front of a
        service that was killed closes its sockets as soon as it has noticed."""
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_seconds
        while True:
            try:
                return self._sites.plan(self._changes.snapshot.sites)
            except BindingError as error:
                if not error.is_in_use or loop.time() >= end:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS)

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop, number)
        loop.add_signal_handler(signal.SIGHUP, self._asked_to_reload)
        loop.add_signal_handler(signal.SIGUSR2, self._asked_to_upgrade)

    @staticmethod
    def _do_without_signals(loop: asyncio.AbstractEventLoop) -> None:
        """All is over; one more Ctrl-C would find Python's handler: another exit status, or a traceback."""
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)

    def _has_started(self) -> None:
        snapshot = self._changes.snapshot
        mode = snapshot.isolation_mode.value
        text = f"isapy {__version__} serves {self._path} in {mode} isolation"
        self._report("service-started", text, {"pid": str(os.getpid())})
        for warning in snapshot.warnings:
            self._report("configuration-warning", warning, {})
        urls = [url for site in self._sites.states.bound_sites for url in site_urls(site)]
        self._console.banner(snapshot, urls, self._supervisor.topology, self._path, self._launcher.nursery_pid)
        self._background(self._console.follow_requests(snapshot.sites))
        self._status = self._changes.summary
        self._manager.ready(self._status)
        let_signals_in()
        self._watchdog.start()

    async def _end(self) -> None:
        """Finish what is in hand, and let everything end."""
        is_succeeded = bool(self._upgrade.heirs)
        self._report("service-stopping", "requests in hand are finished first", {"pid": str(os.getpid())})
        for task in self._background_tasks:
            task.cancel()
        self._sockets.close(is_succeeded=is_succeeded)
        seconds = float(self._changes.snapshot.longest_shutdown_seconds)
        patience = asyncio.get_running_loop().call_later(1.0, self._console.still_stopping)
        if is_succeeded:
            patience.cancel()
        else:
            self._manager.stopping(seconds + _LAST_SECONDS)
        ends = asyncio.gather(self._supervisor.stop(seconds, is_succeeded=is_succeeded), self._upgrade.abandon(seconds))
        await ends
        if not is_succeeded:  # the successor shows what comes meanwhile
            self._console.has_stopped()
        await self._launcher.end_programs("the service ends")
        await self._launcher.end_nursery()
        patience.cancel()
        self._watchdog.stop()

    def _asked_to_stop(self, number: int) -> None:
        self._upgrade.pass_on(number)
        self._stop.set()
        if self._same_request_times is None:
            self._let_time_pass(_SAME_REQUEST_TIMES)
        elif not self._same_request_times:
            self._supervisor.kill()
            self._upgrade.kill()

    def _let_time_pass(self, times: int) -> None:
        """In pieces: however long the loop was held up, it hears of a signal before more than one of them is over."""
        self._same_request_times = times
        if times:
            asyncio.get_running_loop().call_later(_SAME_REQUEST_SECONDS, self._let_time_pass, times - 1)

    def _is_left_alone(self, why: str) -> None:
        """Nobody waits for this service: it must not outlive what was started and is watched by somebody."""
        self._report("service-stopping", why, {"pid": str(os.getpid())})
        self._exit_status = EXIT_FAILED
        self._stop.set()

    # --- changes ----------------------------------------------------------------------------------------------

    def _asked_to_reload(self) -> None:
        if not self._upgrade.pass_on(signal.SIGHUP):
            self._background(self._reload())

    async def _reload(self) -> None:
        """SIGHUP: the service manager hears of its beginning and its end, however it ends."""
        self._manager.reloading()
        try:
            await self._changes.reload()
        finally:
            self._manager.ready(self._status)

    def _has_reloaded(self, problem: str) -> None:
        summary = self._changes.summary
        self._status = f"{summary}; what was saved since is refused: {problem}" if problem else summary
        self._manager.status(self._status)

    # --- a successor ------------------------------------------------------------------------------------------

    async def _answer(self, command: Command, tell: Callable[[str], None]) -> Reply:
        if not isinstance(command, commands.Upgrade):
            return await self._administration.handle(command, tell)
        tell("a new service starts beside this one")
        try:
            return commands.Done(text=f"process {await self._hand_over()} is the service now")
        except UpgradeFailed as error:
            return commands.Failed(message=f"the upgrade failed: {error}", remedy="the old service serves on")

    def _asked_to_upgrade(self) -> None:
        if not self._upgrade.pass_on(signal.SIGUSR2):
            self._background(self._try_to_hand_over())

    async def _try_to_hand_over(self) -> None:
        with contextlib.suppress(UpgradeFailed):  # it is an event
            await self._hand_over()

    async def _hand_over(self) -> int:
        """Let a successor take over, and end; gives its process id. Raises UpgradeFailed; then nothing has changed."""
        if self._upgrade.is_under_way or self._stop.is_set():
            raise UpgradeFailed("the service is being replaced already, or ends")
        pid = os.getpid()
        try:
            async with self._changes.lock:
                successor = await self._upgrade.run(
                    self._sockets, self._sites.run_time_states, self._supervisor.topology.pool_states, self._stop
                )
        except UpgradeFailed as error:
            self._report("upgrade-failed", f"{error}; process {pid} serves on", {"pid": str(pid)})
            raise
        self._watchdog.stop()
        text = f"process {successor} is the service now; process {pid} finishes the requests in hand"
        self._report("service-upgraded", text, {"pid": str(successor)})
        asyncio.get_running_loop().call_later(_ANSWER_SECONDS, self._stop.set)
        return successor

    def _nursery_has_died(self, pid: int, status: int) -> None:
        text = f"nursery ended by {describe_exit(status)}; who was born there lives on, and another one will be started"
        self._report("process-died", text, {"pid": str(pid), "status": str(status)})

    # --- small things -----------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Orphans come back to the service when a pool's parent dies: reap them, end the CGI programs among them, and
        what these had started, which comes back in its turn."""
        if self._upgrade.heirs:
            return  # they become this process's children one after the other, and nothing of theirs is an orphan
        reap_orphans(self._launcher.is_ours)
        if self._may_have_orphans:
            self._may_have_orphans = bool(end_orphans(self._supervisor.pids(), self._launcher.is_ours))
        asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _has_lost_parent(self) -> None:
        self._may_have_orphans = True

    def _report(self, event_id: str, text: str, fields: Mapping[str, str]) -> None:
        if event_id == REQUEST_TRACED:
            text = self._traces.take(text, fields)
            fields = {}
        self._events.write(event_id, text + self._out_of_memory.addition(fields), fields)

    def _background(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
