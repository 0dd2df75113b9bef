"""Keeps one dllhost of IIS 5 isolation mode: started by the first request, restarted by the next one after a crash.

None of a pool's policies apply here, as IIS had none: no recycling, no pings, no idle time-out, no rapid-fail; one that
reports itself unhealthy is an event and goes on. The administrator may unload it: it finishes what it has, and the next
request starts another one beside it.
"""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Final

from host.activation.children import Child, Surroundings, describe_exit
from host.activation.crash_site import CrashSite
from host.activation.front_group import FrontGroup
from host.activation.questions import Questions
from host.isolation.placement import Slot
from host.wire.black_box import BlackBoxOpened
from host.wire.control_messages import (
    AnyMessage,
    AskExecuting,
    CannotStart,
    Configure,
    Drain,
    Event,
    Executing,
    FilesChanged,
    Hello,
    Ping,
    Plugins,
    Pong,
    Ready,
    Unhealthy,
)
from host.wire.message_rows import PluginRow
from host.wire.script_messages import Scripts

UNLOAD_SECONDS: Final = 90.0
"""How long an unloaded process may take for what it has in hand: shutdownTimeLimit's default."""


class DllhostProcess:
    """One process of a slot, from its start to its end."""

    def __init__(self, slot: Slot, around: Surroundings) -> None:
        self.slot = slot
        self.started_at = around.clock()
        self.plugins: list[PluginRow] = []
        self.is_ready = False
        self.is_leaving = False  # told to end: its end is no crash
        self.executing_questions: Questions[Executing] = Questions()
        self.counter_questions: Questions[Pong] = Questions()
        self.ended: asyncio.Future[None] = around.loop.create_future()
        self.child: Child
        self._around = around
        self._kill_timer: asyncio.TimerHandle | None = None
        self.crash_site = CrashSite()
        self.start_failure = ""  # what it said before Ready, when it gave up

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.child.pid

    def leave(self, seconds: float) -> None:
        """Finish what is in hand and end; killed after `seconds`. The front hands it nothing more."""
        if not self.is_leaving:
            self.is_leaving = True
            self.child.channel.send(Drain(seconds=seconds))
            self._kill_timer = self._around.loop.call_later(seconds, self.kill)

    def kill(self) -> None:
        """End it at once."""
        self.child.kill(signal.SIGKILL)

    async def counters(self, limit_seconds: float) -> Pong:
        """Requests served and in hand. Raises TimeoutError when it does not answer."""
        channel = self.child.channel
        return await self.counter_questions.ask(lambda number: channel.send(Ping(number=number)), limit_seconds)

    async def executing(self) -> Executing:
        """What it is doing for each request it has, and its plugins' processes. Raises TimeoutError."""
        return await self.executing_questions.ask(lambda number: self.child.channel.send(AskExecuting(number=number)))

    def has_ended(self) -> None:
        """The process is gone."""
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        self.child.channel.read_rest()
        self.child.channel.close()
        if not self.ended.done():
            self.ended.set_result(None)


