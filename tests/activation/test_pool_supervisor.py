"""A pool over real processes: starts that can never succeed, starts that fail, workers without a parent."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from host.activation.backoff import FIRST_PAUSE_SECONDS
from host.activation.pool_transitions import PoolEvent, PoolState
from host.activation.recycling import RecycleReason
from host.config.model import Pool
from tests.activation.pool_alone import pool_alone


def has_ended(process: psutil.Process) -> bool:
    """Also one that init has not reaped yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_parent_whose_configuration_cannot_be_read_takes_its_pool_off_line_at_once(tmp_path: Path) -> None:
    """One start, no other; the event names cause and remedy; starting the pool by hand tries once more."""

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_text=lambda text: text.replace(b"<sites>", b"<sights>")) as alone:
            alone.pool.start()
            assert alone.pool.state is PoolState.STARTING
            await alone.until(lambda: alone.pool.state is PoolState.STOPPED, "the pool off line")
            assert alone.pool.refuse_reason == "AppOffline"
            assert len(alone.told("process-started")) == 1
            (told,) = alone.told("pool-cannot-load")
            assert "exit code 78 (bad configuration)" in told
            assert "applicationHost.config:" in told
            assert "isapy start pool DefaultAppPool" in told
            assert not alone.told("pool-rapid-fail")
            alone.pool.demand()
            assert len(alone.told("process-started")) == 1
            alone.pool.handle(PoolEvent.START)
            await alone.until_told("pool-cannot-load", 2)

    asyncio.run(scenario())


def test_a_parent_that_dies_before_it_can_fork_is_a_failure_and_the_starts_wait_longer_and_longer(
    tmp_path: Path,
) -> None:
    """Rapid-fail protection takes the pool off line; until then requests wait in its queue."""

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=lambda pool: replace(pool, rapid_fail_max_crashes=3)) as alone:
            alone.pool.start()
            for number in (1, 2, 3):
                await alone.until_told("process-started", number)
                os.kill(alone.pool.parent_pid, signal.SIGKILL)
                await alone.until_told("process-died", number)
                assert (alone.pool.refuse_reason == "") is (number < 3)
            (told,) = alone.told("pool-rapid-fail")
            assert told.count("pool DefaultAppPool: ended by signal 9 (SIGKILL)") == 3
            assert alone.pool.state is PoolState.STOPPED

    asyncio.run(scenario())


def test_a_parent_that_does_not_become_ready_in_time_is_killed(tmp_path: Path) -> None:
    """startupTimeLimit holds for it as for a worker."""

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=lambda pool: replace(pool, startup_time_limit_seconds=1)) as alone:
            alone.pool.start()
            os.kill(alone.pool.parent_pid, signal.SIGSTOP)
            await alone.until_told("process-died", 1)
            assert "not ready within 1 s" in alone.told("process-died")[0]

    asyncio.run(scenario())


def test_a_worker_outlives_its_parent_in_order_and_is_missed_by_nobody(tmp_path: Path) -> None:
    """Its parent died and the next one does not know it: it finishes, its end is noticed, and that is no failure."""

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=lambda pool: replace(pool, shutdown_time_limit_seconds=1)) as alone:
            alone.pool.start()
            alone.pool.demand()
            await alone.until(lambda: [each for each in alone.pool.workers.values() if each.ready_at], "a worker")
            (first,) = alone.pool.workers.values()
            process = psutil.Process(first.pid)
            os.kill(alone.pool.parent_pid, signal.SIGKILL)
            await alone.until(lambda: first.name not in alone.pool.workers, "the end of the worker")
            await alone.until(lambda: has_ended(process), "the end of its process")
            assert alone.pool.state in (PoolState.STARTING, PoolState.STARTED)
            assert alone.pool.failure_count == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("start_mode", ["OnDemand", "AlwaysRunning"])
def test_a_pool_whose_front_finishes_replaces_no_worker_any_more(tmp_path: Path, start_mode: str) -> None:
    """A signal to everybody makes workers ask for their replacement when the service ends; others may still start, for
    requests that wait: startMode AlwaysRunning is no reason any more."""
    reason = RecycleReason("recycle-unhealthy", "SIGTERM asked this process to end")

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=lambda pool: replace(pool, start_mode=start_mode)) as alone:
            alone.pool.start()
            alone.pool.demand()
            await alone.until(lambda: [each for each in alone.pool.workers.values() if each.ready_at], "a worker")
            alone.pool.end_recycling()
            for worker in list(alone.pool.workers.values()):
                alone.pool.wants_recycle(worker, reason)
            alone.pool.tick()
            assert (len(alone.pool.workers), alone.told("recycle-unhealthy")) == (1, [])
            for worker in list(alone.pool.workers.values()):
                os.kill(worker.pid, signal.SIGKILL)
            await alone.until_told("worker-died", 1)
            assert not alone.pool.workers
            alone.pool.demand()
            await alone.until_told("process-started", 3)

    asyncio.run(scenario())


