"""The parent's half of examining its workers: asks, waits a moment, and reads what it can when nobody answers."""

from __future__ import annotations

import os
import re
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from host.processes.spawn import kill
from host.wire.control_messages import INLINE_LIMIT, decode_message
from host.wire.errors import WireError
from host.wire.message_rows import Examination
from host.wire.pool_messages import WorkerExamined
from host.worker.examination import STACKS_LIMIT
from host.worker.examiner import EXAMINATION_SIGNAL, QUESTION, Examiner

_ANSWER_SECONDS: Final = 1.0
_DUMP_SECONDS: Final = 2.0
_FRAME: Final = re.compile(r'  File "(?P<file>.*)", line (?P<line>\d+) in (?P<function>.*)')
_STATES: Final = {
    "R": "it runs",
    "S": "it sleeps",
    "D": "it waits for the kernel, uninterruptibly",
    "T": "it was stopped by a signal (SIGSTOP); nothing in it runs",
    "t": "it is held by a debugger",
}


@dataclass(slots=True, eq=False)
class _Line:
    """The way to one worker. Times are monotonic seconds, 0: not yet."""

    name: str
    ours: socket.socket
    theirs: socket.socket
    memory: int
    pid: int = 0
    asked_at: float = 0.0
    signalled_at: float = 0.0
    dump_size: int = 0


class Examinations:
    """Lines to all workers of a parent. `tell(examined)` gets every answer, or what stands in for it."""

    def __init__(self, selector: selectors.BaseSelector, tell: Callable[[WorkerExamined], None]) -> None:
        self._selector = selector
        self._tell = tell
        self._lines: dict[str, _Line] = {}
        self.plugin_folders: Sequence[str] = ()

    def prepare(self, name: str) -> Examiner:
        """Before the fork: what the worker of that name needs."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        line = _Line(name, ours, theirs, os.memfd_create("isapy-stacks", os.MFD_CLOEXEC))
        self._lines[name] = line
        return Examiner(theirs, line.memory)

    def forked(self, name: str, pid: int) -> None:
        """After the fork, in the parent."""
        line = self._lines[name]
        line.pid = pid
        line.theirs.close()
        self._selector.register(line.ours, selectors.EVENT_READ, lambda: self._hear(line))

    def forget(self, own: str) -> None:
        """After the fork, in the worker `own`: let go of everything that is the parent's."""
        for name, line in self._lines.items():
            line.ours.close()
            if name != own:
                os.close(line.memory)
        self._lines.clear()

    def gone(self, name: str) -> None:
        """That worker has ended."""
        line = self._lines.pop(name, None)
        if line is not None:
            self._unregister(line)
            line.ours.close()
            os.close(line.memory)

    def begin(self, name: str) -> None:
        """Ask that worker; `tell` is called within about three seconds unless it ends before."""
        line = self._lines.get(name)
        if line is None or line.asked_at:
            return
        line.asked_at = time.monotonic()
        if _state(line.pid) in ("T", "t"):
            self._conclude(line, Examination(summary=_STATES[_state(line.pid)]))
            return
        with suppress(OSError):
            line.ours.send(QUESTION)

    def tick(self, now: float) -> None:
        """A few times a second: go on with those that do not answer; `now` is monotonic seconds."""
        for line in list(self._lines.values()):
            if not line.asked_at:
                continue
            if not line.signalled_at:
                if now - line.asked_at >= _ANSWER_SECONDS:
                    line.signalled_at = now
                    kill(line.pid, EXAMINATION_SIGNAL)
                continue
            size, before = os.fstat(line.memory).st_size, line.dump_size
            line.dump_size = size
            if (size and size == before) or now - line.signalled_at >= _DUMP_SECONDS:
                self._conclude(line, self._read_dump(line))

    def _hear(self, line: _Line) -> None:
        try:
            message = decode_message(line.ours.recv(INLINE_LIMIT))
        except BlockingIOError:
            return
        except (OSError, WireError):  # it has ended, or its code wrote into a socket that is not its own
            self._unregister(line)
            return
        if line.asked_at and isinstance(message, WorkerExamined):
            self._conclude(line, message.examination)

    def _conclude(self, line: _Line, examination: Examination) -> None:
        line.asked_at = line.signalled_at = 0.0
        line.dump_size = 0
        self._tell(WorkerExamined(worker=line.name, examination=examination))

    def _read_dump(self, line: _Line) -> Examination:
        text = os.pread(line.memory, STACKS_LIMIT, 0).decode("utf-8", "replace")
        os.ftruncate(line.memory, 0)
        os.lseek(line.memory, 0, os.SEEK_SET)  # of both processes: they share the open file
        state = _STATES.get(_state(line.pid), "nothing is known of it")
        if not text:
            return Examination(summary=f"it gives no account of itself: {state}")
        found = place_in_dump(text, self.plugin_folders)
        if found is None:
            return Examination(summary=f"no thread of it gets to run Python code: {state}", stacks=text)
        file, number, function = found
        summary = f"code that does not let go of the interpreter was called by {function} in {file}, line {number}"
        return Examination(summary=summary, stacks=text, plugin=Path(file).stem, place=f"{file}:{number}")

    def _unregister(self, line: _Line) -> None:
        with suppress(KeyError, ValueError):
            self._selector.unregister(line.ours)


def place_in_dump(text: str, folders: Sequence[str]) -> tuple[str, int, str] | None:
    """(file, line, function) of the plugin's frame in what faulthandler wrote: of a thread whose innermost frame it
    is, otherwise of the first thread that has one. None when no file below `folders` is there."""
    further = None
    for block in text.split("\n\n"):
        frames = [match for line in block.splitlines() if (match := _FRAME.fullmatch(line))]
        for depth, frame in enumerate(frames):
            if any(Path(frame["file"]).is_relative_to(folder) for folder in folders):
                place = frame["file"], int(frame["line"]), frame["function"]
                if depth == 0:
                    return place
                further = further or place
                break
    return further


def _state(pid: int) -> str:
    """The letter of the process's state; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""