class DllhostSupervisor:
    """One dllhost slot: at most one process of it takes requests; unloaded ones may still finish theirs."""

    def __init__(self, slot: Slot, around: Surroundings, front: FrontGroup, configure: Configure) -> None:
        self.slot = slot
        self.current: DllhostProcess | None = None
        self.leaving: set[DllhostProcess] = set()
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self._around = around
        self._front = front
        self._configure = configure
        self._is_retiring = False
        self._is_wanted = False

    @property
    def pid(self) -> int:
        """Process id of the one that takes requests, 0 when none runs."""
        return self.current.pid if self.current is not None else 0

    @property
    def processes(self) -> tuple[DllhostProcess, ...]:
        """The one that takes requests, and those that only finish theirs."""
        return (*((self.current,) if self.current is not None else ()), *self.leaving)

    def demand(self) -> None:
        """A request of one of its applications waits in inetinfo."""
        if self._is_retiring:
            return
        if self.current is not None:
            # inetinfo asks although it was given one: that one is dying, and its end has not been heard of yet
            self._is_wanted = self.current.is_ready
            return
        self._is_wanted = False
        self.current = process = DllhostProcess(self.slot, self._around)
        process.child = self._around.launcher.start(self.slot, partial(self._exited, process))
        process.child.channel.attach(self._around.loop, partial(self._heard, process), lambda _why: None)
        fields = {"pid": str(process.pid)}
        self._around.report("process-started", f"{self.slot.title}: a request waits", fields)

    def reattach(self) -> None:
        """A new inetinfo knows no dllhost: join them again."""
        if self.current is not None and self.current.is_ready:
            self._front.attach(self.slot.name, self.slot.name, self.current.pid, self.current.child.channel)

    def unload(self, why: str) -> DllhostProcess | None:
        """Let the running process finish what it has and end; the next request starts another one. None: none runs."""
        process, self.current = self.current, None
        if process is not None:
            self.leaving.add(process)
            self._front.detach(self.slot.name)
            fields = {"pid": str(process.pid)}
            self._around.report("application-unloaded", f"{self.slot.title} is unloaded: {why}", fields)
            process.leave(UNLOAD_SECONDS)
        return process

    def retire(self, seconds: float) -> None:
        """Finish what is in hand and end; killed after `seconds`."""
        self._is_retiring = True
        if self.current is not None:
            self._front.detach(self.slot.name)
        for process in self.processes:
            process.leave(seconds)
        self._note_if_empty()

    def kill(self) -> None:
        """End everything at once, for good."""
        self._is_retiring = True
        for process in self.processes:
            process.kill()

    def end_process(self) -> None:
        """End the running process; the next request starts another one."""
        if self.current is not None:
            self.current.kill()

    def _heard(self, process: DllhostProcess, message: AnyMessage, descriptors: list[int]) -> None:
        match message:
            case Hello():
                process.child.channel.send(self._configure)
            case Ready():
                process.is_ready = True
                if process is self.current:
                    self.reattach()
            case CannotStart():
                process.start_failure = message.reason
            case Plugins():
                process.plugins = list(message.rows)
            case Pong():
                process.counter_questions.answer(message.number, message)
            case Executing():
                process.executing_questions.answer(message.number, message)
            case BlackBoxOpened():
                process.crash_site.take(descriptors)
            case FilesChanged():
                if process is self.current:
                    self.unload(f"files changed: {', '.join(message.files)}")
            case Event():
                fields = {"process": self.slot.title, "pid": str(process.pid), **message.fields}
                self._around.report(message.id, message.text, fields)
            case Unhealthy():
                text = f"{self.slot.title} reports itself unhealthy, and goes on: {message.reason}"
                self._around.report("plugin-warning", text, {"process": self.slot.title, "pid": str(process.pid)})
            case Scripts():
                self._around.scripts.add(self.slot.title, message.rows)
            case _:
                pass

    def _exited(self, process: DllhostProcess, status: int) -> None:
        process.has_ended()
        self.leaving.discard(process)
        if process is self.current:
            self.current = None
        blame = process.crash_site.read()
        fields = {"pid": str(process.pid), "status": str(status)}
        if process.is_leaving or self._is_retiring:
            self._around.report("process-ended", f"{self.slot.title} has ended", fields)
        else:
            why = f" ({process.start_failure})" if process.start_failure else ""
            where = f" {blame.sentence}" if blame is not None else ""
            text = f"{self.slot.title} ended by {describe_exit(status)}{where}{why}; the next request starts it again"
            fields |= blame.fields if blame is not None else {}
            self._around.report("process-died", text, fields)
            if self._is_wanted:
                self.demand()
        self._note_if_empty()

    def _note_if_empty(self) -> None:
        if self._is_retiring and not self.processes and not self.gone.done():
            self.gone.set_result(None)
