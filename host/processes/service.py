"""`isapy: service`: W3SVC and WAS in one. Owns the listening sockets, the configuration and every process's life.

It is not on any request's path and runs no plugin code. It ends last, and nothing survives it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
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
from host.config.diff import difference
from host.config.errors import ConfigErrors
from host.config.model import Snapshot
from host.config.store import Source, build_snapshot, read_source
from host.config.watch import FileChange, watch_files
from host.logs.event_log import EventLog
from host.processes.administration import Administration
from host.processes.console import Console, site_urls
from host.processes.launcher import Launcher
from host.processes.listening_sockets import BindingError, ListeningSockets
from host.processes.orphans import end_everything, end_orphans, reap_orphans
from host.processes.site_control import SiteControl
from host.processes.spawn import become_subreaper
from host.wire.control_messages import Configure

EXIT_FAILED: Final = 1
EXIT_BAD_CONFIGURATION: Final = 2
_SWEEP_SECONDS: Final = 1.0


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
    try:
        source = read_source(options.config, options.isolation, options.port)
        snapshot = build_snapshot(source, 1)
    except ConfigErrors as problems:
        for problem in problems.errors:
            console.error(str(problem))
        return EXIT_BAD_CONFIGURATION
    try:
        return asyncio.run(Service(source, snapshot, console).live())
    finally:
        end_everything()


class Service:
    """Joins configuration, sockets, supervisor, control socket and file watching."""

    def __init__(self, source: Source, snapshot: Snapshot, console: Console) -> None:
        self._source = source
        self._snapshot = snapshot
        self._console = console
        self._sockets = ListeningSockets()
        self._events = EventLog(Path(snapshot.log_directory, "events.log"), echo=console.event)
        self._stop = asyncio.Event()
        self._stop_requests = 0
        self._changes = asyncio.Lock()
        self._sites = SiteControl(self._sockets, self._changes, self._tell_fronts, self._report)
        self._background_tasks: set[asyncio.Task[None]] = set()
        self._launcher: Launcher
        self._supervisor: Supervisor

    async def live(self) -> int:
        """Until a signal or the administrator ends it; gives the exit status."""
        loop = asyncio.get_running_loop()
        self._launcher = Launcher(loop)
        around = Surroundings(loop, self._launcher, self._report)
        self._supervisor = Supervisor(around)
        administration = Administration(self._supervisor, self._sites, lambda: self._snapshot, self._stop.set)
        try:
            server = ControlServer(control_socket(self._source.path), administration.handle)
            await server.start()
            plan = self._sites.plan(self._snapshot.sites)
        except SocketInUse as error:
            self._console.error(f"process {error.pid} runs {self._source.path} already; end it with: isapy stop")
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
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._background(self._reload()))
        self._background(self._watch())  # from here on no saved file goes unnoticed; it is followed after the start
        try:
            async with self._changes:
                self._sites.put_in_force(plan)
                await self._supervisor.start(self._snapshot, self._configure(), plan.sockets)
                self._sites.confirm(plan)
        except ConnectionAbortedError as error:
            self._console.error(f"{error}; the event log {self._log_path('events.log')} has more")
            await self._supervisor.stop(0.0)
            await server.close()
            return EXIT_FAILED
        self._sweep()
        self._has_started()
        await self._stop.wait()
        await self._end(server)
        return 0

    # --- start and end ----------------------------------------------------------------------------------------

    def _has_started(self) -> None:
        mode = self._snapshot.isolation_mode.value
        self._report(
            "service-started", f"isapy serves {self._source.path} in {mode} isolation", {"pid": str(os.getpid())}
        )
        for warning in self._snapshot.warnings:
            self._report("configuration-warning", warning, {})
        urls = [url for site in self._sites.states.bound_sites for url in site_urls(site)]
        self._console.banner(self._snapshot, urls, self._supervisor.topology, self._source.path)

    async def _end(self, server: ControlServer) -> None:
        self._report("service-stopping", "requests in hand are finished first", {})
        for task in self._background_tasks:
            task.cancel()
        self._sockets.close()
        seconds = max((pool.shutdown_time_limit_seconds for pool in self._snapshot.pools), default=90)
        patience = asyncio.get_running_loop().call_later(1.0, self._console.still_stopping)
        await self._supervisor.stop(float(seconds))
        patience.cancel()
        await server.close()

    def _asked_to_stop(self) -> None:
        self._stop_requests += 1
        self._stop.set()
        if self._stop_requests > 1:
            self._supervisor.kill()

    # --- changes ----------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        self._background(self._look_again())
        folders = [*self._snapshot.extension_folders, *self._snapshot.filter_folders]
        async for change in watch_files(self._source.path, folders, self._stop):
            try:
                await self._follow(change)
            except Exception as error:  # the boundary: whatever one change brings about, the next one is followed too
                text = f"a saved file could not be followed: {error!r}; what was in force stays in force"
                self._report("configuration-refused", text, {"path": self._source.path})

    async def _look_again(self) -> None:
        """A file saved between its reading and the beginning of the watch."""
        await asyncio.sleep(_SWEEP_SECONDS)
        file = Path(self._source.path)
        if file.exists() and file.read_bytes() != self._source.text:
            await self._reload()

    async def _follow(self, change: FileChange) -> None:
        if change.configuration_changed:
            await self._reload()
        if change.plugin_files:
            names = ", ".join(sorted(Path(file).name for file in change.plugin_files))
            async with self._changes:
                await self._supervisor.plugins_changed(names, self._configure(), self._sockets.by_endpoint)

    async def _reload(self) -> None:
        """Read the file again; broken, it changes nothing and the event says why."""
        async with self._changes:
            try:
                source = read_source(self._source.path, self._source.isolation, self._source.port)
                snapshot = build_snapshot(source, self._snapshot.version + 1)
                plan = self._sites.plan(snapshot.sites)
            except ConfigErrors as problems:
                for problem in problems.errors:
                    self._report("configuration-refused", f"{problem}; the configuration before it stays in force", {})
                return
            except BindingError as error:
                self._report("binding-failed", f"{error}; the configuration before it stays in force", {})
                return
            changed = difference(self._snapshot, snapshot)
            if not changed:
                return
            self._source, self._snapshot = source, snapshot
            self._sites.put_in_force(plan)
            await self._supervisor.change(snapshot, self._configure(), plan.sockets, changed)
            self._sites.confirm(plan)
            self._report("configuration-applied", f"version {snapshot.version} of {source.path}", {})
            for warning in snapshot.warnings:
                self._report("configuration-warning", warning, {})

    # --- small things -----------------------------------------------------------------------------------------

    def _configure(self) -> Configure:
        source = self._source
        return Configure(
            version=self._snapshot.version,
            path=source.path,
            text=source.text,
            isolation=source.isolation,
            port=source.port,
            started_sites=self._sites.started_ids,
        )

    async def _tell_fronts(self, started: list[int], sockets: Mapping[str, socket.socket]) -> bool:
        return await self._supervisor.set_sites(started, sockets)

    def _sweep(self) -> None:
        """Orphans come back to the service when a pool's parent dies: reap them, end the CGI programs among them."""
        reap_orphans(self._launcher.is_ours)
        if self._supervisor.has_lost_a_parent():
            end_orphans(set(self._supervisor.pids()), self._launcher.is_ours)
        asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _report(self, event_id: str, text: str, fields: Mapping[str, str]) -> None:
        self._events.write(event_id, text, fields)

    def _log_path(self, name: str) -> str:
        return str(Path(self._snapshot.log_directory, name))

    def _background(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._background_tasks.add(task)
        task.add_done_callback(self._background_tasks.discard)
