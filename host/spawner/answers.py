"""What the spawner says to its workers: all that one is to be told by the end of a turn of the loop, in one packet."""

from __future__ import annotations

import selectors
from itertools import islice

from host.spawner.program_records import Worker
from host.wire.spawn_messages import LARGEST_PACKET, MOST_ANSWERS, Answer, encode_answers


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
                some = list(islice(unsent, MOST_ANSWERS))
                packet = encode_answers(some)
                if len(packet) > LARGEST_PACKET and len(some) > 1:  # a remark is of any length
                    del some[1:]
                    packet = encode_answers(some)
                worker.sock.send(packet)
                for _ in some:
                    unsent.popleft()
        except BlockingIOError:
            pass
        except OSError:
            unsent.clear()  # its end of input is read next, and drops it
        if bool(unsent) != worker.is_blocked:
            worker.is_blocked = not worker.is_blocked
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if worker.is_blocked else 0)
            self._selector.modify(worker.sock, events, worker.serve)
