"""Keeps a pool's parent process running until the pool is retired."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

from host.activation.children import Child, Surroundings, describe_exit
from host.isolation.placement import Slot
from host.wire.control_messages import (
    AnyMessage,
    Configure,
    Drain,
    Event,
    ExamineWorker,
    Hello,
    KillWorker,
    Preloading,
    Ready,
    StartWorker,
    WorkerExamined,
    WorkerExited,
    WorkerStarted,
)
from host.wire.message_rows import Examination

_PAUSE_SECONDS: Final = 1.0


class ParentSupervisor:
    """One parent process after another.

    `on_ready()`: it can fork. `on_started(worker, pid)` and `on_exited(worker, status)` tell of its workers,
    `on_examined(worker, examination)` of one that was examined.
    `on_gone(expected)`: the process has ended; an unexpected end is followed by a new one after a pause.
    """

    def __init__(
        self,
        slot: Slot,
        around: Surroundings,
        configure: Configure,
        *,
        on_ready: Callable[[], None],
        on_started: Callable[[str, int], None],
        on_exited: Callable[[str, int], None],
        on_examined: Callable[[str, Examination], None],
        on_gone: Callable[[bool], None],
    ) -> None:
        self.slot = slot
        self.is_ready = False
        self._around = around
        self._configure = configure
        self._on_ready = on_ready
        self._on_started = on_started
        self._on_exited = on_exited
        self._on_examined = on_examined
        self._on_gone = on_gone
        self._child: Child | None = None
        self._is_retiring = False
        self._has_died = False
        self._preloads = True  # until a parent has died of it
        self._preload_limit: asyncio.TimerHandle | None = None  # set while it imports plugins

    @property
    def pid(self) -> int:
        """Process id, 0 when there is none at the moment."""
        return self._child.pid if self._child is not None else 0

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._child is not None

    def start(self, why: str) -> None:
        """Start the process; `why` ends in the event log."""
        if self._is_retiring:
            return
        child = self._around.launcher.start(self.slot, self._exited)
        self._child, self.is_ready = child, False
        child.channel.attach(self._around.loop, self._heard, lambda _why: None)
        self._around.report("process-started", f"{self.slot.title}: {why}", {"pid": str(child.pid)})

    def configure(self, configure: Configure) -> None:
        """Workers forked from now on see this configuration."""
        self._configure = configure
        self._tell(self._configuration())

    def start_worker(self, name: str, number: int, control: int) -> None:
        """Fork a worker with that end of its control channel."""
        self._tell(StartWorker(worker=name, number=number), control)

    def signal_worker(self, name: str, number: int) -> None:
        """Send that worker a signal: SIGKILL ends it, SIGSTOP and SIGCONT suspend and wake it."""
        self._tell(KillWorker(worker=name, signal=number))

    def examine_worker(self, name: str) -> None:
        """Find out what that worker is doing; `on_examined` is told, unless it ends before."""
        self._tell(ExamineWorker(worker=name))

    def retire(self) -> None:
        """End it; its workers have ended already."""
        self._is_retiring = True
        if self._child is None:
            self._on_gone(True)
        else:
            self._tell(Drain(seconds=0.0))

    def kill(self) -> None:
        """End it at once."""
        self._is_retiring = True
        if self._child is not None:
            self._child.kill(signal.SIGKILL)

    def take_death(self) -> bool:
        """Whether it died unexpectedly since this was asked last (its CGI programs are orphans then)."""
        died, self._has_died = self._has_died, False
        return died

    def _heard(self, message: AnyMessage, _descriptors: list[int]) -> None:
        match message:
            case Hello():
                self._tell(self._configuration())
            case Preloading():
                limit = self._around.loop.call_later(message.seconds, self._preloads_too_long)
                self._preload_limit = limit
            case Ready():
                self._end_of_preload()
                self.is_ready = True
                self._on_ready()
            case WorkerStarted():
                self._on_started(message.worker, message.pid)
            case WorkerExamined():
                self._on_examined(message.worker, message.examination)
            case WorkerExited():
                self._on_exited(message.worker, message.status)
            case Event():
                self._around.report(message.id, message.text, message.fields)
            case _:
                pass

    def _exited(self, status: int) -> None:
        child, self._child, self.is_ready = self._child, None, False
        assert child is not None
        child.channel.close()
        fields = {"pid": str(child.pid), "status": str(status)}
        if self._is_retiring:
            self._around.report("process-ended", f"{self.slot.title} has ended", fields)
        elif self._end_of_preload():
            self._preloads = False
            text = f"{self.slot.title} ended by {describe_exit(status)} while it imported plugins: nothing is preloaded"
            self._around.report("preload-failed", text, fields)
            self.start("without preloading")
            return
        else:
            text = f"{self.slot.title} ended by {describe_exit(status)}; its workers finish what they have"
            self._around.report("process-died", text, fields)
            self._has_died = True
            self._around.loop.call_later(_PAUSE_SECONDS, self.start, "the one before it died")
        self._on_gone(self._is_retiring)

    def _configuration(self) -> Configure:
        return self._configure if self._preloads else self._configure.without_preload()

    def _preloads_too_long(self) -> None:
        if self._child is not None:
            self._child.kill(signal.SIGKILL)

    def _end_of_preload(self) -> bool:
        """Whether it was importing plugins until now."""
        limit, self._preload_limit = self._preload_limit, None
        if limit is not None:
            limit.cancel()
        return limit is not None

    def _tell(self, message: AnyMessage, *descriptors: int) -> None:
        if self._child is not None:
            self._child.channel.send(message, descriptors)
