"""When a pool may start processes, and what becomes of it when they fail.

The rules are `backoff.py` and `rapid_fail.py`, and the exit codes that say that another start is pointless; this file
remembers the failures, waits, and says it in the event log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from host.activation.backoff import failures_in_a_row, seconds_to_wait
from host.activation.children import Surroundings
from host.activation.parent_supervisor import ParentEnd
from host.activation.pool_transitions import PoolEvent
from host.activation.rapid_fail import Failure, describe, failures_in_window, must_disable
from host.activation.worker_record import WorkerRecord
from host.config.model import Pool
from host.wire.exit_codes import REMEDIES, ExitCode, cannot_load


class PoolStarts:
    """The failures of one pool that still matter. Instants are monotonic seconds.

    `go_on()`: what is still wanted may be started, or asks here how long it has to wait. `disable(event, why)`: the
    pool must take no more requests.
    """

    def __init__(
        self,
        pool: Pool,
        around: Surroundings,
        *,
        go_on: Callable[[], None],
        disable: Callable[[PoolEvent, str], None],
    ) -> None:
        self.pool = pool
        self._around = around
        self._go_on = go_on
        self._disable = disable
        self._counted: tuple[Failure, ...] = ()  # what rapid-fail protection looks at
        self._in_a_row: tuple[float, ...] = ()  # what makes starts wait
        self._pause: asyncio.TimerHandle | None = None

    @property
    def failure_count(self) -> int:
        """Failures that count at the moment (rapid-fail protection)."""
        return len(failures_in_window(self._counted, self._around.clock(), self.pool))

    @property
    def seconds_to_wait(self) -> float:
        """How long the next start has to wait; 0.0 for not at all."""
        return seconds_to_wait(self._in_a_row, self._around.clock())

    def must_wait(self) -> bool:
        """Whether a start has to wait because those before it failed; `go_on` is called when that is over."""
        seconds = self.seconds_to_wait
        if seconds and self._pause is None:
            self._pause = self._around.loop.call_later(seconds, self._pause_is_over)
        return seconds > 0.0

    def stop_waiting(self) -> None:
        """Nothing shall be started any more."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None

    def forget(self) -> None:
        """The administrator has looked after it: everything begins anew."""
        self._counted, self._in_a_row = (), ()
        self.stop_waiting()

    def worker_has_failed(self, worker: WorkerRecord) -> None:
        """It crashed, was late, silent or without its link. A replacement that fails does the pool no harm as long as
        the worker before it serves (`pool_rotation.py` tries again)."""
        if worker.is_replacement:
            self._delay(worker.ready_at)
        else:
            self._count(Failure(self._around.clock(), worker.name, worker.failure_text), worker.ready_at)

    def worker_cannot_load(self, worker: WorkerRecord) -> None:
        """It said before Ready that another one would not do better."""
        code = cannot_load(worker.exit_status or 0)
        assert code is not None, "the worker's table says so only of such an exit code"
        if worker.is_replacement:
            self._delay(None)
        else:
            self._take_offline(worker.name, code, worker.end_text)

    def parent_has_died(self, title: str, end: ParentEnd) -> None:
        """The pool's parent ended without being told to. Only one that never became able to fork is a failure."""
        code = cannot_load(end.status) if end.ready_at is None else None
        if code is not None:
            self._take_offline(title, code, end.cause)
        elif end.ready_at is None:
            self._count(Failure(self._around.clock(), title, f"ended by {end.cause}"), None)
        else:
            self._delay(end.ready_at)

    def _pause_is_over(self) -> None:
        self._pause = None
        self._go_on()

    def _delay(self, ready_at: float | None) -> None:
        self._in_a_row = failures_in_a_row(self._in_a_row, ready_at, self._around.clock())

    def _count(self, failure: Failure, ready_at: float | None) -> None:
        self._delay(ready_at)
        self._counted = (*failures_in_window(self._counted, failure.at, self.pool), failure)
        if must_disable(self._counted, failure.at, self.pool):
            count = len(self._counted)
            why = (
                f"{count} failure{'' if count == 1 else 's'} within {self.pool.rapid_fail_interval_seconds} s "
                f"({describe(self._counted, failure.at)}); `isapy start pool {self.pool.name}` enables it"
            )
            fields = {"pool": self.pool.name, "failures": str(count)}
            self._around.report("pool-rapid-fail", f"pool {self.pool.name} is disabled: {why}", fields)
            self._disable(PoolEvent.RAPID_FAIL, why)
        else:
            self._go_on()

    def _take_offline(self, process: str, code: ExitCode, cause: str) -> None:
        remedy = f"{REMEDIES[code]}, then `isapy start pool {self.pool.name}`"
        why = f"{process} cannot start, and would not the next time: {cause}; {remedy}"
        fields = {"pool": self.pool.name, "process": process}
        self._around.report("pool-cannot-load", f"pool {self.pool.name} is disabled: {why}", fields)
        self._disable(PoolEvent.CANNOT_LOAD, why)
