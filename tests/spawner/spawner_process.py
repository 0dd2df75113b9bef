"""A pool parent's loop with nothing but a spawner in it: `python -m tests.spawner.spawner_process DESCRIPTOR`.

Serves one worker over the socket with that number, and ends when the worker and all its programs are gone.
"""

from __future__ import annotations

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


def start_spawner() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A spawner in a process of its own, and the worker's end of its socket (close it, and the process ends)."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-m", "tests.spawner.spawner_process", str(its.fileno())]
        process = subprocess.Popen(command, pass_fds=[its.fileno()], cwd=CHECKOUT, stdin=subprocess.DEVNULL)
    return process, ours


def main() -> None:
    become_subreaper()
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    selector = selectors.DefaultSelector()
    spawner = Spawner(selector)
    spawner.add_worker("test", sock)
    signal_read, signal_write = socket.socketpair()
    signal_write.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(signal_write.fileno(), warn_on_full_buffer=False)
    selector.register(signal_read, selectors.EVENT_READ, lambda: reap(spawner, signal_read))
    while spawner.is_needed:
        for key, _ in selector.select(TICK_SECONDS):
            key.data()
        spawner.tick(time.monotonic())
    spawner.close()


def reap(spawner: Spawner, signal_read: socket.socket) -> None:
    signal_read.recv(4096)
    while True:
        try:
            pid, raw_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if spawner.owns(pid):
            spawner.ended(pid, os.waitstatus_to_exitcode(raw_status))


if __name__ == "__main__":
    main()
