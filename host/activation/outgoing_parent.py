"""A pool's parent that has been replaced: it forks nothing any more, and goes with the last of its workers."""

from __future__ import annotations

from host.activation.children import Child
from host.wire.control_messages import AnyMessage, Drain


class OutgoingParent:
    """`workers` are the names of those that it has forked and that still live."""

    def __init__(self, child: Child, workers: set[str]) -> None:
        self.child = child
        self.workers = workers
        self.is_told = False
        self._end_if_empty()

    def tell(self, message: AnyMessage) -> None:
        """Say something about one of its workers."""
        self.child.channel.send(message)

    def has_lost(self, worker: str) -> None:
        """That worker has ended."""
        self.workers.discard(worker)
        self._end_if_empty()

    def end(self) -> None:
        """Nothing of it is wanted any more."""
        if not self.is_told:
            self.is_told = True
            self.tell(Drain(seconds=0.0))

    def _end_if_empty(self) -> None:
        if not self.workers:
            self.end()
