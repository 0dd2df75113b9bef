"""Does things to a running service: kills, stops, recycles, changes, switches. Each gives a Strike when it is done."""

from __future__ import annotations

import dataclasses
import os
import random
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import psutil

from host.admin.commands import RecyclePool, StartPool, StopPool
from tests.chaos.event_tail import EventTail
from tests.chaos.promises import Disturbance, Strike
from tests.chaos.site import OTHER_POOL, POOL, Settings
from tests.running_service import WAIT_SECONDS, RunningService, wait_until

_STOPPED_SECONDS: Final = 0.3


class Disturber:
    """`strikes` is what has been done so far. `settings` is what the configuration says now."""

    def __init__(self, service: RunningService, settings: Settings, rng: random.Random) -> None:
        self._service = service
        self._random = rng
        self._plugin_version = 0
        self.settings = settings
        self.strikes: list[Strike] = []
        self.events = EventTail(service.logs / "events.log")
        self._ways: Final[Mapping[Disturbance, Callable[[], None]]] = {
            Disturbance.RECYCLE: self._recycle,
            Disturbance.SAVE_PLUGIN: self._save_plugin,
            Disturbance.CHANGE_CONFIGURATION: self._change_configuration,
            Disturbance.RESTART_OTHER_POOL: self._restart_other_pool,
            Disturbance.SWITCH_MODE: self._switch_mode,
            Disturbance.KILL_WORKER: lambda: self._kill(f"worker {POOL}#"),
            Disturbance.STOP_WORKER: self._stop_worker,
            Disturbance.KILL_LISTENER: lambda: self._kill("listener"),
            Disturbance.STOP_LISTENER: self._stop_listener,
            Disturbance.KILL_PARENT: lambda: self._kill(f"pool {POOL}"),
            Disturbance.KILL_INETINFO: lambda: self._kill("inetinfo"),
            Disturbance.KILL_DLLHOST: lambda: self._kill("dllhost pooled"),
        }

    @property
    def is_iis5(self) -> bool:
        """Whether the service runs in IIS 5 isolation mode."""
        return self.settings.mode == "IIS5"

    def strike(self, what: Disturbance) -> None:
        """Do it, and wait until it has taken effect. Raises AssertionError when it does not."""
        began = time.monotonic()
        self._ways[what]()
        self.strikes.append(Strike(what, began, time.monotonic()))

    # --- what must lose nothing -------------------------------------------------------------------------------

    def _recycle(self) -> None:
        self._service.ask(RecyclePool(name=POOL))

    def _save_plugin(self) -> None:
        self._plugin_version += 1
        path = self._service.folder / "extensions" / "page.py"
        old = path.read_text().partition("\n# version")[0]
        _save(path, f"{old}\n# version {self._plugin_version}\n")

    def _change_configuration(self) -> None:
        """Another environment of the pool under load, or an application more or less in the other pool."""
        if self._random.random() < 0.5:
            changed = dataclasses.replace(self.settings, environment=self.settings.environment + 1)
        else:
            changed = dataclasses.replace(self.settings, has_more=not self.settings.has_more)
        self._apply(changed)

    def _restart_other_pool(self) -> None:
        self._service.ask(StopPool(name=OTHER_POOL))
        self._service.ask(StartPool(name=OTHER_POOL))

    def _switch_mode(self) -> None:
        other = "WorkerProcess" if self.is_iis5 else "IIS5"
        self._apply(dataclasses.replace(self.settings, mode=other))

    def _apply(self, settings: Settings) -> None:
        before = self._mark()
        _save(self._service.config, settings.text)
        self.settings = settings
        self._wait("a changed configuration", lambda: self.events.has(before, "configuration-applied"))

    # --- what kills -------------------------------------------------------------------------------------------

    def _kill(self, title: str) -> None:
        with _Death(self._find(title)) as process:
            process.kill()

    def _stop_worker(self) -> None:
        """SIGSTOP: it answers no ping, and is replaced."""
        with _Death(self._find(f"worker {POOL}#")) as process:
            process.suspend()

    def _stop_listener(self) -> None:
        """Time passes for everybody but the listener; nothing of it may show but a slow answer."""
        process = self._find("inetinfo" if self.is_iis5 else "listener")
        process.suspend()
        try:
            threading.Event().wait(_STOPPED_SECONDS)  # how long it is stopped is the disturbance itself
        finally:
            os.kill(process.pid, signal.SIGCONT)

    def _find(self, title: str) -> psutil.Process:
        """One of the running processes with that title; waits for one."""

        def found() -> psutil.Process | None:
            pids = [row.pid for row in self._service.status().processes if row.title.startswith(title)]
            try:
                return psutil.Process(self._random.choice(sorted(pids))) if pids else None
            except psutil.NoSuchProcess:
                return None

        process = wait_until(found, self._service.logs, f"a process {title}")
        assert process is not None
        return process

    def _mark(self) -> int:
        self.events.read()
        return len(self.events.lines)

    def _wait(self, what: str, condition: Callable[[], bool]) -> None:
        wait_until(condition, self._service.logs, what)


class _Death:
    """`with _Death(process) as process:` kill it there; at the end it is dead (its parent may not have reaped it)."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._pidfd = os.pidfd_open(process.pid)

    def __enter__(self) -> psutil.Process:
        return self._process

    def __exit__(self, *_: object) -> None:
        waiting = select.poll()
        waiting.register(self._pidfd, select.POLLIN)
        is_dead = waiting.poll(WAIT_SECONDS * 1000)
        os.close(self._pidfd)
        assert is_dead, f"process {self._process.pid} does not end"


def _save(path: Path, text: str) -> None:
    """As an editor does: a new file, renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)
