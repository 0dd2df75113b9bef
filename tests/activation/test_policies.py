"""Recycling, idle time-out, health and rapid-fail protection over moved clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.activation.backoff import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    SETTLED_SECONDS,
    failures_in_a_row,
    seconds_to_wait,
)
from host.activation.health import is_ping_due, is_unresponsive
from host.activation.idle import is_idle
from host.activation.rapid_fail import Failure, describe, failures_in_window, must_disable
from host.activation.recycling import RecycleReason, age_reason, is_logged, recycle_reason, schedule_reason
from host.activation.worker_facts import WorkerFacts
from host.config.model import Pool
from host.logs.events import EVENTS

NOT_A_REASON = ("recycle-apart", "recycle-failed")  # how a recycle went
FRESH = WorkerFacts(now=1000.0, started_at=1000.0)
POOL = Pool(name="Shop")


def test_a_fresh_worker_of_a_default_pool_goes_on() -> None:
    """Nothing is due at the start."""
    assert recycle_reason(FRESH, POOL) is None
    assert not is_idle(FRESH, POOL.idle_timeout_seconds)
    assert not is_unresponsive(FRESH, POOL)


def test_age_is_29_hours_by_default() -> None:
    """periodicRestart/@time counts from the worker's start."""
    almost = replace(FRESH, now=1000.0 + 29 * 3600 - 1)
    assert recycle_reason(almost, POOL) is None
    reason = recycle_reason(replace(FRESH, now=1000.0 + 29 * 3600), POOL)
    assert reason is not None
    assert reason.event_id == "recycle-time"
    assert "104400" in reason.text


@pytest.mark.parametrize(
    ("pool", "facts", "event_id"),
    [
        (replace(POOL, periodic_restart_requests=10), replace(FRESH, requests_served=10), "recycle-requests"),
        (
            replace(POOL, periodic_restart_memory_kilobytes=5000),
            replace(FRESH, virtual_kilobytes=5001),
            "recycle-memory",
        ),
        (
            replace(POOL, periodic_restart_private_memory_kilobytes=5000),
            replace(FRESH, private_kilobytes=5001),
            "recycle-private-memory",
        ),
    ],
)
def test_each_limit_recycles_at_its_value_and_names_both_numbers(pool: Pool, facts: WorkerFacts, event_id: str) -> None:
    """The reason says which limit and which value; without the limit nothing happens."""
    reason = recycle_reason(facts, pool)
    assert reason is not None
    assert reason.event_id == event_id
    assert any(number in reason.text for number in ("5001", "10"))
    assert recycle_reason(facts, replace(POOL, periodic_restart_seconds=0)) is None


def test_limits_of_zero_are_off() -> None:
    """Zero means never, for every limit."""
    old = WorkerFacts(now=1e9, started_at=0.0, requests_served=10**9, virtual_kilobytes=10**9, private_kilobytes=10**9)
    assert recycle_reason(old, replace(POOL, periodic_restart_seconds=0)) is None


def test_idle_counts_only_without_requests_in_hand_and_never_at_zero() -> None:
    """Twenty minutes by default."""
    assert POOL.idle_timeout_seconds == 1200
    assert not is_idle(replace(FRESH, idle_seconds=1199.0), 1200)
    assert is_idle(replace(FRESH, idle_seconds=1200.0), 1200)
    assert not is_idle(replace(FRESH, idle_seconds=1200.0, requests_in_hand=1), 1200)
    assert not is_idle(replace(FRESH, idle_seconds=1e9), 0)


def test_a_ping_is_due_every_interval_and_never_while_one_waits() -> None:
    """30 s after the last one, if that was answered."""
    facts = replace(FRESH, last_ping_at=1000.0, last_pong_at=1000.0)
    assert not is_ping_due(replace(facts, now=1029.0), POOL)
    assert is_ping_due(replace(facts, now=1030.0), POOL)
    assert not is_ping_due(replace(facts, now=1060.0, last_ping_at=1030.0), POOL)
    assert not is_ping_due(replace(facts, now=1030.0), replace(POOL, pinging_enabled=False))


def test_silence_for_longer_than_the_response_time_is_a_failed_ping() -> None:
    """90 s by default; an answered ping is never late."""
    waiting = replace(FRESH, last_ping_at=1030.0, last_pong_at=1000.0)
    assert not is_unresponsive(replace(waiting, now=1120.0), POOL)
    assert is_unresponsive(replace(waiting, now=1120.5), POOL)
    assert not is_unresponsive(replace(waiting, now=9999.0, last_pong_at=1031.0), POOL)
    assert not is_unresponsive(replace(waiting, now=9999.0), replace(POOL, pinging_enabled=False))


def failures(*instants: float) -> list[Failure]:
    return [Failure(instant, f"Shop#{number}", "ended by exit code 3") for number, instant in enumerate(instants, 1)]


