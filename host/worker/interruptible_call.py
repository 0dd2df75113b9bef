"""A function on a thread whose caller may go on before it returns: `host.api.ThreadCall`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.worker.thread_pool import Job, ThreadPool


class InterruptibleCall:
    """One call. `under_way` holds `note` from `run` until the function has returned, or never will be called."""

    __slots__ = ("_is_interrupted", "_job", "_note", "_pool", "_under_way")

    def __init__(self, pool: ThreadPool, under_way: set[Any], note: object) -> None:
        self._pool = pool
        self._under_way = under_way
        self._note = note
        self._job: Job | None = None
        self._is_interrupted = False

    async def run(self, function: Callable[[], object]) -> bool:
        """Call it; true when it has returned, false when `interrupt` was faster. Raises what it raises, and
        RuntimeError when the pool is closed."""
        job = self._job = self._pool.submit(function, (), self._pool.loop.create_future())
        assert job.future is not None
        self._under_way.add(self._note)
        try:
            await job.future
            if job.is_delivered and job.exception is not None:  # it was interrupted just before it raised
                raise job.exception
        finally:
            if job.is_delivered:
                self._under_way.discard(self._note)
                job.exception = None  # raised here; its traceback leads to this frame, and the job
        self._is_interrupted = not job.is_delivered
        return job.is_delivered

    def interrupt(self) -> None:
        """Let `run` return. On any thread, while the function runs."""
        self._pool.loop.call_soon_threadsafe(self._let_go)

    async def end(self) -> None:
        """Return when the function has; one that no thread has begun is dropped. Cancelling it changes nothing.

        Raises what the function raised when `run` could not.
        """
        job = self._job
        if job is None:
            return
        await self._pool.leave(job)
        self._under_way.discard(self._note)
        if self._is_interrupted and job.exception is not None:
            raise job.exception

    def _let_go(self) -> None:
        job = self._job
        if job is not None and job.future is not None and not job.future.done():
            job.future.set_result(None)
