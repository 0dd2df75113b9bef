"""What connections share: the clock above all."""

from __future__ import annotations

import asyncio

import pytest

from host.config.model import WebLimits
from host.listener.context import ListenerContext, SystemClock
from host.listener.exchange import Exchange
from tests.listener.running_listener import MovableClock, RecordingLog


class Waiting:
    """A connection with a deadline."""

    exchange: Exchange | None = None

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.has_passed = False

    def deadline_passed(self) -> None:
        self.has_passed = True

    def bandwidth_changed(self) -> None:
        raise AssertionError("nobody has changed it")

    def proxies_changed(self) -> None:
        raise AssertionError("nobody has changed them")

    def shut_down(self) -> None:
        raise AssertionError

    def break_off(self) -> None:
        raise AssertionError


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def context(clock: MovableClock) -> ListenerContext:
    loop = asyncio.new_event_loop()
    loop.close()
    return ListenerContext(loop, send=lambda _: None, log=RecordingLog(), clock=clock, raw_data_hook=None)


def test_deadlines_pass_at_the_tick(context: ListenerContext, clock: MovableClock) -> None:
    """Those that are due, and no others."""
    early, late = Waiting(1005.0), Waiting(1010.0)
    context.connections |= {early, late}
    clock.seconds += 5
    seen = [early.has_passed]
    context.tick()
    seen.append(early.has_passed)
    assert seen == [False, True]
    assert not late.has_passed


def test_coarse_time_moves_with_the_tick(context: ListenerContext, clock: MovableClock) -> None:
    """Wall time is exact in between."""
    clock.seconds += 5
    seen = [context.now]
    assert context.wall(clock.monotonic()) == clock.wall()
    before = context.stamp.keep
    context.tick()
    seen.append(context.now)
    assert seen == [1000.0, 1005.0]
    assert context.stamp.keep != before


def test_the_header_wait_has_a_default(context: ListenerContext) -> None:
    """0 leaves the driver's 120 seconds."""
    assert context.header_wait_seconds == 120
    context.web_limits = WebLimits(header_wait_timeout_seconds=7)
    assert context.header_wait_seconds == 7


def test_the_system_clock_goes_forward() -> None:
    """Both of its times."""
    clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.wall() > 1_700_000_000
