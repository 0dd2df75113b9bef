"""The worker's half of its examination: a thread that waits for its parent's question, and a signal for the worst case.

The thread needs the interpreter for a moment. Code that never gives it away (a C extension that holds the global
lock) is found by a signal instead, whose handler writes the stacks without asking the interpreter for anything.
"""

from __future__ import annotations

import _thread
import faulthandler
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from host.wire.control_messages import encode_message
from host.wire.message_rows import Examination
from host.wire.pool_messages import WorkerExamined

EXAMINATION_SIGNAL: Final = signal.SIGRTMAX - 3
"""Nobody else's: plugins and their libraries use the named signals."""

QUESTION: Final = b"?"


class Examiner:
    """Made in the parent before the fork, started in the worker.

    `questions` is the worker's end of a SOCK_SEQPACKET pair, `memory` a memfd for the signal's text: both its own.
    """

    def __init__(self, questions: socket.socket, memory: int) -> None:
        self._questions = questions
        self._memory = memory

    def take_signal(self) -> None:
        """First of all: the signal is answered without any thread, and would end the process otherwise."""
        faulthandler.register(EXAMINATION_SIGNAL, file=self._memory, all_threads=True, chain=False)

    def start(self, examine: Callable[[], Examination], on_parents_end: Callable[[], object]) -> None:
        """Answer from now on, whatever loop and threads are doing. `on_parents_end` is called on the examiner's thread
        when the parent has ended: the service may be gone, too, and nobody else sees that in a worker that hangs.

        The new thread wants the interpreter: called when this one is about to wait, neither waits for the other."""
        # a threading.Thread would make the start wait until the thread has had its first turn
        _thread.start_new_thread(self._serve, (examine, on_parents_end))

    def _serve(self, examine: Callable[[], Examination], on_parents_end: Callable[[], object]) -> None:
        with self._questions as questions, suppress(OSError):
            while questions.recv(len(QUESTION)):  # nothing: the parent is gone, and nobody will ask any more
                questions.send(encode_message(WorkerExamined(worker="", examination=_look(examine))))
        on_parents_end()


def _look(examine: Callable[[], Examination]) -> Examination:
    try:
        return examine()
    except Exception as error:  # the boundary: the process is not well, and whatever is found out helps
        return Examination(summary=f"its examination failed: {error!r}")
