"""`isapy: nursery`: where the parents of pools, and dllhosts, are forked from, so that they share what isapy itself is.

It has imported isapy's own code and the plugins that came with isapy, and nothing else: no configuration, no listening
socket, no file of a site. The service forks it before it has read anything. Whoever is born here becomes the service's
own child (the fork's fork, whose parent ends at once: the service is the subreaper of both), so the service reaps it,
and it outlives the nursery.
"""

from __future__ import annotations

import gc
import os
import select
import socket
from contextlib import suppress
from typing import Final, NoReturn

import multiprocess

from host.isolation.placement import SlotRole
from host.processes.control_channel import ControlChannel
from host.processes.dllhost import run_dllhost
from host.processes.immortal import make_immortal
from host.processes.pool import run_pool
from host.processes.practice import practise
from host.processes.preload import preload_bundled_plugins
from host.processes.shared_heap import lay_down
from host.processes.spawn import become, end_with_parent
from host.wire.control_messages import Ready
from host.wire.errors import WireError
from host.wire.pool_messages import Born, GiveBirth
from host.worker.plugin_code import PluginCode

_fork_context: Final = multiprocess.get_context("fork")
_PID_BYTES: Final = 16


def run_nursery(control: socket.socket, service: int) -> None:
    """The process's life: until the service, whose process id this is, has closed its end of the channel."""
    end_with_parent(service)
    plugin_code = PluginCode()
    preload_bundled_plugins(plugin_code)
    with suppress(Exception, SystemExit):  # out of descriptors, say: whoever is born learns by itself then
        practise(plugin_code)
    gc.collect()
    make_immortal()
    gc.freeze()  # what is here now is shared with whoever is born: the collector must not touch it
    lay_down()
    _Nursery(ControlChannel(control), plugin_code).run()


class _Nursery:
    """The loop: one order, one answer."""

    def __init__(self, channel: ControlChannel, plugin_code: PluginCode) -> None:
        self._channel = channel
        self._plugin_code = plugin_code

    def run(self) -> None:
        """Until the service is gone, or breaks the dialogue."""
        self._channel.send(Ready())
        while True:
            select.select([self._channel], [], [])
            try:
                messages = self._channel.receive()
            except (EOFError, WireError):
                return
            for message, descriptors in messages:
                if isinstance(message, GiveBirth):
                    self._give_birth(message, socket.socket(fileno=descriptors[0]))

    def _give_birth(self, order: GiveBirth, control: socket.socket) -> None:
        """Answers when the newborn is the service's child: the process between has ended, and been reaped."""
        reader, writer = os.pipe()
        raw_pid = b"0"
        with suppress(OSError):  # no memory, or no more processes: the service has to see for itself
            between = os.fork()
            if not between:
                self._fork_again(order, control, reader, writer)
            os.waitpid(between, 0)
            os.set_blocking(reader, False)  # both ends are open here: nothing is said when the second fork failed
            raw_pid = os.read(reader, _PID_BYTES)
        os.close(reader)
        os.close(writer)
        control.close()
        self._channel.send(Born(pid=int(raw_pid)))

    def _fork_again(self, order: GiveBirth, control: socket.socket, reader: int, writer: int) -> NoReturn:
        """In the process between: the fork that stays. It says which one that is, and ends."""

        def live() -> None:
            os.close(reader)
            os.close(writer)
            self._live(order, control)

        try:
            newborn = _fork_context.Process(target=live, name=order.title)
            newborn.start()
            os.write(writer, str(newborn.pid).encode())
        finally:
            os._exit(0)  # and not as Python ends: multiprocess would wait for its child

    def _live(self, order: GiveBirth, control: socket.socket) -> None:
        """In the newborn: let go of what is the nursery's, and be what was asked for."""
        self._channel.close()
        become(order.title)
        applications = tuple(order.applications)
        if order.role == SlotRole.POOL.value:
            run_pool(control, order.name, applications, self._plugin_code)
        else:
            run_dllhost(control, order.name, order.title, applications, self._plugin_code)
