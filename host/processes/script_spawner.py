"""Helpers that start CGI programs, each forked from its parent before that grows or gives up its rights.

`isapy: CGI spawner` is inetinfo's; in worker process isolation mode the pool's parent does this beside forking workers.
`isapy: script users POOL` is a pool's, where scripts run as other users (`cgi/@runAs`): it stays what the service is,
takes its rules along, and starts nothing but what they allow.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import Final

import multiprocess

from host.config.store import ServerConfiguration, Source
from host.processes.spawn import become, become_subreaper, close_on_exec
from host.script_users.launch import ScriptUsers
from host.script_users.rules import folder_rules
from host.spawner.server import Spawner
from host.wire.spawn_messages import UseConfiguration

_fork_context: Final = multiprocess.get_context("fork")
_TICK_SECONDS: Final = 0.25
_LONGEST_NAME: Final = 4096


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
        selector = selectors.DefaultSelector()
        spawner = Spawner(selector, configured=_users_of_inetinfo)
        spawner.add_worker("inetinfo", its)
        SpawnerLoop(selector, spawner).run()

    # no daemon: multiprocess would end it with its parent, and the programs it has to end would go on
    process = _fork_context.Process(target=live, name="CGI spawner")
    process.start()
    its.close()
    return ours


def _users_of_inetinfo(message: UseConfiguration) -> ScriptUsers:
    source = Source(message.path, message.text, message.isolation, message.port)
    return ScriptUsers(folder_rules(ServerConfiguration(source, message.version), message.applications))


class UserSpawner:
    """A pool's way to its helper. The end of `socket` tells that the helper has ended, which nobody has asked it to."""

    def __init__(self, pool_name: str, users: ScriptUsers, let_go: Callable[[], None]) -> None:
        """Fork it. `let_go` is called in the fork: it closes what is the parent's."""
        self.socket, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def live() -> None:
            self.socket.close()
            let_go()
            become(f"script users {pool_name}")
            close_on_exec()
            become_subreaper()
            _UsersLoop(its, users).run()

        process = _fork_context.Process(target=live, name=f"script users {pool_name}")
        process.start()
        its.close()
        self.pid = int(process.pid)

    def connect(self, worker: str) -> socket.socket:
        """That worker's end of a socket to it."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its, contextlib.suppress(OSError):  # it is gone: the worker's launches fail, and so does this process
            socket.send_fds(self.socket, [worker.encode()], [its.fileno()])
        return ours

    def close(self) -> None:
        """It ends with the last worker and the last program."""
        self.socket.close()


class SpawnerLoop:
    """A helper's loop: a spawner, and children that end."""

    def __init__(self, selector: selectors.BaseSelector, spawner: Spawner) -> None:
        self._selector = selector
        self._spawner = spawner
        self._signal_read, self._signal_write = socket.socketpair()

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to do, or may be."""
        return self._spawner.is_needed

    def run(self) -> None:
        """Until nobody is left who could ask, and every program is gone."""
        self._signal_read.setblocking(False)
        self._signal_write.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._signal_write.fileno(), warn_on_full_buffer=False)
        self._selector.register(self._signal_read, selectors.EVENT_READ, self._reap)
        while self.is_needed:
            for key, _ in self._selector.select(_TICK_SECONDS):
                key.data()
            self._spawner.tick(time.monotonic())
        self.close()

    def close(self) -> None:
        """Nothing is left that has a worker."""
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


class _UsersLoop(SpawnerLoop):
    """A pool's: workers come by the socket of its parent, one descriptor a packet."""

    def __init__(self, parent: socket.socket, users: ScriptUsers) -> None:
        selector = selectors.DefaultSelector()
        super().__init__(selector, Spawner(selector, users, only_users=True))
        self._parent: socket.socket | None = parent
        selector.register(parent, selectors.EVENT_READ, self._hear)

    @property
    def is_needed(self) -> bool:
        """Whether the pool's parent is there, or anything that it has left."""
        return self._parent is not None or super().is_needed

    def _hear(self) -> None:
        assert self._parent is not None
        name, descriptors, _, _ = socket.recv_fds(self._parent, _LONGEST_NAME, 1)
        if name and descriptors:
            worker = socket.socket(fileno=descriptors[0])
            worker.set_inheritable(False)
            self._spawner.add_worker(name.decode("utf-8", "replace"), worker)
        elif not name:
            self._selector.unregister(self._parent)
            self._parent.close()
            self._parent = None
