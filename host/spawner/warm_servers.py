"""Warm interpreters, as the pool's parent keeps them: one server for each interpreter, options and lasting environment
(and, of Perl, for each set of modules: what one script loads another must not find).

A launch is offered to its server; while there is none, or it is not ready, the program is started as ever, so nothing
waits. That a script has begun is said by its fork itself, before it does anything else. So what a server has been
asked and has not answered when it ends is decided then: whoever has said so runs, or has run, and is taken over; of the
others none has begun, and they are started cold. This is without a gap because a fork leaves its server's session after
it has spoken, because the end of a server is reaped after its children have become the parent's, and because those in
its session are waited for (docs/decisions/068-a-fork-says-itself-that-it-runs.md).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from host.spawner.process_tree import find_session, send_signal
from host.spawner.warm_languages import MARK_ROOM, encode_order, server_socket, server_words
from host.wire.spawn_messages import LARGEST_PACKET, LaunchProgram, WarmStart

IDLE_SECONDS: Final = 300.0
"""A server that had nothing to do for so long leaves."""

ANSWER_SECONDS: Final = 30.0
"""To become ready, and to answer: one that takes longer is killed. A first script's imports take a tenth of one."""

RETRY_SECONDS: Final = 300.0
"""An interpreter that could not be made warm is tried again then."""

MOST_SERVERS: Final = 16
"""Of one pool; what has been idle longest makes place for the next, if it has been idle for `BUSY_SECONDS`."""

_LONGEST_REMARK: Final = 8192
"""Characters: an answer that holds it must fit into a packet."""

BEGIN_SECONDS: Final = 5.0
"""To say that it runs and leave the session, for a fork of a server that has ended: it takes less than a millisecond.
One that does not is killed; it has done nothing of its script."""

BUSY_SECONDS: Final = 10.0
"""More kinds of scripts than places, all in use, would start a server for each request: some are cold then."""

_LOOK_SECONDS: Final = 0.001
_ANSWER: Final = struct.Struct("=cqqq")
_CRASHES: Final = frozenset(
    -number for number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE)
)
_DEFAULT_SIGNALS: Final = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})

Key = tuple[str, bytes, tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]]
"""Language, interpreter, its command, modules that it has loaded, lasting environment."""


@dataclass(slots=True, eq=False)
class Asked:
    """A launch that a server has been asked for. The descriptors are duplicates, to start it cold if need be;
    `is_awaited`: the worker wants to know when it runs, although it was to be brief."""

    message: LaunchProgram
    descriptors: list[int]
    owner: object
    asked_at: float
    is_cancelled: bool = False
    is_awaited: bool = False


@dataclass(slots=True, eq=False)
class _Server:
    key: Key
    pid: int
    sock: socket.socket
    said: int  # a memory file: its standard output and error
    started_at: float
    used_at: float
    is_watched: bool = True
    is_ready: bool = False
    is_leaving: bool = False
    is_hung: bool = False
    asked: dict[int, Asked] = field(default_factory=dict)
    programs: dict[int, bytes] = field(default_factory=dict)  # process id to script


