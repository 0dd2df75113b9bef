"""`isapy: CGI spawner WORKER`: starts CGI programs beside the pool's parent, for a worker that asks for many at once.

While a program is started the pool's parent stands still, until exec; under load nothing else was started meanwhile and
processors were idle. Each worker has a second socket from its start on, behind which is nobody: with the first launch
that comes over it the parent forks this process, which serves that socket alone. It ends with its worker, or when there
has been nothing to do for a while; the next launch brings another one.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final, NoReturn

from host.processes.script_spawner import SpawnerLoop
from host.processes.spawn import become, become_subreaper
from host.spawner.server import Spawner

_IDLE_SECONDS: Final = 10.0


class SecondSpawners:
    """Those of one pool, as its parent sees them. It keeps each one's end of the socket: what has come when that one
    ends is for the next. One that is killed has no next, so that its worker learns of it."""

    def __init__(self, selector: selectors.BaseSelector, spawner: Spawner, let_go: Callable[[], None]) -> None:
        """`spawner` serves whom no process can be forked for; `let_go` is called in the fork: it closes what is the
        parent's, and asks this to `forget`."""
        self._selector, self._spawner, self._let_go = selector, spawner, let_go
        self._waiting: set[socket.socket] = set()  # behind which is nobody
        self._running: dict[int, tuple[str, socket.socket]] = {}  # by process id

    def connect(self, worker: str) -> socket.socket | None:
        """That worker's end of its second socket. With one processor there is none: it is never idle beside a start."""
        if len(os.sched_getaffinity(0)) == 1:
            return None
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._wait(worker, ours)
        return its

    def ended(self, pid: int, status: int) -> None:
        """`pid` has been reaped, and may have been one of them."""
        worker, sock = self._running.pop(pid, ("", None))
        if sock is not None and status == 0:
            self._wait(worker, sock)
        elif sock is not None:
            sock.close()

    def forget(self) -> None:
        """In a fork: let go of the sockets."""
        for sock in (*self._waiting, *(sock for _, sock in self._running.values())):
            sock.close()
        self._waiting.clear()
        self._running.clear()

    def _wait(self, worker: str, sock: socket.socket) -> None:
        self._waiting.add(sock)
        self._selector.register(sock, selectors.EVENT_READ, partial(self._is_wanted, worker, sock))

    def _is_wanted(self, worker: str, sock: socket.socket) -> None:
        """Something has come, or the worker is gone."""
        self._selector.unregister(sock)
        self._waiting.discard(sock)
        try:
            if not sock.recv(1, socket.MSG_PEEK):
                raise EOFError
            pid = os.fork()
        except (EOFError, ConnectionError):
            sock.close()
        except OSError:  # no memory, or no more processes
            self._spawner.add_worker(worker, sock)
        else:
            if not pid:
                self._live(worker, sock)
            self._running[pid] = (worker, sock)

    def _live(self, worker: str, sock: socket.socket) -> NoReturn:
        """In the fork."""
        status = 1
        try:
            self._let_go()
            become(f"CGI spawner {worker}")
            become_subreaper()
            _SecondLoop(worker, sock).run()
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)


class _SecondLoop(SpawnerLoop):
    """The process's loop."""

    def __init__(self, worker: str, sock: socket.socket) -> None:
        selector = selectors.DefaultSelector()
        spawner = Spawner(selector)
        spawner.add_worker(worker, sock)
        super().__init__(selector, spawner)
        self._rests_since = time.monotonic()

    @property
    def is_needed(self) -> bool:
        """Whether its worker is there, and there has been something to do lately. What a program has left behind is
        this process's: its worker may still want that to be ended."""
        if not super().is_needed:
            return False
        now = time.monotonic()
        if not self._spawner.is_at_rest:
            self._rests_since = now
            return True
        return now < self._rests_since + _IDLE_SECONDS or _has_children()

    def close(self) -> None:
        """What programs have left in the background goes on below the pool's parent."""


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
