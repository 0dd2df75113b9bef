"""A warm Python: runs CGI scripts in forks of itself. Started by `warm_servers.py` with the script's own interpreter;
this file and its two parts stand alone and keep to what Python 3.8 has.

The server knows the interpreter's start and modules of the standard library that do nothing when they are imported;
never a module or a line of a user. A script's fork gets everything that a process has and a script can look at, runs
the script as `__main__`, and ends as an interpreter ends. What would make a difference is left out, and costs time
only: a script that touches `sys.path` or `sys.modules`, or has a file beside it that shadows a module of the standard
library, imports everything itself; source that makes the compiler speak is compiled in the fork.

Packets from the pool's parent are marshalled (number, argv, prefix, environment, directory, limits, request id,
script, name for ps) with three descriptors; answers are `ANSWER`. The server ends when its socket does; a child is
reaped after its status was told, so that it falls to the pool's parent, status and all, when the server dies before.
"""

from __future__ import annotations

import os
import sys

_MAIN_NAMES = tuple(name for name in globals() if name not in ("annotations", "os", "sys"))
_BARE = frozenset(sys.modules) - {"__future__"}
if not sys.flags.isolated and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]  # the folder of this file

import contextlib
import gc
import marshal
import resource
import select
import signal
import socket
import struct
import time
from types import ModuleType
from typing import Any, Callable

# The room without the house: what `host` does when it is imported is for Pythons that run isapy.
sys.modules["host"] = ModuleType("host")
sys.modules["host"].__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]

from host.spawner.warm_run import run
from host.spawner.warm_scripts import KEPT, Script, Watch, preload

for _name in [name for name in sys.modules if name.partition(".")[0] == "host"]:
    del sys.modules[_name]  # a script's `import host` finds its own

ANSWER = struct.Struct("=cqq")  # what, the number of the launch (or a process id), the process id (or status)
READY, STARTED, ENDED, REFUSED, CHANGED = b"R", b"S", b"E", b"N", b"C"

MARK_ROOM = 64  # bytes for a request's id in the environment that the kernel shows
_LIMIT_KINDS = (resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC, resource.RLIMIT_AS)
_SCRIPTS_KEPT = 500


class ShownMemory:
    """The places where the kernel shows a process's command line and environment, of which `ps` and whoever looks for a
    request's processes read. Raises OSError or ValueError when they cannot be written."""

    def __init__(self) -> None:
        with open("/proc/self/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        arguments, arguments_end, environment = (int(field) for field in fields[45:48])
        with open("/proc/self/environ", "rb") as file:
            shown = file.read()
        self._arguments = (arguments, arguments_end - arguments)
        self._mark = (environment + shown.index(b"UNIQUE_ID=") + len(b"UNIQUE_ID="), MARK_ROOM)
        given = dict(entry.split(b"=", 1) for entry in shown.split(b"\0") if b"=" in entry)
        self.start_changed = {name: value for name, value in os.environb.items() if given.get(name) != value}
        """Variables that the interpreter's start has set: LC_CTYPE (PEP 538), and what sitecustomize does."""
        self.start_removed = [name for name in given if name not in os.environb]
        self._write = _memory_writer()
        self.show(b"0" * MARK_ROOM, [b"isapy: warm " + os.fsencode(sys.executable)])

    def show(self, mark: bytes, argv: list[bytes]) -> None:
        """Write both into this process; what does not fit is cut."""
        arguments = b"\0".join(argv)[: self._arguments[1] - 1]
        for (address, room), text in ((self._mark, mark), (self._arguments, arguments)):
            self._write(address, text.ljust(room, b"\0"))


def _memory_writer() -> Callable[[int, bytes], object]:
    """By the kernel; in a sandbox, where nothing below /proc may be written, by ctypes, which a script imports anew."""

    def write(address: int, content: bytes) -> None:
        with open("/proc/self/mem", "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), content, address)

    try:
        with open("/proc/self/mem", "r+b", buffering=0):
            return write
    except OSError:
        ctypes: Any = __import__("ctypes")
        for name in [name for name in sys.modules if name.partition(".")[0] in ("ctypes", "_ctypes")]:
            KEPT.append(sys.modules.pop(name))
        return lambda address, content: ctypes.memmove(address, content, len(content))


class Server:
    """The loop. `serve` returns in each fork, with what it is to run."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._children_read, self._children_write = socket.socketpair()
        for end in (self._children_read, self._children_write):
            end.setblocking(False)
        self._memory = ShownMemory()
        self._scripts: dict[bytes, Script] = {}
        self._watch = Watch(_BARE)
        self._pid = os.getpid()
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._children_write.fileno(), warn_on_full_buffer=False)

    def serve(self) -> tuple[Script, tuple[Any, ...], list[str]]:
        """Until the socket ends; in a fork (script, order, its own modules are wanted)."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._children_read, select.POLLIN)
        gc.collect()
        gc.freeze()
        self._answer(READY, sys.version_info[0], sys.version_info[1])
        while True:
            poll.poll()
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

    def _answer(self, what: bytes, number: int, value: int) -> None:
        self._sock.setblocking(True)
        self._sock.send(ANSWER.pack(what, number, value))
        self._sock.setblocking(False)

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._children_read.recv(4096)
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None:
                return
            status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
            self._answer(ENDED, found.si_pid, status)
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
            is_plain = script.touches_imports or self._watch.is_shadowed(os.path.dirname(os.path.realpath(script.name)))
            pid = os.fork()
        except OSError as error:
            self._answer(REFUSED, number, error.errno or 0)
            return None
        if pid == 0:
            self._leave()
            self._become(order, descriptors)
            dropped = [name for name in sys.modules if name not in _BARE] if is_plain else []
            return script, order, dropped
        self._answer(STARTED, number, pid)
        return None

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
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._sock, self._children_read, self._children_write):
            os.close(end.detach())

    def _become(self, order: tuple[Any, ...], descriptors: list[int]) -> None:
        """The process that the order describes; without its server it must not run, somebody else will."""
        _, argv, prefix, environment, directory, limits, request_id, _, shown_name = order
        os.setsid()
        for place, descriptor in enumerate(descriptors):
            os.dup2(descriptor, place)
            os.close(descriptor)
        self._memory.show(request_id, prefix + argv)
        if os.getppid() != self._pid:
            os._exit(0)
        with contextlib.suppress(OSError), open("/proc/self/comm", "wb", buffering=0) as file:
            file.write(shown_name)
        os.environb.clear()
        for entry in environment:
            name, _, value = entry.partition(b"=")
            os.environb[name] = value
        os.environb.update(self._memory.start_changed)
        for name in self._memory.start_removed:
            os.environb.pop(name, None)
        time.tzset()
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
    script, order, dropped = Server(sock).serve()
    run(script, order, _MAIN_NAMES, dropped)


if __name__ == "__main__":
    if sys.version_info < (3, 8):
        sys.exit("a warm interpreter is Python 3.8 or later")
    main()
