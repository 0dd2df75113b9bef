"""The threads on which plain `def` code of plugins runs.

Jobs go in one by one and come back in bursts: a thread notes that a job is done, and wakes the loop when no further
one waits, or, when the next ones take their time, the loop looks by itself a moment later. So a burst of jobs that
let go of the interpreter (calls into C) changes hands once, not once for each of them. Threads are added when jobs
have waited for a moment: a burst of short jobs is done by one thread (more would only fight for the interpreter), a
burst of jobs that block has a thread each a moment later.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final

_GROWTH_DELAY_SECONDS: Final = 0.002
_LOOK_DELAY_SECONDS: Final = 0.001
"""So long at most a job that is done waits for those behind it."""

_WAITING: Final = 0
_RUNNING: Final = 1
_DROPPED: Final = 2


class Job:
    """One call on the pool. `future` gets its result or its exception, on the loop."""

    __slots__ = ("arguments", "exception", "function", "future", "is_delivered", "result", "state")

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], future: asyncio.Future[Any] | None
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.future = future
        self.state = _WAITING
        self.is_delivered = False
        self.result: Any = None
        self.exception: BaseException | None = None


class ThreadPool:
    """At most `limit` threads, named `<name> 1`, `<name> 2` and so on. Its methods belong to the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int, *, name: str = "isapy thread") -> None:
        self.loop = loop
        self._limit = limit
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._done: deque[Job] = deque()
        self._threads: list[threading.Thread] = []
        self._loop_is_called = False
        self._look_is_due = False
        self._growth_is_due = False
        self._is_closed = False
        self._claim = threading.Lock()
        self.relieved: Callable[[], None] | None = None  # called on the loop after each burst of finished jobs

    @property
    def backlog(self) -> int:
        """Jobs that no thread has taken up yet."""
        return self._jobs.qsize()

    @property
    def thread_count(self) -> int:
        """Threads that exist."""
        return len(self._threads)

    def is_overloaded(self) -> bool:
        """Whether jobs wait although every thread that may exist does."""
        return len(self._threads) >= self._limit and self._jobs.qsize() > 0

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)` on a thread.

        Cancelling the caller takes the job out when no thread has begun it. A job that runs cannot be stopped: then
        CancelledError is raised after its end (its result is dropped), so that a request is never given back while
        its code still runs.
        """
        job = self.submit(function, arguments, self.loop.create_future())
        assert job.future is not None
        try:
            return await job.future
        except asyncio.CancelledError:
            await self.leave(job)
            raise

    def submit(
        self, function: Callable[..., Any], arguments: tuple[Any, ...] = (), future: asyncio.Future[Any] | None = None
    ) -> Job:
        """Queue a call; without a future nobody learns how it ended. Raises RuntimeError after `close`."""
        if self._is_closed:
            raise RuntimeError("the thread pool is closed")
        job = Job(function, arguments, future)
        self._jobs.put(job)
        if not self._look_is_due:
            self._look_is_due = True
            self.loop.call_later(_LOOK_DELAY_SECONDS, self._look)
        if not self._threads:
            self._add_thread()
        elif not self._growth_is_due and len(self._threads) < self._limit:
            self._growth_is_due = True
            self.loop.call_later(_GROWTH_DELAY_SECONDS, self._grow)
        return job

    def close(self, *, wait: bool = True) -> None:
        """End the threads once the queue is empty; `wait` joins them (only when no job can block any more)."""
        if self._is_closed:
            return
        self._is_closed = True
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    async def leave(self, job: Job) -> None:
        """Take the job out if no thread has begun it; else return when it has ended. Raises nothing."""
        with self._claim:
            if job.state == _WAITING:
                job.state = _DROPPED
                return
        while not job.is_delivered:
            job.future = self.loop.create_future()
            with contextlib.suppress(
                BaseException
            ):  # the end is awaited, however it comes and however often we are told
                await job.future

    def _add_thread(self) -> None:
        name = f"{self._name} {len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _grow(self) -> None:
        self._growth_is_due = False
        if self._is_closed:
            return
        for _ in range(min(self._jobs.qsize(), self._limit - len(self._threads))):
            self._add_thread()

    def _work(self) -> None:
        jobs, claim, done = self._jobs, self._claim, self._done
        take = jobs.get
        while (job := take()) is not None:
            with claim:
                if job.state == _DROPPED:
                    continue
                job.state = _RUNNING
            try:
                job.result = job.function(*job.arguments)
            except BaseException as error:  # every end of a job belongs to the one who waits for it
                job.exception = error
            done.append(job)
            del job
            if not self._loop_is_called and (jobs.empty() or not self._look_is_due):
                self._loop_is_called = True
                try:
                    self.loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return

    def _look(self) -> None:
        self._look_is_due = False  # before the look: what is done from now on calls
        self._deliver()

    def _deliver(self) -> None:
        self._loop_is_called = False  # before the first look: what comes later calls again
        done = self._done
        if not done:  # the look was faster
            return
        while done:
            job = done.popleft()
            job.is_delivered = True
            future = job.future
            if future is None or future.done():
                continue
            if job.exception is None:
                future.set_result(job.result)
            elif isinstance(job.exception, StopIteration):  # a future cannot carry it
                future.set_exception(RuntimeError(f"{job.function!r} raised StopIteration"))
            else:
                future.set_exception(job.exception)
        if self.relieved is not None:
            self.relieved()
