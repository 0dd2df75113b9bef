"""Keeps one dllhost of IIS 5 isolation mode: started by the first request, restarted by the next one after a crash.

None of a pool's policies apply here, as IIS had none: no recycling, no pings, no idle time-out, no rapid-fail.
"""

from __future__ import annotations

import asyncio
import signal

from host.activation.children import Child, Surroundings, describe_exit
from host.activation.front_supervisor import FrontSupervisor
from host.isolation.placement import Slot
from host.wire.control_messages import AnyMessage, Configure, Drain, Event, Hello, Plugins, Ready
from host.wire.message_rows import PluginRow


class DllhostSupervisor:
    """One dllhost slot; at most one process of it runs at a time."""

    def __init__(self, slot: Slot, around: Surroundings, front: FrontSupervisor, configure: Configure) -> None:
        self.slot = slot
        self.plugins: list[PluginRow] = []
        self.started_at = 0.0
        self.is_ready = False
        self.gone: asyncio.Future[None] = around.loop.create_future()
        self._around = around
        self._front = front
        self._configure = configure
        self._child: Child | None = None
        self._is_retiring = False
        self._is_wanted = False
        self._kill_timer: asyncio.TimerHandle | None = None

    @property
    def pid(self) -> int:
        """Process id, 0 when it does not run."""
        return self._child.pid if self._child is not None else 0

    def demand(self) -> None:
        """A request of one of its applications waits in inetinfo."""
        if self._child is not None or self._is_retiring:
            # inetinfo asks although it was given one: that one is dying, and its end has not been heard of yet
            self._is_wanted = self.is_ready
            return
        self._is_wanted = False
        self.started_at = self._around.clock()
        self._child = self._around.launcher.start(self.slot, self._exited)
        self._child.channel.attach(self._around.loop, self._heard, lambda _why: None)
        fields = {"pid": str(self._child.pid)}
        self._around.report("process-started", f"{self.slot.title}: a request waits", fields)

    def reattach(self) -> None:
        """A new inetinfo knows no dllhost: join them again."""
        if self._child is not None and self.is_ready:
            self._front.attach(self.slot.name, self.slot.name, self._child.pid, self._child.channel)

    def retire(self, seconds: float) -> None:
        """Finish what is in hand and end; killed after `seconds`."""
        self._is_retiring = True
        if self._child is None:
            self._has_gone()
            return
        self._front.detach(self.slot.name)
        self._child.channel.send(Drain(seconds=seconds))
        self._kill_timer = self._around.loop.call_later(seconds, self.kill)

    def kill(self) -> None:
        """End it at once, for good."""
        self._is_retiring = True
        self.end_process()

    def end_process(self) -> None:
        """End the running process; the next request starts another one."""
        if self._child is not None:
            self._child.kill(signal.SIGKILL)

    def _heard(self, message: AnyMessage, _descriptors: list[int]) -> None:
        assert self._child is not None
        match message:
            case Hello():
                self._child.channel.send(self._configure)
            case Ready():
                self.is_ready = True
                self.reattach()
            case Plugins():
                self.plugins = list(message.rows)
            case Event():
                fields = {"process": self.slot.title, "pid": str(self.pid), **message.fields}
                self._around.report(message.id, message.text, fields)
            case _:
                pass

    def _exited(self, status: int) -> None:
        child, self._child, self.is_ready = self._child, None, False
        assert child is not None
        child.channel.close()
        fields = {"pid": str(child.pid), "status": str(status)}
        if self._is_retiring:
            self._around.report("process-ended", f"{self.slot.title} has ended", fields)
            self._has_gone()
        else:
            text = f"{self.slot.title} ended by {describe_exit(status)}; the next request starts it again"
            self._around.report("process-died", text, fields)
            if self._is_wanted:
                self.demand()

    def _has_gone(self) -> None:
        if self._kill_timer is not None:
            self._kill_timer.cancel()
        if not self.gone.done():
            self.gone.set_result(None)
