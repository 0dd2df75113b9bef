"""`isapy: service`: W3SVC and WAS in one. Owns the listening sockets, the configuration and every process's life.

It is not on any request's path and runs no plugin code. It ends last, and nothing survives it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from setproctitle import setproctitle

from host.activation.children import Surroundings
from host.activation.supervisor import Supervisor
from host.admin.client import ControlError
from host.admin.location import control_socket
from host.admin.server import ControlServer
from host.admin.unix_socket import SocketInUse
from host.config.errors import ConfigErrors
from host.config.model import Snapshot
from host.config.store import Source, build_snapshot, read_source
from host.logs.event_log import EventLog
from host.processes.administration import Administration
from host.processes.configuration_changes import ConfigurationChanges
from host.processes.console import Console, site_urls
from host.processes.inherited_sockets import InheritedSockets, take_inherited_sockets
from host.processes.launcher import Launcher
from host.processes.listening_sockets import BindingError, ListeningSockets
from host.processes.orphans import end_everything, end_orphans, reap_orphans
from host.processes.service_manager import ServiceManager, Watchdog
from host.processes.site_control import SiteControl, SitePlan
from host.processes.spawn import become_subreaper

EXIT_FAILED: Final = 1
EXIT_BAD_CONFIGURATION: Final = 2
_SWEEP_SECONDS: Final = 1.0
_LAST_SECONDS: Final = 10.0  # beyond shutdownTimeLimit: what is left is killed, parents and fronts end


def run_service(arguments: list[str]) -> int:
    """`python -m host.processes service --config FILE ...`; gives the exit status."""
    parser = argparse.ArgumentParser(prog="isapy service")
    parser.add_argument("--config", required=True)
    parser.add_argument("--isolation", default="")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--quiet", action="store_true")
    options = parser.parse_args(arguments)
    setproctitle("isapy: service")
    become_subreaper()
    console = Console(sys.stderr, quiet=options.quiet)
    manager = ServiceManager.from_environment(os.environ)
    inherited = take_inherited_sockets(os.environ)
    try:
        source = read_source(options.config, options.isolation, options.port)
        snapshot = build_snapshot(source, 1)
    except ConfigErrors as problems:
        for problem in problems.errors:
            console.error(str(problem))
        return EXIT_BAD_CONFIGURATION
    try:
        return asyncio.run(Service(source, snapshot, console, manager, inherited).live())
    finally:
        end_everything()


class Service:
    """Joins configuration, sockets, supervisor, control socket, file watching and the service manager."""

    def __init__(
        self,
        source: Source,
        snapshot: Snapshot,
        console: Console,
        manager: ServiceManager,
        inherited: InheritedSockets,
    ) -> None:
        self._path = source.path
        self._first = (source, snapshot)
        self._console = console
        self._manager = manager
        self._inherited = inherited
        self._sockets = ListeningSockets()
        self._events = EventLog(Path(snapshot.log_directory, "events.log"), echo=console.event)
        self._stop = asyncio.Event()
        self._stop_requests = 0
        self._status = ""
        self._background_tasks: set[asyncio.Task[None]] = set()
        self._launcher: Launcher
        self._supervisor: Supervisor
        self._sites: SiteControl
        self._changes: ConfigurationChanges
        self._watchdog: Watchdog

    async def live(self) -> int:
        """Until a signal or the administrator ends it; gives the exit status."""
        loop = asyncio.get_running_loop()
        self._build(loop)
        server = ControlServer(control_socket(self._path), self._administration.handle)
        try:
            await server.start()
            plan = self._plan()
        except SocketInUse as error:
            self._console.error(f"process {error.pid} runs {self._path} already; end it with: isapy stop")
            return EXIT_FAILED
        except BindingError as error:
            self._console.error(str(error))
            await server.close()
            return EXIT_FAILED
        except (ControlError, OSError) as error:
            self._console.error(
                f"the control socket cannot be made: {error}; set ISAPY_CONTROL to a folder of your own"
            )
            return EXIT_FAILED
        self._listen_to_signals(loop)
        # from here on no saved file goes unnoticed; it is followed after the start
        self._background(self._changes.follow_files(self._stop, self._background))
        try:
            async with self._changes.lock:
                self._sites.put_in_force(plan)
                await self._supervisor.start(self._changes.snapshot, self._changes.configure, plan.sockets)
                self._sites.confirm(plan)
        except ConnectionAbortedError as error:
            log = Path(self._changes.snapshot.log_directory, "events.log")
            self._console.error(f"{error}; the event log {log} has more")
            await self._supervisor.stop(0.0)
            await server.close()
            return EXIT_FAILED
        self._sweep()
        self._has_started()
        await self._stop.wait()
        await self._end(server)
        return 0

    # --- start and end ----------------------------------------------------------------------------------------

    def _build(self, loop: asyncio.AbstractEventLoop) -> None:
        self._launcher = Launcher(loop)
        self._supervisor = Supervisor(Surroundings(loop, self._launcher, self._report))
        lock = asyncio.Lock()
        self._sites = SiteControl(self._sockets, lock, self._supervisor.set_sites, self._report)
        self._changes = ConfigurationChanges(
            *self._first,
            sites=self._sites,
            lock=lock,
            sockets=self._sockets,
            supervisor=self._supervisor,
            report=self._report,
            on_reload=self._has_reloaded,
        )
        self._administration = Administration(
            self._supervisor, self._sites, lambda: self._changes.snapshot, self._stop.set
        )
        self._watchdog = Watchdog(loop, self._manager, lambda: self._supervisor.is_well)

    def _plan(self) -> SitePlan:
        """Those of the service manager first: what they listen on need not, and cannot, be opened again."""
        problems = self._inherited.problems
        for endpoint in self._sockets.adopt(self._inherited.listening):
            problems.append(f"{endpoint} was inherited twice: one of the sockets is closed")
        for endpoint in self._sockets.close_unwanted(self._changes.snapshot.sites):
            problems.append(f"no binding wants the inherited socket {endpoint}: it is closed")
        for problem in problems:
            self._report("socket-not-wanted", problem, {})
        return self._sites.plan(self._changes.snapshot.sites)

    def _listen_to_signals(self, loop: asyncio.AbstractEventLoop) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._background(self._reload()))

    def _has_started(self) -> None:
        snapshot = self._changes.snapshot
        mode = snapshot.isolation_mode.value
        self._report("service-started", f"isapy serves {self._path} in {mode} isolation", {"pid": str(os.getpid())})
        for warning in snapshot.warnings:
            self._report("configuration-warning", warning, {})
        urls = [url for site in self._sites.states.bound_sites for url in site_urls(site)]
        self._console.banner(snapshot, urls, self._supervisor.topology, self._path)
        self._status = self._changes.summary
        self._manager.ready(self._status)
        self._watchdog.start()

    async def _end(self, server: ControlServer) -> None:
        self._report("service-stopping", "requests in hand are finished first", {})
        for task in self._background_tasks:
            task.cancel()
        self._sockets.close()
        seconds = float(max((pool.shutdown_time_limit_seconds for pool in self._changes.snapshot.pools), default=90))
        self._manager.stopping(seconds + _LAST_SECONDS)
        patience = asyncio.get_running_loop().call_later(1.0, self._console.still_stopping)
        await self._supervisor.stop(seconds)
        patience.cancel()
        self._watchdog.stop()
        await server.close()

    def _asked_to_stop(self) -> None:
        self._stop_requests += 1
        self._stop.set()
        if self._stop_requests > 1:
            self._supervisor.kill()

    # --- changes ----------------------------------------------------------------------------------------------

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

    # --- small things -----------------------------------------------------------------------------------------

    def _sweep(self) -> None:
        """Orphans come back to the service when a pool's parent dies: reap them, end the CGI programs among them."""
        reap_orphans(self._launcher.is_ours)
        if self._supervisor.has_lost_a_parent():
            end_orphans(set(self._supervisor.pids()), self._launcher.is_ours)
        asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _report(self, event_id: str, text: str, fields: Mapping[str, str]) -> None:
        self._events.write(event_id, text, fields)

    def _background(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
