"""A warm Python: runs CGI scripts in forks of itself. Started by `warm_servers.py` with the script's own interpreter;
this file and its four parts stand alone and keep to what Python 3.8 has.

The server knows the interpreter's start and modules of the standard library that do nothing when they are imported;
never a module or a line of a user. A script's fork gets everything that a process has and a script can look at, runs
the script as `__main__`, and ends as an interpreter ends. What would make a difference is left out, and costs time
only: a script that touches `sys.path` or `sys.modules`, or has a file beside it that shadows a module of the standard
library, imports everything itself; source that makes the compiler speak is compiled in the fork.

Packets from the pool's parent are marshalled (number, argv, prefix, environment, directory, limits, request id,
script, name for ps) with three descriptors; answers are `ANSWER`. That a script has begun is said by its fork. The
server ends when its socket does; a child is reaped after its status was told, so that it falls to the pool's parent,
status and all, when the server dies before.
"""

from __future__ import annotations

import os
import sys

_MAIN_NAMES = tuple(name for name in globals() if name not in ("annotations", "os", "sys"))
_BARE = frozenset(sys.modules) - {"__future__"}
if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # the folder of this file

import _signal  # type: ignore[import-not-found]
import contextlib
import errno
import gc
import marshal
import resource
import select
import signal
import socket
import struct
from types import ModuleType
from typing import Any

# The room without the house: what `host` does when it is imported is for Pythons that run isapy.
sys.modules["host"] = ModuleType("host")
sys.modules["host"].__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

from host.spawner.warm_modules import preload
from host.spawner.warm_process import Environment, ShownMemory, Streams, settle_time_zone
from host.spawner.warm_run import run
from host.spawner.warm_scripts import Script, Watch

for _name in [name for name in sys.modules if name.partition(".")[0] == "host"]:
    del sys.modules[_name]  # a script's `import host` finds its own

ANSWER = struct.Struct("=cqqq")  # what, number of the launch, process id, 0; of an end: process id, status, number
READY, STARTED, ENDED, REFUSED, CHANGED = b"R", b"S", b"E", b"N", b"C"

_LIMIT_KINDS = (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_AS)
_SCRIPTS_KEPT = 500


class Server:
    """The loop. `serve` returns in each fork, with what it is to run."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._children_read, self._children_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)
        self._poll.register(self._children_read, select.POLLIN)
        self._memory = ShownMemory()
        self._environment = Environment(self._memory.start_changed, self._memory.start_removed)
        self.streams = Streams()
        self._scripts: dict[bytes, Script] = {}
        self._watch = Watch(_BARE)
        self._launches: dict[int, int] = {}  # a fork's number
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._children_write, warn_on_full_buffer=False)

    def serve(self) -> tuple[Script, tuple[Any, ...], list[str]]:
        """Until the socket ends; in a fork (script, order, its own modules are wanted)."""
        gc.collect()
        gc.freeze()
        self._answer(READY, sys.version_info[0], sys.version_info[1])
        while True:
            self._poll.poll()
            self._reap()
            try:
                packet, ancillary, _, _ = self._sock.recvmsg(65536, socket.CMSG_SPACE(12), socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                continue
            if not packet:
                os._exit(0)
            descriptors = [place for _, _, raw in ancillary for place in memoryview(raw).cast("i")]
            work = self._take(marshal.loads(packet), descriptors)
            if work is not None:
                return work
            for descriptor in descriptors:
                os.close(descriptor)

    def _answer(self, what: bytes, number: int, value: int, launch: int = 0) -> None:
        self._sock.setblocking(True)
        self._sock.send(ANSWER.pack(what, number, value, launch))
        self._sock.setblocking(False)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._children_read, 4096)
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
            self._answer(ENDED, found.si_pid, status, self._launches.pop(found.si_pid, 0))
            os.waitpid(found.si_pid, 0)

    def _take(self, order: tuple[Any, ...], descriptors: list[int]) -> tuple[Script, tuple[Any, ...], list[str]] | None:
        number, path = order[0], order[7]
        if self._watch.has_changed():
            self._answer(CHANGED, number, 0)
            return None
        try:
            script = self._script(path)
            if script.is_broken:  # what is wrong is said best by an interpreter that reads the file itself
                self._answer(REFUSED, number, 0)
                return None
            is_plain = script.touches_imports or self._watch.is_shadowed(script.folder())
            self._environment.prepare(order[3])
            pid = os.fork()
        except (OSError, ValueError) as error:
            self._answer(REFUSED, number, getattr(error, "errno", None) or errno.EINVAL)
            return None
        if pid == 0:
            self._announce(number)
            self._leave()
            self._become(order, descriptors)
            dropped = [name for name in sys.modules if name not in _BARE] if is_plain else []
            return script, order, dropped
        self._launches[pid] = number
        return None

    def _announce(self, number: int) -> None:
        """In the fork, before anything else: what is not said by the one who runs would not be known if the server
        ended now. Whether the socket blocks is the server's business, and not to be changed."""
        packet = ANSWER.pack(STARTED, number, os.getpid(), 0)
        while True:
            try:
                self._sock.send(packet)
                return
            except BlockingIOError:
                ready = select.poll()
                ready.register(self._sock, select.POLLOUT)
                ready.poll()
            except OSError:  # nobody would know of this run
                os._exit(127)

    def _script(self, path: bytes) -> Script:
        script = self._scripts.get(path)
        if script is None or script.has_changed():
            script = Script(path)
            preload(script.modules)
            self._watch.note_library()
            if len(self._scripts) >= _SCRIPTS_KEPT:
                self._scripts.clear()
            self._scripts[path] = script
            gc.collect()
            gc.freeze()
        return script

    def _leave(self) -> None:
        """In the fork: nothing of the server's stays open or armed."""
        signal.set_wakeup_fd(-1)
        _signal.signal(signal.SIGCHLD, 0)  # SIG_DFL; the function of `signal` looks it up in two enumerations
        os.close(self._sock.detach())
        os.close(self._children_read)
        os.close(self._children_write)

    def _become(self, order: tuple[Any, ...], descriptors: list[int]) -> None:
        """The process that the order describes, out of the server's session; it has been announced by then."""
        _, argv, prefix, _, directory, limits, request_id, _, shown_name = order
        self._memory.show(request_id, prefix + argv)
        os.setsid()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        with contextlib.suppress(OSError):
            comm = os.open("/proc/self/comm", os.O_WRONLY | os.O_CLOEXEC)
            os.write(comm, shown_name)
            os.close(comm)
        self._environment.use()
        settle_time_zone()
        try:
            os.chdir(directory)
        except OSError as error:
            os.write(2, os.fsencode("%s: %s\n" % (os.fsdecode(directory), error)))
            os._exit(127)
        for kind, value in zip(_LIMIT_KINDS, limits):
            if value:
                hard = resource.getrlimit(kind)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(kind, (value, value))


def main() -> None:
    """`warm_python.py DESCRIPTOR [ROOM FOR THE COMMAND LINE]`."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)
    server = Server(sock)  # is kept: a fork that took it apart would write on all its pages
    script, order, dropped = server.serve()
    server.streams.use()
    run(script, order, _MAIN_NAMES, dropped)


if __name__ == "__main__":
    if sys.version_info < (3, 8):
        sys.exit("a warm interpreter is Python 3.8 or later")
    main()
