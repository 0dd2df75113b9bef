"""Recycling, idle time-out, health and rapid-fail protection over moved clocks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.activation.health import is_ping_due, is_unresponsive
from host.activation.idle import is_idle
from host.activation.rapid_fail import failures_in_window, must_disable
from host.activation.recycling import recycle_reason
from host.activation.worker_facts import WorkerFacts
from host.config.model import Pool

FRESH = WorkerFacts(now=1000.0, started_at=1000.0)
POOL = Pool(name="Shop")


def test_a_fresh_worker_of_a_default_pool_goes_on() -> None:
    """Nothing is due at the start."""
    assert recycle_reason(FRESH, POOL) is None
    assert not is_idle(FRESH, POOL)
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
    assert not is_idle(replace(FRESH, idle_seconds=1199.0), POOL)
    assert is_idle(replace(FRESH, idle_seconds=1200.0), POOL)
    assert not is_idle(replace(FRESH, idle_seconds=1200.0, requests_in_hand=1), POOL)
    assert not is_idle(replace(FRESH, idle_seconds=1e9), replace(POOL, idle_timeout_seconds=0))


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


def test_five_failures_inside_five_minutes_disable_a_pool() -> None:
    """Failures that are older than the interval do not count."""
    assert not must_disable([0.0, 1.0, 2.0, 3.0], 4.0, POOL)
    assert must_disable([0.0, 1.0, 2.0, 3.0, 4.0], 4.0, POOL)
    assert not must_disable([0.0, 1.0, 2.0, 3.0, 301.0], 301.0, POOL)
    assert failures_in_window([0.0, 1.0, 301.0], 301.0, POOL) == (301.0,)
    assert not must_disable([4.0] * 100, 4.0, replace(POOL, rapid_fail_protection=False))
