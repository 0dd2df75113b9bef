"""The half of CGI that runs in the pool's small parent: starts programs for the workers, and ends them.

The parent is single-threaded and drives everything: its selector calls `key.data()` for the sockets registered here,
its loop calls `tick` after each turn and a few times a second, and whoever reaps children asks `owns` and then tells
`ended`. A program gets its own session, descriptors 0, 1 and 2 and no other, default signals, and the folder it was
launched in.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from typing import Final

from host.spawner.answers import Answers
from host.spawner.packets import receive_message
from host.spawner.process_tree import TreeKill, advance_kills, kill_everything_below, marked_tree
from host.spawner.program_records import Program, Worker
from host.spawner.program_start import start_program
from host.spawner.run_folders import RunFolders, RunPlace
from host.spawner.user_launch import LaunchNotAllowed, UserLaunch
from host.spawner.warm_servers import Asked, WarmServers
from host.wire.errors import WireError
from host.wire.spawn_messages import (
    GRACE_SECONDS,
    LARGEST_PACKET,
    AnySpawnMessage,
    KillProgram,
    KillRequest,
    LaunchFailed,
    LaunchProgram,
    LaunchRefused,
    ProgramEnded,
    ProgramLaunched,
    TellStart,
    UseConfiguration,
)

_PACKETS_PER_TURN: Final = 16
_LOOK_SECONDS: Final = 0.2
"""From one look at trees on their way out to the next: each reads what the kernel says of every process."""

_ENDED_PROGRAMS_KEPT: Final = 256
"""A worker may still want the tree of a program that has ended to be killed (a child of it keeps the pipe open)."""

_NO_USERS: Final = "the processes of this pool are older than runAs in its configuration"


class Spawner:
    """Serves any number of workers, each over its own SOCK_SEQPACKET socket (`wire/spawn_messages.py`).

    The process must be the subreaper of what is below it. `selector` is the caller's; the data of every key that is
    registered here is a function without arguments to be called when the socket is ready.

    `users` starts scripts as other users; with `only_users` nothing else is started here. `configured` makes such a one
    from what the only worker says, where that is trusted with it.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        users: UserLaunch | None = None,
        *,
        only_users: bool = False,
        configured: Callable[[UseConfiguration], UserLaunch] | None = None,
    ) -> None:
        self._selector = selector
        self._users, self._only_users, self._configured = users, only_users, configured
        self._workers: list[Worker] = []
        self._programs: dict[int, Program] = {}
        self._kills: list[TreeKill] = []
        self._asked_kills: list[TreeKill] = []  # since the last tick
        self._looks_at = 0.0  # monotonic seconds: when the others are looked at again
        self._folders = RunFolders()
        self._packet = memoryview(bytearray(LARGEST_PACKET))
        self._home = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder = b""  # where this process is, while it launches programs; empty: at home
        self._answers = Answers(selector)
        self._warm = WarmServers(
            selector, started=self._started_warm, cold=self._start_cold, ended=self._program_has_ended
        )

    # --- what the process calls --------------------------------------------------------------------------------

    @property
    def is_needed(self) -> bool:
        """Whether there is a worker, a program, or a tree on its way out."""
        return bool(self._workers or self._programs or self._kills or self._asked_kills)

    @property
    def is_at_rest(self) -> bool:
        """Whether there is no program, no tree on its way out, and nothing that a worker has not been told."""
        is_done = not (self._programs or self._kills or self._asked_kills)
        return is_done and all(not worker.unsent for worker in self._workers)

    def settle(self, place: RunPlace) -> None:
        """The process has another current folder, is another user, or may use other processors: programs are launched
        as it is now, from now on. `place` is where folders of runs are made."""
        self._folders.place = place
        self._warm.end_all()
        os.close(self._home)
        self._home = os.open(".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def add_worker(self, name: str, sock: socket.socket) -> None:
        """Serve the worker at the other end of `sock`, which is the spawner's from now on.

        When the worker closes its end (or dies), all programs it has started are killed with their trees.
        """
        sock.setblocking(False)
        worker = Worker(name, sock, self._serve)
        self._workers.append(worker)
        self._selector.register(sock, selectors.EVENT_READ, worker.serve)

    def owns(self, pid: int) -> bool:
        """Whether `pid` is a program started here that has not ended, or a warm interpreter."""
        if pid not in self._programs:
            self._warm.listen()  # the fork of one that has just ended may not have been announced yet
        return pid in self._programs or self._warm.owns(pid)

    def ended(self, pid: int, status: int) -> None:
        """`pid` has been reaped: exit code, or minus the signal's number. A program's worker is told, at the next tick
        at the latest."""
        if pid in self._programs:
            self._program_has_ended(pid, status)
        elif self._warm.owns(pid):
            self._warm.ended(pid, status)

    def _program_has_ended(self, pid: int, status: int) -> None:
        program = self._programs.pop(pid, None)
        if program is None:
            return
        program.has_ended = True
        for tree in (*self._kills, *self._asked_kills) if self._kills or self._asked_kills else ():
            if tree.leader == pid:
                tree.is_leader_ended = True
        worker, number = program.worker, program.number
        self._folders.ended((worker, number), pid)
        worker.running.pop(number, None)
        worker.ended[number] = program
        if len(worker.ended) > _ENDED_PROGRAMS_KEPT:
            worker.ended.popitem(last=False)
        if program.is_told:
            self._answers.say(worker, ProgramEnded(number=number, status=status))
        else:
            is_warm, remark = program.is_warm, program.remark
            self._answers.say(
                worker, ProgramEnded(number=number, status=status, pid=pid, remark=remark, is_warm=is_warm)
            )

    def tick(self, now: float) -> None:
        """Begin with the trees that are to be killed since the last tick, all of them by one look at the processes, and
        go on with the others now and then; `now` is monotonic seconds. The workers are told what they have not been."""
        self._answers.tell()
        self._warm.tick(now)
        is_due = bool(self._kills) and now >= self._looks_at
        if self._asked_kills or is_due:
            asked, self._asked_kills = self._asked_kills, []
            if is_due:
                asked, self._kills = [*self._kills, *asked], []
            if not self._kills:
                self._looks_at = now + _LOOK_SECONDS
            self._kills += advance_kills(asked, now, self._programs.keys())
        self._folders.remove_left(self._kills)

    def forget(self) -> None:
        """In a forked worker: let go of the sockets, leave the programs alone."""
        for worker in self._workers:
            worker.sock.close()
        self._workers.clear()
        self._programs.clear()
        self._kills.clear()
        self._asked_kills.clear()
        self._warm.forget()
        os.close(self._home)

    def close(self) -> None:
        """Kill and reap everything below this process (blocks for some milliseconds) and let go of all sockets.

        To be called when no other child is left: background processes of programs that ended long ago go as well.
        """
        for worker in list(self._workers):
            self._drop(worker)
        kill_everything_below()
        self._folders.close()
        if self._users is not None:
            self._users.close()
        self._programs.clear()
        self._kills.clear()
        self._asked_kills.clear()
        self._warm.forget()
        os.close(self._home)

    # --- one worker --------------------------------------------------------------------------------------------

    def _serve(self, worker: Worker) -> None:
        """Its socket is ready: send what waited, then take its messages."""
        self._answers.tell()  # of programs that have ended: whoever waits for them need not wait for others to start
        if worker.is_blocked:
            self._answers.flush(worker)
        try:
            for _ in range(_PACKETS_PER_TURN):
                if not self._take_message(worker):
                    break
        finally:
            self._go_home()
        self._answers.tell()

    def _take_message(self, worker: Worker) -> bool:
        """False when there is none, and never will be when the worker is gone."""
        descriptors: list[int] = []
        try:
            message = receive_message(worker.sock, self._packet, descriptors)
            if message is None:
                return False
            self._obey(worker, message, descriptors)
        except (EOFError, WireError, ConnectionError):
            self._drop(worker)
            return False
        finally:
            for descriptor in descriptors:
                os.close(descriptor)
        return True

    def _obey(self, worker: Worker, message: AnySpawnMessage, descriptors: list[int]) -> None:
        if isinstance(message, LaunchProgram):
            if message.number in worker.running or message.number in worker.starting:
                raise WireError(f"program {message.number} runs already")
            self._launch(worker, message, descriptors)
        elif isinstance(message, TellStart):
            self._tell_start(worker, message.number)
        elif isinstance(message, KillProgram):
            program = worker.running.get(message.number) or worker.ended.get(message.number)
            if message.number in worker.starting:
                self._cancel(worker, message.number)
            elif program is not None:
                self._kill(program, message.grace_seconds)
        elif isinstance(message, KillRequest):
            self._asked_kills.append(marked_tree(message.request_id, time.monotonic()))
        elif isinstance(message, UseConfiguration) and self._configured is not None and self._users is None:
            self._users = self._configured(message)
        else:
            raise WireError(f"a worker does not send {type(message).__name__}")

    def _tell_start(self, worker: Worker, number: int) -> None:
        """Nothing is to be said of a program whose end has been told, or that could not be started."""
        program = worker.running.get(number)
        if number in worker.starting:
            worker.starting[number].is_awaited = True
        elif program is not None and not program.is_told:
            self._say_started(program)

    def _cancel(self, worker: Worker, number: int) -> None:
        """A warm interpreter was asked for it and may hang: whoever waits is told now, and what begins is killed."""
        if not worker.starting[number].is_cancelled:
            worker.starting[number].is_cancelled = True
            self._answers.say(worker, LaunchFailed(number=number, errno=errno.ECANCELED, path=b""))

    def _launch(self, worker: Worker, message: LaunchProgram, descriptors: list[int]) -> None:
        number = message.number
        if len(descriptors) < 3:  # this process has no descriptor left for them
            self._answers.say(worker, LaunchFailed(number=number, errno=errno.EMFILE, path=b""))
            return
        if message.script or self._only_users:
            self._launch_as_user(worker, message, descriptors)
            return
        asked = None
        if message.private_temp and not self._make_folder(worker, message):
            return
        is_warm = message.warm is not None and not (message.private_temp and self._folders.place.restrict)
        if is_warm and os.path.isdir(message.directory):
            self._go_home()  # where a warm interpreter is started
            asked = self._warm.ask(message, descriptors, worker)
        if asked is not None:
            worker.starting[number] = asked
        else:
            self._launch_cold(worker, message, descriptors, self._warm.take_remark())

    def _make_folder(self, worker: Worker, message: LaunchProgram) -> bool:
        folders = self._folders
        try:
            message.environment[b"TMPDIR"] = folders.make((worker, message.number))
        except OSError as error:
            path = os.fsencode(folders.place.folder)
            self._answers.say(worker, LaunchFailed(number=message.number, errno=error.errno or errno.EINVAL, path=path))
            return False
        return True

    def _launch_cold(self, worker: Worker, message: LaunchProgram, descriptors: list[int], remark: str) -> None:
        """Leaves this process in the program's folder: its caller goes home."""
        number = message.number
        concerned = message.directory
        try:
            if self._folder != message.directory:
                os.chdir(message.directory)
                self._folder = message.directory
            concerned = message.argv[0]
            pid = start_program(message, descriptors, self._folders.restriction((worker, number)))
        except OSError as error:
            self._folders.forget((worker, number))
            self._answers.say(worker, LaunchFailed(number=number, errno=error.errno or errno.EINVAL, path=concerned))
            return
        except (ValueError, IndexError):  # a zero byte, an impossible name of a variable, no program at all
            self._folders.forget((worker, number))
            self._answers.say(worker, LaunchFailed(number=number, errno=errno.EINVAL, path=concerned))
            return
        self._note_start(worker, message, pid, remark)

    def _go_home(self) -> None:
        if self._folder:
            self._folder = b""
            os.fchdir(self._home)

    def _launch_as_user(self, worker: Worker, message: LaunchProgram, descriptors: list[int]) -> None:
        number = message.number
        try:
            if self._users is None or not message.script:
                raise LaunchNotAllowed("identity", _NO_USERS, "Recycle the pool.")
            pid, folder = self._users.launch(message, descriptors[:3])
        except LaunchNotAllowed as no:
            self._answers.say(worker, LaunchRefused(number=number, check=no.check, reason=no.reason, remedy=no.remedy))
        except (OSError, ValueError) as error:
            code = getattr(error, "errno", None) or errno.EINVAL
            self._answers.say(worker, LaunchFailed(number=number, errno=code, path=message.script))
        else:
            if folder:
                self._folders.add((worker, number), folder)
            self._note_start(worker, message, pid, "")

    def _note_start(
        self,
        worker: Worker,
        message: LaunchProgram,
        pid: int,
        remark: str,
        *,
        is_warm: bool = False,
        is_awaited: bool = False,
    ) -> Program:
        number = message.number
        program = Program(worker, number, pid, message.request_id, remark, is_warm=is_warm, is_told=False)
        self._programs[pid] = worker.running[number] = program
        if is_awaited or not message.is_brief:
            self._say_started(program)
        return program

    def _say_started(self, program: Program) -> None:
        program.is_told = True
        number, pid, remark, is_warm = program.number, program.pid, program.remark, program.is_warm
        self._answers.say(program.worker, ProgramLaunched(number=number, pid=pid, remark=remark, is_warm=is_warm))

    def _started_warm(self, asked: Asked, pid: int) -> None:
        worker = self._settled(asked)
        remark = self._warm.take_remark()
        program = self._note_start(worker, asked.message, pid, remark, is_warm=True, is_awaited=asked.is_awaited)
        for descriptor in asked.descriptors:
            os.close(descriptor)
        if asked.is_cancelled or worker.is_gone:
            self._kill(program)

    def _start_cold(self, asked: Asked, why: str) -> None:
        worker = self._settled(asked)
        try:
            if asked.is_cancelled or worker.is_gone:
                self._folders.forget((worker, asked.message.number))
            else:
                self._launch_cold(worker, asked.message, asked.descriptors, why)
                if asked.is_awaited:
                    self._tell_start(worker, asked.message.number)
        finally:
            self._go_home()
            for descriptor in asked.descriptors:
                os.close(descriptor)

    @staticmethod
    def _settled(asked: Asked) -> Worker:
        worker = asked.owner
        assert isinstance(worker, Worker)
        del worker.starting[asked.message.number]
        return worker

    def _kill(self, program: Program, grace_seconds: float = GRACE_SECONDS) -> None:
        """At the next tick, which ends this turn of the loop."""
        if not program.is_being_killed:
            program.is_being_killed = True
            tree = TreeKill(program.pid, program.request_id, time.monotonic(), grace_seconds=grace_seconds)
            tree.is_leader_ended = program.has_ended
            self._asked_kills.append(tree)

    def _drop(self, worker: Worker) -> None:
        """The worker is gone or has broken the dialogue: all it started goes too."""
        worker.is_gone = True
        self._workers.remove(worker)
        self._selector.unregister(worker.sock)
        worker.sock.close()
        for program in worker.running.values():
            self._kill(program)