class WarmServers:
    """`started(asked, pid)` and `cold(asked, why)` answer each `ask`; `ended(pid, status)` tells of a program's end.

    `why` is empty when there is nothing to be said. All three are called from the selector, or from `ended`.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        *,
        started: Callable[[Asked, int], None],
        cold: Callable[[Asked, str], None],
        ended: Callable[[int, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._selector, self._clock = selector, clock
        self._started, self._cold, self._program_ended = started, cold, ended
        self._servers: dict[Key, _Server] = {}
        self._leaving: list[_Server] = []
        self._refused: dict[Key, float] = {}  # until when, monotonic seconds
        self._cold_scripts: dict[bytes, tuple[int, int, int] | None] = {}
        self._remarks: list[str] = []
        self._numbers = 0

    def take_remark(self) -> str:
        """What has gone wrong since it was asked last, the beginning of it; empty when nothing has."""
        text = "; ".join(self._remarks)[:_LONGEST_REMARK]
        self._remarks.clear()
        return text

    def ask(self, message: LaunchProgram, descriptors: list[int], owner: object) -> Asked | None:
        """Offer a launch whose folder has been looked at; None when it is to be started as ever."""
        warm = message.warm
        if warm is None or not warm.arguments or len(message.request_id) > MARK_ROOM or self._must_be_cold(warm):
            return None
        variables = message.environment
        base = tuple(sorted(name + b"=" + variables[name] for name in warm.lasting if name in variables))
        key = (warm.language, warm.program, tuple(warm.command), tuple(warm.modules), base)
        server = self._servers.get(key)
        if server is None:
            self._start(key)
            return None
        server.used_at = self._clock()
        return self._offer(server, warm, message, descriptors, owner) if server.is_ready else None

    def owns(self, pid: int) -> bool:
        """Whether `pid` is a server."""
        return any(server.pid == pid for server in (*self._servers.values(), *self._leaving))

    def ended(self, pid: int, status: int) -> None:
        """The server `pid` has been reaped."""
        server = next(one for one in (*self._servers.values(), *self._leaving) if one.pid == pid)
        is_wanted = not server.is_leaving
        self._hear(server)  # what it said last; its end of the socket is closed
        self._leave(server)
        self._leaving.remove(server)
        if server.asked:
            self._await_forks(pid)
            self._hear(server)
        if is_wanted:
            self._note_failure(server, status)
        os.close(server.said)
        self._unwatch(server)
        server.sock.close()
        for asked in server.asked.values():
            self._cold(asked, self.take_remark())

    @staticmethod
    def _await_forks(leader: int) -> None:
        """No fork of a server that has ended, and led their session, is still to say that it runs."""
        give_up_at = time.monotonic() + BEGIN_SECONDS
        while beginners := find_session(leader):
            if time.monotonic() > give_up_at:
                send_signal(beginners, signal.SIGKILL)
                return  # even one that hangs in the kernel does nothing more
            time.sleep(_LOOK_SECONDS)

    def listen(self) -> None:
        """Take what the servers have said by now."""
        for server in (*self._servers.values(), *self._leaving):
            self._hear(server)

    def tick(self, now: float) -> None:
        """Look at the clock: `now` is monotonic seconds."""
        for server in list(self._servers.values()):
            waits = [asked.asked_at for asked in server.asked.values()]
            oldest = min(waits, default=now) if server.is_ready else server.started_at
            if now - oldest > ANSWER_SECONDS:
                server.is_hung = True
                send_signal([server.pid], signal.SIGKILL)  # the rest when it has been reaped
            elif not server.asked and now - server.used_at > IDLE_SECONDS:
                self._leave(server)

    def end_all(self) -> None:
        """Programs that run go on; the next launch of each kind starts a new server."""
        for server in list(self._servers.values()):
            self._leave(server)
        self._refused.clear()

    def forget(self) -> None:
        """In a forked worker, or when all have been killed: let go of everything."""
        for server in (*self._servers.values(), *self._leaving):
            server.sock.close()
            os.close(server.said)
            for asked in server.asked.values():
                for descriptor in asked.descriptors:
                    os.close(descriptor)
        self._servers.clear()
        self._leaving.clear()

    # --- one server --------------------------------------------------------------------------------------------

    def _start(self, key: Key) -> None:
        now = self._clock()
        if now < self._refused.get(key, 0.0):
            return
        if len(self._servers) >= MOST_SERVERS:
            idle_longest = min(self._servers.values(), key=lambda server: server.used_at)
            if now - idle_longest.used_at < BUSY_SECONDS:
                return
            self._leave(idle_longest)
        language, program, command, modules, base = key
        place = server_socket(language)
        try:
            with ExitStack() as its_side, ExitStack() as our_side:
                ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                its_side.callback(its.close)
                our_side.callback(ours.close)
                said = os.memfd_create("isapy-warm", os.MFD_CLOEXEC)
                our_side.callback(os.close, said)
                null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
                its_side.callback(os.close, null)
                pid = os.posix_spawn(
                    program,
                    [*command, *server_words(language, modules)],
                    {b"UNIQUE_ID": b"0" * MARK_ROOM} | dict(entry.split(b"=", 1) for entry in base),
                    file_actions=(
                        (os.POSIX_SPAWN_DUP2, null, 0),
                        (os.POSIX_SPAWN_DUP2, said, 1),
                        (os.POSIX_SPAWN_DUP2, said, 2),
                        (os.POSIX_SPAWN_DUP2, its.fileno(), place),
                    ),
                    setsid=True,
                    setsigmask=(),
                    setsigdef=_DEFAULT_SIGNALS,
                )
                our_side.pop_all()
        except (OSError, ValueError):  # the script's own start, cold, says what is wrong
            self._refused[key] = now + RETRY_SECONDS
            return
        ours.setblocking(False)
        server = self._servers[key] = _Server(key, pid, ours, said, now, now)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._hear(server))

    def _offer(
        self, server: _Server, warm: WarmStart, message: LaunchProgram, descriptors: list[int], owner: object
    ) -> Asked | None:
        self._numbers += 1
        packet = encode_order(self._numbers, message, warm)
        if len(packet) > LARGEST_PACKET:
            return None
        own: list[int] = []
        try:
            for one in descriptors[:3]:
                own.append(os.dup(one))
            socket.send_fds(server.sock, [packet], own)
        except OSError:  # it is busy, or gone: then its end is reaped next; or no descriptor is left
            for one in own:
                os.close(one)
            return None
        asked = server.asked[self._numbers] = Asked(message, own, owner, asked_at=self._clock())
        return asked

    def _hear(self, server: _Server) -> None:
        while True:
            try:
                packet = server.sock.recv(_ANSWER.size)
            except BlockingIOError:
                return
            except OSError:
                packet = b""
            if len(packet) != _ANSWER.size:
                self._unwatch(server)  # its end of the socket is closed: it is ending, and will be reaped
                return
            self._take(server, *_ANSWER.unpack(packet))

    def _take(self, server: _Server, what: bytes, number: int, value: int, launch: int) -> None:
        if what == b"R":
            if os.fstat(server.said).st_size:  # a script would say that each time
                self._refused[server.key] = self._clock() + RETRY_SECONDS
                self._remarks.append(f"{_name(server)} prints when it starts: {self._said(server)}")
                self._leave(server)
            server.is_ready = True
        elif what == b"E":
            script = server.programs.pop(number, None)
            if script is not None:
                if value in _CRASHES:
                    self._keep_cold(script, f"ended by signal {-value}")
                self._program_ended(number, value)
            elif launch in server.asked:  # it has not said that it runs, so it has done nothing
                how = f"a fork of {_name(server)} ended before it began: {_how(value)}"
                self._cold(server.asked.pop(launch), how)
        elif number in server.asked:
            asked = server.asked.pop(number)
            if what == b"S":
                warm = asked.message.warm
                assert warm is not None
                server.programs[value] = warm.arguments[0]
                self._started(asked, value)
                return
            if what == b"C":
                self._leave(server)
            self._cold(asked, f"{_name(server)} cannot fork: {os.strerror(value)}" if value else "")

    def _leave(self, server: _Server) -> None:
        """Its socket is shut: it ends when it has read what it was asked."""
        if not server.is_leaving:
            server.is_leaving = True
            self._servers.pop(server.key, None)
            self._leaving.append(server)
            with contextlib.suppress(OSError):
                server.sock.shutdown(socket.SHUT_WR)

    def _unwatch(self, server: _Server) -> None:
        if server.is_watched:
            server.is_watched = False
            self._selector.unregister(server.sock)

    # --- what has failed ---------------------------------------------------------------------------------------

    def _note_failure(self, server: _Server, status: int) -> None:
        how = _how(status)
        if not server.is_ready:
            self._refused[server.key] = self._clock() + RETRY_SECONDS
            self._remarks.append(f"{_name(server)} did not start: {how}; {self._said(server)}")
            return
        self._remarks.append(f"{_name(server)} has ended: {how}; {self._said(server)}")
        if status in (-signal.SIGKILL, -signal.SIGTERM) and not server.is_hung:
            return  # somebody ended it: no fault of what it was asked
        for asked in server.asked.values():
            if asked.message.warm is not None:
                self._keep_cold(asked.message.warm.arguments[0], "its interpreter ended over it")

    def _keep_cold(self, script: bytes, why: str) -> None:
        self._remarks.append(f"{os.fsdecode(script)} is started cold until it changes: {why} when it was warm")
        self._cold_scripts[script] = _stamp(script)

    def _must_be_cold(self, warm: WarmStart) -> bool:
        script = warm.arguments[0]
        if script not in self._cold_scripts:
            return False
        if self._cold_scripts[script] == _stamp(script):
            return True
        del self._cold_scripts[script]
        return False

    @staticmethod
    def _said(server: _Server) -> str:
        text = os.pread(server.said, 4096, max(0, os.fstat(server.said).st_size - 4096)).decode(errors="replace")
        return text.strip().rpartition("\n")[2] or "it said nothing"


def _how(status: int) -> str:
    return f"exit code {status}" if status >= 0 else f"signal {-status}"


def _name(server: _Server) -> str:
    return f"the warm interpreter {os.fsdecode(server.key[1])} (process {server.pid})"


def _stamp(path: bytes) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)
