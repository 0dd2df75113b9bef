"""The configuration in force, and what becomes of saved files: a changed one is put in force, a broken one refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from host.activation.children import EventReporter
from host.activation.front_group import FrontGroup
from host.activation.supervisor import NotReplaced, Supervisor
from host.config.diff import difference
from host.config.errors import ConfigErrors
from host.config.model import Snapshot
from host.config.server_file import own_plugin_folders
from host.config.store import Source, build_snapshot, read_source
from host.config.watch import FileChange, watch_files
from host.processes.listening_sockets import BindingError, ListeningSockets
from host.processes.site_control import SiteControl
from host.wire.control_messages import Configure

_LOOK_AGAIN_SECONDS: Final = 1.0


class ConfigurationChanges:
    """One change at a time: `lock` is held while one is carried out, and by whoever wants none meanwhile."""

    def __init__(
        self,
        source: Source,
        snapshot: Snapshot,
        *,
        sites: SiteControl,
        sockets: ListeningSockets,
        lock: asyncio.Lock,
        supervisor: Supervisor,
        report: EventReporter,
        on_reload: Callable[[str], None],
    ) -> None:
        """`on_reload(problem)`: the file was read again; empty, when what it says is in force."""
        self.source = source
        self.snapshot = snapshot
        self.lock = lock
        self._sites = sites
        self._sockets = sockets
        self._supervisor = supervisor
        self._report = report
        self._on_reload = on_reload
        self._has_followed = False  # the watch has seen a save: what was saved before it was read with it

    @property
    def configure(self) -> Configure:
        """What children are told."""
        source = self.source
        return Configure(
            version=self.snapshot.version,
            path=source.path,
            text=source.text,
            isolation=source.isolation,
            port=source.port,
            started_sites=self._sites.started_ids,
        )

    @property
    def summary(self) -> str:
        """One sentence about what is served."""
        sites = len(self._sites.started_ids)
        served = f"{sites} site{'' if sites == 1 else 's'}"
        mode = self.snapshot.isolation_mode.value
        return f"serves {served} in {mode} isolation, version {self.snapshot.version} of {self.source.path}"

    async def follow_files(self, stop: asyncio.Event, background: Callable[[object], None]) -> None:
        """Follow every saved file until `stop` is set."""
        background(self._look_again())
        snapshot = self.snapshot
        folders = dict.fromkeys(
            (*own_plugin_folders(self.source.path), *snapshot.extension_folders, *snapshot.filter_folders)
        )
        async for change in watch_files(self.source.path, folders, stop):
            try:
                await self._follow(change)
            except Exception as error:  # the boundary: whatever one change brings about, the next one is followed too
                version = f"version {self.snapshot.version}"
                text = (
                    f"a saved file could not be followed: {error!r}; {version} is in force as far as it was carried out"
                )
                self._report("configuration-refused", text, {"path": self.source.path})

    async def reload(self) -> None:
        """Read the file again; broken, it changes nothing and the event says why."""
        async with self.lock:
            self._on_reload(await self._read_again())

    async def replace_front(self, front: FrontGroup, why: str) -> None:
        """The front itself has asked for it."""
        async with self.lock:
            await self._supervisor.replace_front(front, why, self.configure, self._sockets.by_endpoint)

    async def _read_again(self) -> str:
        try:
            source = read_source(self.source.path, self.source.isolation, self.source.port)
            snapshot = build_snapshot(source, self.snapshot.version + 1)
            plan = self._sites.plan(snapshot.sites)
        except ConfigErrors as problems:
            for problem in problems.errors:
                self._report("configuration-refused", f"{problem}; the configuration before it stays in force", {})
            return str(problems.errors[0])
        except BindingError as error:
            self._report("binding-failed", f"{error}; the configuration before it stays in force", {})
            return str(error)
        changed = difference(self.snapshot, snapshot)
        if not changed:
            return ""
        before = self.source, self.snapshot, self._sites.states
        self.source, self.snapshot = source, snapshot
        self._sites.put_in_force(plan)
        try:
            await self._supervisor.change(snapshot, self.configure, plan.sockets, changed)
        except NotReplaced as error:
            self.source, self.snapshot, states = before
            self._sites.take_back(states)
            self._report("configuration-refused", f"{error}; the configuration before it stays in force", {})
            return str(error)
        await self._sites.confirm(plan)
        self._report("configuration-applied", f"version {snapshot.version} of {source.path}", {})
        for warning in snapshot.warnings:
            self._report("configuration-warning", warning, {})
        return ""

    async def _look_again(self) -> None:
        """A file saved between its reading and the beginning of the watch."""
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
        file = Path(self.source.path)
        if not self._has_followed and file.exists() and file.read_bytes() != self.source.text:
            await self.reload()

    async def _follow(self, change: FileChange) -> None:
        if change.configuration_changed:
            self._has_followed = True
            await self.reload()
        if change.plugin_files:
            names = ", ".join(sorted(Path(file).name for file in change.plugin_files))
            async with self.lock:
                await self._supervisor.plugins_changed(names, self.configure, self._sockets.by_endpoint)
