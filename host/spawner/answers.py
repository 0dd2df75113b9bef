"""What the spawner says to its workers: all that one is to be told by the end of a turn of the loop, in one packet."""

from __future__ import annotations

import errno
import selectors
import socket
from itertools import islice

from host.spawner.program_records import Worker
from host.wire.spawn_messages import LARGEST_PACKET, MOST_ANSWERS, Answer, encode_answers, shortened


class Answers:
    """`say` to a worker, and `tell` all; a worker whose socket is full is served when it takes more."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._untold: list[Worker] = []  # for whom there is something since they were told last

    def say(self, worker: Worker, answer: Answer) -> None:
        """When workers are told the next time."""
        if not worker.is_gone:
            if not worker.unsent:
                self._untold.append(worker)
            worker.unsent.append(answer)

    def tell(self) -> None:
        """Send what has been said."""
        if self._untold:
            workers, self._untold = self._untold, []
            for worker in workers:
                self.flush(worker)

    def flush(self, worker: Worker) -> None:
        """Send what waits. A worker that does not read must not hold up the others: its rest waits for its socket."""
        if worker.is_gone:
            return
        unsent = worker.unsent
        try:
            while unsent:
                count = min(len(unsent), MOST_ANSWERS)
                while not _has_sent(worker.sock, encode_answers(list(islice(unsent, count)))):
                    if count == 1:  # how a program has ended is more than what there is to be said of it
                        unsent[0] = shortened(unsent[0])
                    count = 1
                for _ in range(count):
                    unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            unsent.clear()  # its end of input is read next, and drops it
        if bool(unsent) != worker.is_blocked:
            worker.is_blocked = not worker.is_blocked
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.is_blocked else 0)
            self._selector.modify(worker.sock, events, worker.serve)


def _has_sent(sock: socket.socket, packet: bytes) -> bool:
    """False when it is too large: for a worker, or for the socket of a system that allows small ones only. Raises
    OSError."""
    if len(packet) > LARGEST_PACKET:
        return False
    try:
        sock.send(packet)
    except OSError as error:
        if error.errno != errno.EMSGSIZE:
            raise
        return False
    return True