def test_a_stopped_pool_has_no_process_and_starts_again(tmp_path: Path) -> None:
    """Stopped means that nothing of it runs; a start while it ends is obeyed behind the end."""

    async def scenario() -> None:
        async with pool_alone(tmp_path) as alone:
            alone.pool.start()
            await alone.until(lambda: alone.pool.parent_pid, "a parent")
            alone.pool.handle(PoolEvent.STOP)
            alone.pool.handle(PoolEvent.START)
            assert alone.pool.state is PoolState.STARTING
            await alone.until_told("process-started", 2)
            alone.pool.handle(PoolEvent.STOP)
            await alone.until_told("process-ended", 2)
            assert (alone.pool.parent_pid, alone.pool.state) == (0, PoolState.STOPPED)

    asyncio.run(scenario())


def test_a_policy_that_shut_a_pool_down_starts_it_again_unless_somebody_stopped_it(tmp_path: Path) -> None:
    """AppShutdown while it lasts; the administrator's stop outlives the policy."""

    async def scenario() -> None:
        async with pool_alone(tmp_path) as alone:
            alone.pool.start()
            alone.pool.shut_down("cpu/@limit is 50 %")
            assert alone.pool.refuse_reason == "AppShutdown"
            assert "cpu/@limit is 50 %" in alone.told("pool-stopped")[-1]
            alone.pool.end_shut_down()
            assert alone.pool.refuse_reason == ""
            alone.pool.shut_down("cpu/@limit is 50 %")
            alone.pool.handle(PoolEvent.STOP)
            alone.pool.end_shut_down()
            assert alone.pool.refuse_reason == "Disabled"

    asyncio.run(scenario())


def test_a_worker_that_was_to_be_killed_ends_although_its_parent_dies_before_it_is_told(tmp_path: Path) -> None:
    """The parent is stopped, so it cannot hear it; then it is killed. Nothing is left behind."""

    async def scenario() -> None:
        async with pool_alone(tmp_path) as alone:
            alone.pool.start()
            alone.pool.demand()
            await alone.until(lambda: [each for each in alone.pool.workers.values() if each.ready_at], "a worker")
            (first,) = alone.pool.workers.values()
            process = psutil.Process(first.pid)
            process.suspend()
            os.kill(alone.pool.parent_pid, signal.SIGSTOP)
            alone.pool.kill()
            await alone.until(lambda: first.name not in alone.pool.workers, "the end of the worker")
            await alone.until(lambda: has_ended(process), "the end of its process")

    asyncio.run(scenario())


def test_demand_repeated_does_not_defeat_the_pause_between_starts(tmp_path: Path) -> None:
    """The clock stands: two starts have failed, and nobody's asking brings a third one before its time."""

    async def scenario() -> None:
        async with pool_alone(tmp_path) as alone:
            (tmp_path / "extensions" / "ends.py").write_text("import os\n\nos._exit(3)\n")
            alone.stopped_at = 1000.0
            alone.pool.start()
            alone.pool.demand()
            await alone.until_told("worker-died", 1)
            alone.pool.demand()
            await alone.until_told("worker-died", 2)
            started = len(alone.told("process-started"))
            for _ in range(100):
                alone.pool.demand()
            assert (len(alone.told("process-started")), len(alone.pool.workers)) == (started, 0)
            alone.stopped_at += FIRST_PAUSE_SECONDS
            alone.pool.demand()
            await alone.until_told("worker-died", 3)
            alone.pool.demand()
            assert not alone.pool.workers
            alone.pool.handle(PoolEvent.START)
            assert alone.pool.failure_count == 0
            await alone.until_told("worker-died", 4)

    asyncio.run(scenario())


