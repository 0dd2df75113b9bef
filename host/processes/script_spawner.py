"""`isapy: CGI spawner`: inetinfo's helper that starts CGI programs, forked from it before it grows.

In worker process isolation mode the pool's parent does this beside forking workers.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from typing import Final

import multiprocess

from host.processes.spawn import become, become_subreaper, close_on_exec
from host.spawner.server import Spawner

_fork_context: Final = multiprocess.get_context("fork")
_TICK_SECONDS: Final = 0.25


def fork_script_spawner(*not_its: socket.socket) -> socket.socket:
    """Fork the helper and give our end of its socket; when that is closed, the helper ends with all its programs.

    `not_its` are the caller's sockets that the helper must let go of.
    """
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def live() -> None:
        ours.close()
        for other in not_its:
            other.close()
        become("CGI spawner")
        close_on_exec()
        become_subreaper()
        _ScriptSpawner(its).run()

    # no daemon: multiprocess would end it with its parent, and the programs it has to end would go on
    process = _fork_context.Process(target=live, name="CGI spawner")
    process.start()
    its.close()
    return ours


class _ScriptSpawner:
    """The helper's loop: requests from one socket, children that end."""

    def __init__(self, requests: socket.socket) -> None:
        self._selector = selectors.DefaultSelector()
        self._spawner = Spawner(self._selector)
        self._spawner.add_worker("inetinfo", requests)
        self._signal_read, self._signal_write = socket.socketpair()

    def run(self) -> None:
        """Until inetinfo's end of the socket is closed and every program is gone."""
        self._signal_read.setblocking(False)
        self._signal_write.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._signal_write.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._signal_read, selectors.EVENT_READ, self._reap)
        while self._spawner.is_needed:
            for key, _ in self._selector.select(_TICK_SECONDS):
                key.data()
            self._spawner.tick(time.monotonic())
        self._spawner.close()

    def _reap(self) -> None:
        self._signal_read.recv(4096)
        while True:
            try:
                pid, raw_status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._spawner.owns(pid):
                self._spawner.ended(pid, os.waitstatus_to_exitcode(raw_status))
