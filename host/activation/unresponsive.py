"""What is done about a worker that does not answer its pings: find out what it is doing, and say so.

Its parent reads its stacks; the front knows which requests it has, whatever state it is in. Neither can hold the
service: what is not known in time is not told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.activation.parent_supervisor import ParentSupervisor
from host.activation.worker_record import WorkerRecord
from host.wire.message_rows import Examination, RequestRow

_EXAMINATION_SECONDS: Final = 5.0  # its parent needs three at most
_MOST_REQUESTS: Final = 5  # that the event names
_UNKNOWN: Final = Examination(summary="what it is doing could not be found out")


class UnresponsiveWorkers:
    """The examinations that are under way in one pool. `on_examined(worker)` comes once for each."""

    def __init__(
        self,
        around: Surroundings,
        front: FrontGroup,
        parent: ParentSupervisor,
        on_examined: Callable[[WorkerRecord], None],
    ) -> None:
        self._around = around
        self._front = front
        self._parent = parent
        self._on_examined = on_examined
        self._tasks: set[asyncio.Task[None]] = set()

    def examine(self, worker: WorkerRecord) -> None:
        """Hand it nothing more, and find out what it is doing."""
        self._front.detach(worker.name)
        worker.examined = self._around.loop.create_future()
        self._parent.examine_worker(worker.name)
        task = self._around.loop.create_task(self._find_out(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def drop(self, worker: WorkerRecord) -> None:
        """What it had in hand is saved; what holds it is refused."""
        self._front.drop(worker.name, worker.examination.culprits if worker.examination is not None else [])

    def report(self, worker: WorkerRecord) -> None:
        """Say what was found; that it did not answer is its failure."""
        found = worker.examination or _UNKNOWN
        worker.failure_text = f"did not answer a ping within {worker.settings.ping_response_time_seconds} s"
        text = f"{worker.name} {worker.failure_text}; {found.summary}"
        if not found.request_id and worker.requests_at_failure:
            text += f"; it has {_named(worker.requests_at_failure)}"
        facts = {
            "request": found.request_id,
            "verb": found.verb,
            "url": found.url,
            "plugin": found.plugin,
            "place": found.place,
            "stacks": found.stacks,
        }
        fields = {"pool": worker.settings.name, "worker": worker.name, "pid": str(worker.pid)}
        self._around.report("worker-ping-failed", text, fields | {key: value for key, value in facts.items() if value})

    async def _find_out(self, worker: WorkerRecord) -> None:
        assert worker.examined is not None, "it is being examined"
        try:
            rows = await self._front.requests()
            worker.requests_at_failure = [row for row in rows if row.worker == worker.name]
        except TimeoutError:
            pass  # the front has troubles of its own
        await asyncio.wait([worker.examined], timeout=_EXAMINATION_SECONDS)
        if worker.examined.done():
            worker.examination = worker.examined.result()
        self._on_examined(worker)


def _named(requests: Sequence[RequestRow]) -> str:
    """`2 requests in hand: GET /a (5 s), GET /b (3 s)`, the longest first."""
    longest = sorted(requests, key=lambda row: -row.time_elapsed)[:_MOST_REQUESTS]
    names = ", ".join(f"{row.verb} {row.url} ({row.time_elapsed / 1000:.0f} s)" for row in longest)
    more = f" and {len(requests) - len(longest)} more" if len(requests) > len(longest) else ""
    return f"{len(requests)} request{'' if len(requests) == 1 else 's'} in hand: {names}{more}"