def test_changed_settings_wait_for_the_next_recycle_where_a_change_recycles_nobody(tmp_path: Path) -> None:
    """disallowRotationOnConfigChange: a worker that is older than a changed periodicRestart/@time lives on, also when
    the attribute alone is taken back; its replacement goes by the new limit."""
    changed = RecycleReason("recycle-config-change", "the configuration changed: periodicRestart/@time")

    def quiet(pool: Pool) -> Pool:
        pool = replace(pool, idle_timeout_seconds=0, pinging_enabled=False)
        return replace(pool, disallow_rotation_on_config_change=True)

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=quiet) as alone:

            def one_runs(number: int) -> bool:
                return [each.number for each in alone.pool.workers.values() if each.ready_at] == [number]

            def a_minute_passes() -> None:
                alone.stopped_at = alone.around.clock() + 61.0
                alone.pool.tick()

            alone.pool.start()
            alone.pool.demand()
            await alone.until(lambda: one_runs(1), "a worker")
            limited = replace(alone.pool.pool, periodic_restart_seconds=60)
            alone.pool.apply(alone.pool.slot, limited, alone.configure, changed)
            a_minute_passes()
            alone.pool.apply(
                alone.pool.slot, replace(limited, disallow_rotation_on_config_change=False), alone.configure, None
            )
            a_minute_passes()
            assert alone.told("recycle-time") == []
            alone.pool.recycle(RecycleReason("recycle-on-demand", "asked for by the administrator"))
            await alone.until(lambda: one_runs(2), "its replacement")
            a_minute_passes()
            assert len(alone.told("recycle-time")) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("overlaps", [True, False])
def test_a_recycle_lets_requests_go_first_where_nobody_waits_for_it(tmp_path: Path, overlaps: bool) -> None:
    """From its beginning to the old worker's end. Without overlap requests wait for each of its steps, as they do when
    a worker dies."""

    async def scenario() -> None:
        async with pool_alone(
            tmp_path, change_pool=lambda pool: replace(pool, disallow_overlapping_rotation=not overlaps)
        ) as alone:
            alone.pool.start()
            alone.pool.demand()
            await alone.until(lambda: [each for each in alone.pool.workers.values() if each.ready_at], "a worker")
            alone.pool.recycle(RecycleReason("recycle-on-demand", "asked for by the administrator"))
            await alone.until_told("process-ended", 1)
            assert alone.told_in_no_hurry == (["recycle-on-demand", "process-ended"] if overlaps else [])
            alone.told_in_no_hurry.clear()
            alone.pool.demand()
            await alone.until(lambda: [each for each in alone.pool.workers.values() if each.ready_at], "another worker")
            for worker in alone.pool.workers.values():
                os.kill(worker.pid, signal.SIGKILL)
            await alone.until_told("worker-died", 1)
            assert alone.told_in_no_hurry == []

    asyncio.run(scenario())


def test_an_always_running_pool_is_held_back_until_another_pools_worker_ends(tmp_path: Path) -> None:
    """webLimits/@demandStartThreshold: said once; nobody has to send a request for it."""

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=lambda pool: replace(pool, start_mode="AlwaysRunning")) as alone:
            alone.others = 2**31
            alone.pool.start()
            await alone.until_told("demand-held-back", 1)
            alone.pool.tick()
            assert (len(alone.told("demand-held-back")), len(alone.pool.workers)) == (1, 0)
            alone.others = 0
            alone.pool.tick()
            assert [worker.why_started for worker in alone.pool.workers.values()] == ["startMode is AlwaysRunning"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("limit", "event_id"),
    [
        (lambda pool: replace(pool, periodic_restart_memory_kilobytes=1), "recycle-memory"),
        (lambda pool: replace(pool, periodic_restart_private_memory_kilobytes=1), "recycle-private-memory"),
    ],
)
def test_memory_is_measured_and_told_with_limit_and_value(
    tmp_path: Path, limit: Callable[[Pool], Pool], event_id: str
) -> None:
    """A real worker's; looked at every ten seconds."""

    async def scenario() -> None:
        async with pool_alone(tmp_path, change_pool=limit) as alone:
            alone.pool.start()
            alone.pool.demand()
            await alone.until(lambda: [each for each in alone.pool.workers.values() if each.ready_at], "a worker")
            alone.pool.tick()
            (told,) = alone.told(event_id)
            found = re.search(r"Memory is 1 KB, the worker has (\d+) KB", told, re.IGNORECASE)
            assert found is not None, told
            assert int(found[1]) > 1000

    asyncio.run(scenario())
