"""The pool of threads for plain `def` code."""

from __future__ import annotations

import asyncio
import threading

import pytest

from host.api.whole_body import WholeBody
from host.worker.request_body import StreamedBody
from host.worker.thread_pool import ThreadPool
from tests.worker.front import CLOSERS, run, until


def new_pool(limit: int = 4) -> ThreadPool:
    pool = ThreadPool(asyncio.get_running_loop(), limit, name="worker thread")
    CLOSERS.append(pool.close)
    return pool


def test_a_call_runs_on_a_named_thread_and_its_result_comes_back() -> None:
    """Threads carry the pool's name, so that a stack dump can be read."""

    async def main() -> None:
        pool = new_pool()
        name = await pool.run(lambda: threading.current_thread().name)
        assert name == "worker thread 1"
        assert await pool.run(divmod, 7, 2) == (3, 1)

    run(main())


def test_an_exception_reaches_the_caller() -> None:
    """Whatever a job raises is raised where it was awaited; the thread lives on."""

    def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        pool = new_pool(1)
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 // 0)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await pool.run(next, iter(()))
        job = pool.submit(leave, (), None)
        assert await pool.run(lambda: "still here") == "still here"
        assert isinstance(job.exception, SystemExit)

    run(main())


def test_short_jobs_share_one_thread() -> None:
    """A burst of quick calls does not start a thread each."""

    async def main() -> None:
        pool = new_pool(8)
        all_done = threading.Event()
        jobs = [pool.submit(abs, (-n,)) for n in range(100)]
        pool.submit(all_done.set)
        assert all_done.wait(60)  # the loop stands meanwhile: when it looks again, nothing waits for a thread
        assert [job.result for job in jobs] == list(range(100))
        await until(lambda: not pool._look_is_due)
        assert pool.thread_count == 1

    run(main())


def test_jobs_that_block_get_a_thread_each_up_to_the_limit() -> None:
    """Three blocked jobs do not hold up the fourth; the fifth waits and the pool says so."""

    async def main() -> None:
        pool = new_pool(4)
        together = threading.Barrier(5)
        blocked = [asyncio.ensure_future(pool.run(together.wait)) for _ in range(4)]
        await until(lambda: together.n_waiting == 4)
        assert pool.thread_count == 4
        assert not pool.is_overloaded()
        waiting = asyncio.ensure_future(pool.run(abs, -1))
        await asyncio.sleep(0)
        assert (pool.backlog, pool.is_overloaded()) == (1, True)
        together.wait()
        await asyncio.gather(*blocked)
        assert await waiting == 1
        assert not pool.is_overloaded()

    run(main())


def test_a_job_that_no_thread_has_begun_is_dropped_with_its_caller() -> None:
    """Cancelling takes it out of the queue at once."""
    ran: list[str] = []

    async def main() -> None:
        pool = new_pool(1)
        gate = threading.Event()
        first = asyncio.ensure_future(pool.run(gate.wait))
        second = asyncio.ensure_future(pool.run(ran.append, "second"))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.set()
        await first
        await pool.run(abs, 1)
        assert ran == []

    run(main())


def test_a_cancelled_caller_waits_for_the_end_of_a_job_that_runs() -> None:
    """However often it is cancelled: the request is not given back while its code runs."""

    async def main() -> None:
        pool = new_pool(1)
        began, gate = threading.Event(), threading.Event()
        finished = []

        def work() -> None:
            began.set()
            gate.wait()
            finished.append(True)

        task = asyncio.ensure_future(pool.run(work))
        await until(began.is_set)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        assert not task.done()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert finished == [True]

    run(main())


def test_a_job_that_is_done_does_not_wait_for_one_that_blocks_behind_it() -> None:
    """The only thread is in the second job, which the first one's caller ends."""

    async def main() -> None:
        pool = new_pool(1)
        gate = threading.Event()
        first, second = asyncio.ensure_future(pool.run(abs, -1)), asyncio.ensure_future(pool.run(gate.wait))
        assert await asyncio.wait_for(first, 60) == 1
        assert not second.done()
        gate.set()
        assert await second

    run(main())


