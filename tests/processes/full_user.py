"""What starts the programs of a user who may have no more processes when a second spawner is wanted, and may again
afterwards: `python -m tests.processes.full_user DESCRIPTOR`.

Over the socket with that number goes the worker's end of its second socket. The process ends when that is closed.
"""

from __future__ import annotations

import os
import resource
import selectors
import socket
import sys
import time

from host.processes.script_spawner import SpawnerLoop
from host.processes.second_spawner import SecondSpawners
from host.processes.spawn import become_subreaper
from host.spawner.server import Spawner

NOBODY = 65534


def main(control: socket.socket) -> None:
    become_subreaper()
    if os.getuid() == 0:  # whom the kernel refuses no process
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    selector = selectors.DefaultSelector()
    spawner = Spawner(selector)
    worker = SecondSpawners(selector, spawner, _is_not_called).connect("test")
    assert worker is not None, "the test is left out where there is one processor"
    with control, worker:
        socket.send_fds(control, [b"worker"], [worker.fileno()])
    usual = resource.getrlimit(resource.RLIMIT_NPROC)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, usual[1]))
    while not spawner.is_needed:  # until it has the worker whom no process could be forked for
        for key, _ in selector.select():
            key.data()
        spawner.tick(time.monotonic())
    resource.setrlimit(resource.RLIMIT_NPROC, usual)
    SpawnerLoop(selector, spawner).run()


def _is_not_called() -> None:
    raise AssertionError("a process was forked")


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