def test_five_failures_inside_five_minutes_disable_a_pool() -> None:
    """Failures that are older than the interval do not count."""
    assert not must_disable(failures(0.0, 1.0, 2.0, 3.0), 4.0, POOL)
    assert must_disable(failures(0.0, 1.0, 2.0, 3.0, 4.0), 4.0, POOL)
    assert not must_disable(failures(0.0, 1.0, 2.0, 3.0, 301.0), 301.0, POOL)
    assert [each.at for each in failures_in_window(failures(0.0, 1.0, 301.0), 301.0, POOL)] == [301.0]
    assert not must_disable(failures(*[4.0] * 100), 4.0, replace(POOL, rapid_fail_protection=False))


def test_a_changed_limit_or_interval_holds_for_failures_of_before() -> None:
    """failure/* is obeyed at once."""
    two = failures(0.0, 100.0)
    assert must_disable(two, 100.0, replace(POOL, rapid_fail_max_crashes=2))
    assert not must_disable(two, 100.0, replace(POOL, rapid_fail_max_crashes=2, rapid_fail_interval_seconds=60))


def test_the_failures_are_told_with_process_age_and_cause() -> None:
    """An operator sees which, when and why."""
    text = describe([Failure(90.0, "Shop#1", "ended by signal 9"), Failure(99.5, "Shop#2", "was late")], 100.0)
    assert text == "10.0 s ago Shop#1: ended by signal 9; 0.5 s ago Shop#2: was late"


def test_the_first_failure_costs_no_pause_and_the_next_ones_double_it_up_to_a_bound() -> None:
    """What waits in the queue is served by the replacement of a worker that crashed once."""
    assert seconds_to_wait([], 5.0) == 0.0
    assert seconds_to_wait([5.0], 5.0) == 0.0
    pauses = [seconds_to_wait([5.0] * count, 5.0) for count in range(2, 40)]
    assert pauses[:4] == [FIRST_PAUSE_SECONDS * factor for factor in (1, 2, 4, 8)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS
    assert seconds_to_wait([0.0] * 10_000, 0.0) == LONGEST_PAUSE_SECONDS


def test_the_pause_counts_from_the_last_failure_and_passes() -> None:
    """Asking again does not lengthen it."""
    in_a_row = [0.0, 10.0]
    assert seconds_to_wait(in_a_row, 10.0) == FIRST_PAUSE_SECONDS
    assert seconds_to_wait(in_a_row, 10.0 + FIRST_PAUSE_SECONDS / 2) == FIRST_PAUSE_SECONDS / 2
    assert seconds_to_wait(in_a_row, 10.0 + FIRST_PAUSE_SECONDS) == 0.0


def test_a_process_that_had_settled_begins_a_new_series() -> None:
    """A start that succeeded wipes out the failures before it; one that died at once after Ready does not."""
    earlier = (1.0, 2.0, 3.0)
    assert failures_in_a_row(earlier, None, 4.0) == (*earlier, 4.0)
    assert failures_in_a_row(earlier, 4.0, 4.0 + SETTLED_SECONDS / 2) == (*earlier, 4.0 + SETTLED_SECONDS / 2)
    assert failures_in_a_row(earlier, 4.0, 4.0 + SETTLED_SECONDS) == (4.0 + SETTLED_SECONDS,)


def test_every_reason_is_logged_by_default_and_none_with_an_empty_list() -> None:
    """recycling/@logEventOnRecycle."""
    ids = [event_id for event_id in EVENTS if event_id.startswith("recycle-") and event_id not in NOT_A_REASON]
    assert len(ids) == 9
    for event_id in ids:
        assert is_logged(RecycleReason(event_id, ""), POOL)
        assert not is_logged(RecycleReason(event_id, ""), replace(POOL, log_event_on_recycle=()))


@pytest.mark.parametrize(
    ("flag", "event_ids"),
    [
        ("Time", {"recycle-time"}),
        ("Requests", {"recycle-requests"}),
        ("Schedule", {"recycle-schedule"}),
        ("Memory", {"recycle-memory"}),
        ("PrivateMemory", {"recycle-private-memory"}),
        ("IsapiUnhealthy", {"recycle-unhealthy"}),
        ("OnDemand", {"recycle-on-demand"}),
        ("ConfigChange", {"recycle-config-change", "recycle-plugin-change"}),
    ],
)
def test_each_flag_lets_its_own_events_through(flag: str, event_ids: set[str]) -> None:
    """A changed plugin counts as a changed configuration."""
    pool = replace(POOL, log_event_on_recycle=(flag,))
    ids = [event_id for event_id in EVENTS if event_id.startswith("recycle-") and event_id not in NOT_A_REASON]
    assert {event_id for event_id in ids if is_logged(RecycleReason(event_id, ""), pool)} == event_ids


def test_a_suspended_worker_grows_old_and_reaches_no_other_limit() -> None:
    """Its age counts from its start."""
    pool = replace(POOL, periodic_restart_seconds=60, periodic_restart_requests=1)
    assert age_reason(replace(FRESH, now=1059.0, requests_served=5), pool) is None
    reason = age_reason(replace(FRESH, now=1060.0), pool)
    assert reason is not None
    assert reason.event_id == "recycle-time"


def test_the_reason_of_the_schedule_says_which_time_it_was() -> None:
    """As it is written in the file."""
    assert schedule_reason("03:00").event_id == "recycle-schedule"
    assert "03:00" in schedule_reason("03:00").text