def test_a_thread_that_blocks_holds_up_no_short_job() -> None:
    """Once it is known to, a short job is done by another thread without the loop's help."""

    async def main() -> None:
        pool = new_pool(2)
        gate, done = threading.Event(), threading.Event()
        blocked = pool.submit(gate.wait)
        assert await pool.run(abs, -1) == 1  # the loop has looked, and added a thread
        await until(lambda: len(pool._resting) == 1)
        pool.submit(done.set)
        assert done.wait(60)  # the loop stands meanwhile
        assert not blocked.is_delivered
        gate.set()

    run(main())


def test_threads_that_were_stuck_count_no_more_when_they_rest() -> None:
    """Four jobs that block get their threads one after the other; behind them a short job wakes one, not four."""

    async def main() -> None:
        pool = new_pool(4)
        gate = threading.Event()
        blocked = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(4)]
        await until(lambda: pool._awake == 4)
        gate.set()
        await asyncio.gather(*blocked)
        await until(lambda: len(pool._resting) == 4)
        assert (pool._awake, pool._stuck) == (0, 0)

    run(main())


def test_the_thread_that_has_rested_for_the_shortest_time_is_woken_first() -> None:
    """Its stack is still in the processor's cache; the others are left alone."""

    async def main() -> None:
        pool = new_pool(3)
        gates = [threading.Event() for _ in range(3)]
        blocked = [asyncio.ensure_future(pool.run(gate.wait)) for gate in gates]
        await until(lambda: pool._awake == 3)
        for gate, job in zip(gates, blocked, strict=True):
            gate.set()
            await job
        await until(lambda: len(pool._resting) == 3)
        names = [await pool.run(lambda: threading.current_thread().name) for _ in range(5)]
        assert len(set(names)) == 1, names

    run(main())


def test_no_job_is_forgotten_by_threads_that_go_to_rest() -> None:
    """A job that comes while a thread finds none is done, whoever of the two is faster, many times over."""

    async def main() -> None:
        pool = new_pool(2)
        for number in range(3000):
            done = threading.Event()
            pool.submit(done.set)
            if number % 3 == 0:
                await asyncio.sleep(0)
            assert done.wait(60), number

    run(main())


def test_relieved_is_called_after_finished_jobs() -> None:
    """The channel gives credits back there."""
    calls = []

    async def main() -> None:
        pool = new_pool(1)
        pool.relieved = lambda: calls.append(pool.backlog)
        await pool.run(abs, 1)
        await asyncio.sleep(0)
        assert calls == [0]

    run(main())


def test_who_waits_for_a_client_leaves_the_threads_to_others() -> None:
    """What may read a body that is still on its way runs on threads of another pool, which is closed with this one."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        pool = ThreadPool(loop, 1, name="worker thread", for_uploads=ThreadPool(loop, 8, name="worker upload thread"))
        bodies = [StreamedBody(loop, b"abc", 10, lambda _: None) for _ in range(3)]
        reads = [loop.create_task(pool.for_body(body).run(body.read_blocking)) for body in bodies]
        assert await pool.for_body(WholeBody(b"x")).run(lambda: threading.current_thread().name) == "worker thread 1"
        for body in bodies:
            body.receive(b"defghij")
            body.complete()
        assert await asyncio.gather(*reads) == [b"abcdefghij"] * 3
        assert pool.for_body(bodies[0]) is pool
        pool.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker upload thread")]

    run(main())


def test_a_pool_without_another_one_takes_everything() -> None:
    """As in tests of plugins' parts."""

    async def main() -> None:
        pool = new_pool()
        assert pool.for_body(StreamedBody(asyncio.get_running_loop(), b"", 10, lambda _: None)) is pool

    run(main())


def test_a_closed_pool_takes_nothing_and_leaves_no_thread() -> None:
    """close() ends the threads."""

    async def main() -> None:
        pool = new_pool(2)
        await pool.run(abs, 1)
        pool.close()
        pool.close()
        assert not [thread for thread in threading.enumerate() if thread.name.startswith("worker thread")]
        with pytest.raises(RuntimeError):
            pool.submit(abs, (1,), None)

    run(main())
