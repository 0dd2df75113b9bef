"""The threads on which plain `def` code of plugins runs.

Jobs go in one by one and come back in bursts: a thread notes that a job is done, and wakes the loop when no further
one waits, or, when the next ones take their time, the loop looks by itself a moment later. So a burst of jobs that
let go of the interpreter (calls into C) changes hands once, not once for each of them.

The threads are woken like those of a Windows completion port: the one that has rested for the shortest time first, so
that its stack is still in the processor's cache. One thread does short jobs one after the other (more would only fight
for the interpreter); when jobs take longer, or one of them blocks, each that waits has a thread of its own.

What may read the body of a request whose client still sends it may wait for that client as long as it likes: it has
threads of its own, as many as there are such requests, and leaves these to others.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from host.api import PendingResult
from host.api.threads import ComingBody
from host.worker.job_lengths import SHORT_SECONDS, JobLengths
from host.worker.pending import Pending

_LOOK_DELAY_SECONDS: Final = 0.001
"""So long at most a job that is done waits for those behind it, and one that waits for those before it."""


class Job:
    """One call on the pool. `future` gets its result or its exception, on the loop."""

    __slots__ = ("arguments", "exception", "function", "future", "is_delivered", "result")

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
        future: asyncio.Future[Any] | PendingResult | None,
    ) -> None:
        self.function = function
        self.arguments = arguments
        self.future = future
        self.is_delivered = False
        self.result: Any = None
        self.exception: BaseException | None = None


class ThreadPool:
    """At most `limit` threads, named `<name> 1`, `<name> 2` and so on. Its methods belong to the loop's thread.

    `for_uploads`: the other pool, for what may wait for clients; without one it is called here."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit: int,
        *,
        name: str = "isapy thread",
        for_uploads: ThreadPool | None = None,
    ) -> None:
        self.loop = loop
        self._for_uploads = for_uploads or self
        self._limit = limit
        self._name = name
        self._jobs: deque[Job] = deque()
        self._done: deque[Job] = deque()
        self._threads: list[threading.Thread] = []
        self._lengths = JobLengths()
        self._rest_lock = threading.Lock()  # for the next three
        self._resting: list[threading.Lock] = []  # a bell of each thread that rests; the last one is rung first
        self._awake = 0
        self._stuck = 0  # of those that are awake, with jobs that take their time
        self._loop_is_called = False
        self._look_is_due = False
        self._has_progressed = False  # since the last look a job was done
        self._reserve = 1  # threads that are woken by the next look when nothing is done until then
        self._is_closed = False
        self.relieved: Callable[[], None] | None = None  # called on the loop after each burst of finished jobs

    @property
    def backlog(self) -> int:
        """Jobs that no thread has taken up yet."""
        return len(self._jobs)

    @property
    def thread_count(self) -> int:
        """Threads that exist."""
        return len(self._threads)

    @property
    def resting_count(self) -> int:
        """Threads that wait for a job: nothing is called on them, and they write to nothing. Those for uploads, too."""
        others = 0 if self._for_uploads is self else self._for_uploads.resting_count
        return len(self._resting) + others

    def is_overloaded(self) -> bool:
        """Whether jobs wait although every thread that may exist does, and none of them is free."""
        return self._awake >= self._limit and bool(self._jobs)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """`function(*arguments)` on a thread.

        Cancelling the caller takes the job out when no thread has begun it. A job that runs cannot be stopped: then
        CancelledError is raised after its end (its result is dropped), so that a request is never given back while
        its code still runs.
        """
        pending = Pending(self.loop)
        job = self.submit(function, arguments, pending)
        try:
            return await pending
        except asyncio.CancelledError:
            await self.leave(job)
            raise
        finally:
            job.exception = None  # its traceback leads to this frame: no circle may keep what the function held

    def submit(
        self,
        function: Callable[..., Any],
        arguments: tuple[Any, ...] = (),
        future: asyncio.Future[Any] | PendingResult | None = None,
    ) -> Job:
        """Queue a call; without a future nobody learns how it ended. Raises RuntimeError after `close`."""
        if self._is_closed:
            raise RuntimeError("the thread pool is closed")
        job = Job(function, arguments, future)
        self._jobs.append(job)
        if not self._look_is_due:
            self._look_is_due = True
            self.loop.call_later(_LOOK_DELAY_SECONDS, self._look)
        if self._awake <= self._stuck or self._lengths.are_long:  # a thread that is about to rest looks once more
            if self._threads:
                self._wake(1)
            else:
                self._add_thread()
        return job

    def pending_result(self) -> Pending:
        """A future for `submit` that is awaited without a task (`host.api.Threads`)."""
        return Pending(self.loop)

    def for_body(self, body: ComingBody) -> ThreadPool:
        """Where to call what may read this body."""
        return self if body.is_complete else self._for_uploads

    def close(self, *, wait: bool = True) -> None:
        """End the threads once the queue is empty; `wait` joins them (only when no job can block any more)."""
        if self._is_closed:
            return
        self._is_closed = True
        if self._for_uploads is not self:
            self._for_uploads.close(wait=wait)
        self._wake(len(self._threads))
        if wait:
            for thread in self._threads:
                thread.join()

    async def leave(self, job: Job) -> None:
        """Take the job out if no thread has begun it; else return when it has ended. Raises nothing."""
        with contextlib.suppress(ValueError):  # one step of the interpreter, like a thread's taking it up
            self._jobs.remove(job)
            return
        while not job.is_delivered:
            job.future = self.loop.create_future()
            with contextlib.suppress(
                BaseException
            ):  # the end is awaited, however it comes and however often we are told
                await job.future

    # --- threads: how many, and which

    def _add_thread(self) -> None:
        name = f"{self._name} {len(self._threads) + 1}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        with self._rest_lock:
            self._awake += 1
        thread.start()

    def _wake(self, most: int) -> int:
        """So many threads that rest, or all of them; how many."""
        with self._rest_lock:
            count = min(most, len(self._resting))
            self._awake += count
            for _ in range(count):
                self._resting.pop().release()
        return count

    def _rest(self, bell: threading.Lock) -> bool:
        """On a thread that has found no job: return when there may be one; false when there will be none."""
        with self._rest_lock:
            if self._jobs:
                return True
            if self._is_closed:
                return False
            self._resting.append(bell)
            self._awake -= 1
            self._stuck = min(self._stuck, self._awake)
        if self._jobs and self._gets_up(bell):  # it came before `submit` could see that nobody is awake
            return True
        bell.acquire()
        return True

    def _gets_up(self, bell: threading.Lock) -> bool:
        """Whether the thread wakes by itself; false when its bell has been rung."""
        with self._rest_lock:
            if bell not in self._resting:
                return False
            self._resting.remove(bell)
            self._awake += 1
            return True

    # --- on a thread

    def _work(self) -> None:
        jobs, done, lengths = self._jobs, self._done, self._lengths
        bell = threading.Lock()
        bell.acquire()
        began = perf_counter()
        while True:
            try:
                job = jobs.popleft()
            except IndexError:
                if not self._rest(bell):
                    return
                began = perf_counter()
                continue
            try:
                job.result = job.function(*job.arguments)
            except BaseException as error:  # every end of a job belongs to the one who waits for it
                job.exception = error
            done.append(job)
            del job
            if not self._loop_is_called and (not jobs or not self._look_is_due):
                self._loop_is_called = True
                try:
                    self.loop.call_soon_threadsafe(self._deliver)
                except RuntimeError:  # the loop is closed: nobody waits any more
                    return
            now = perf_counter()
            if now - began > SHORT_SECONDS or lengths.score:
                self._note_length(now - began)
            began = now

    def _note_length(self, seconds: float) -> None:
        self._lengths.note(seconds)
        if seconds > _LOOK_DELAY_SECONDS:
            with self._rest_lock:
                self._stuck = max(0, self._stuck - 1)

    # --- on the loop

    def _look(self) -> None:
        self._look_is_due = False  # before the look: what is done from now on calls
        self._deliver()
        waiting = len(self._jobs)
        if not waiting or self._is_closed:
            self._has_progressed = False
            return
        if not self._has_progressed or self._lengths.are_long:
            if not self._has_progressed:
                self._stuck = self._awake
            wanted = waiting if self._lengths.are_long else min(waiting, self._reserve)
            self._reserve = 1 if self._has_progressed else self._reserve * 2
            woken = self._wake(wanted)
            for _ in range(min(wanted - woken, self._limit - len(self._threads))):
                self._add_thread()
        else:
            self._reserve = 1
        self._has_progressed = False
        self._look_is_due = True
        self.loop.call_later(_LOOK_DELAY_SECONDS, self._look)

    def _deliver(self) -> None:
        self._loop_is_called = False  # before the first look: what comes later calls again
        done = self._done
        if not done:  # the look was faster
            return
        self._has_progressed = True
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
