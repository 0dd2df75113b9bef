"""A pool parent's loop with nothing but a spawner in it: `python -m tests.spawner.spawner_process DESCRIPTOR`.

Each packet on the socket with that number brings the descriptor of a new worker's socket. The process ends when that
socket is closed and all workers and programs are gone.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from host.processes.spawn import become_subreaper
from host.spawner.server import Spawner

CHECKOUT = Path(__file__).resolve().parents[2]
TICK_SECONDS = 0.05


class SpawnerProcess:
    """A spawner in a process of its own. Close it at the end; it must end by itself, with everything it started."""

    def __init__(self) -> None:
        self._control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            command = [sys.executable, "-m", "tests.spawner.spawner_process", str(its.fileno())]
            self.process = subprocess.Popen(command, pass_fds=[its.fileno()], cwd=CHECKOUT, stdin=subprocess.DEVNULL)

    def connect(self) -> socket.socket:
        """A new worker's end of its socket."""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            socket.send_fds(self._control, [b"worker"], [its.fileno()])
        return ours

    def close(self) -> None:
        """Take no more workers, wait for the end."""
        self._control.close()
        assert self.process.wait(90) == 0


class Parent:
    """The process's loop."""

    def __init__(self, control: socket.socket) -> None:
        self.control: socket.socket | None = control
        control.set_inheritable(False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(control, selectors.EVENT_READ, self.hear)
        self.spawner = Spawner(self.selector)
        self.signal_read, self.signal_write = socket.socketpair()
        self.signal_write.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self.signal_write.fileno(), warn_on_full_buffer=False)
        self.selector.register(self.signal_read, selectors.EVENT_READ, self.reap)

    def run(self) -> None:
        while self.control is not None or self.spawner.is_needed:
            for key, _ in self.selector.select(TICK_SECONDS):
                key.data()
            self.spawner.tick(time.monotonic())
        self.spawner.close()

    def hear(self) -> None:
        assert self.control is not None
        packet, descriptors, _, _ = socket.recv_fds(self.control, 100, 1)
        if packet:
            sock = socket.socket(fileno=descriptors[0])
            sock.set_inheritable(False)
            self.spawner.add_worker("test", sock)
            return
        self.selector.unregister(self.control)
        self.control.close()
        self.control = None

    def reap(self) -> None:
        self.signal_read.recv(4096)
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, raw_status = found
                if self.spawner.owns(pid):
                    self.spawner.ended(pid, os.waitstatus_to_exitcode(raw_status))


if __name__ == "__main__":
    become_subreaper()
    Parent(socket.socket(fileno=int(sys.argv[1]))).run()
