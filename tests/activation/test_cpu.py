"""The policy of `cpu` over moved clocks and invented processor seconds."""

from __future__ import annotations

import pytest

from host.activation.cpu import (
    CpuUse,
    Load,
    Window,
    allowed_share,
    exceeded_text,
    follow_window,
    is_counted,
    is_slowed,
    must_slow,
    window_end,
    worker_share,
)
from host.config.confinement import Cpu

HALF = Cpu(limit=50000, action="KillW3wp", reset_interval_seconds=60)


def use(now: float, used: float) -> CpuUse:
    return CpuUse(now, used, processors=4)


def test_the_limit_is_a_share_of_all_processors() -> None:
    """50000 is 50 %: on four processors two seconds of processor time a second."""
    assert allowed_share(HALF, 4) == 2.0
    assert allowed_share(Cpu(limit=1), 1) == 0.00001


def test_a_window_is_exceeded_when_its_share_is_used_up_and_not_before() -> None:
    """Half of four processors for 60 seconds are 120 seconds of processor time, however fast they are used."""
    window = follow_window(None, use(1000.0, 500.0), HALF)
    assert window == Window(1000.0, 500.0)
    assert not follow_window(window, use(1059.0, 619.9), HALF).is_exceeded
    exceeded = follow_window(window, use(1030.0, 620.0), HALF)
    assert exceeded.is_exceeded
    assert follow_window(exceeded, use(1031.0, 620.0), HALF).is_exceeded
    assert window_end(exceeded, HALF) == 1060.0
    text = exceeded_text(exceeded, use(1030.0, 620.0), HALF)
    assert "50 % of 4 processors, 120.0 s within 60 s" in text
    assert "used 120.0 s in 30 s" in text


def test_after_its_interval_a_new_window_begins() -> None:
    """What was used before does not count any more."""
    window = Window(1000.0, 500.0, is_exceeded=True)
    assert follow_window(window, use(1060.0, 700.0), HALF) == Window(1060.0, 700.0)
    assert follow_window(window, use(1010.0, 100.0), HALF) == Window(1010.0, 100.0)  # it counts from less: other facts


@pytest.mark.parametrize(
    ("cpu", "counted", "slowed"),
    [
        (Cpu(), False, False),
        (Cpu(limit=1000), True, False),
        (Cpu(limit=1000, action="KillW3wp"), True, False),
        (Cpu(limit=1000, action="KillW3wp", reset_interval_seconds=0), False, False),
        (Cpu(limit=1000, action="Throttle"), False, True),
        (Cpu(limit=1000, action="ThrottleUnderLoad", reset_interval_seconds=0), False, True),
        (Cpu(limit=100000, action="Throttle"), False, False),  # all of the machine is no limit
    ],
)
def test_which_actions_count_and_which_slow_down(cpu: Cpu, counted: bool, slowed: bool) -> None:
    """No limit, no look at all."""
    assert (is_counted(cpu), is_slowed(cpu)) == (counted, slowed)


def test_throttle_slows_always_and_throttle_under_load_when_others_want_the_processors() -> None:
    """No processor is idle, and somebody else is busy too. Once slowed down, a pool stays so for ten seconds."""
    always, under_load = Cpu(limit=1000, action="Throttle"), Cpu(limit=1000, action="ThrottleUnderLoad")
    assert must_slow(always, None, slowed_since=None, now=0.0)
    cases = [
        (None, False),
        (Load(idle=0.5, others=0.4), False),
        (Load(idle=0.0, others=0.0), False),  # the pool competes only with itself
        (Load(idle=0.01, others=0.5), True),
    ]
    for load, expected in cases:
        assert must_slow(under_load, load, slowed_since=None, now=100.0) is expected
    assert must_slow(under_load, Load(0.6, 0.1), slowed_since=95.0, now=100.0)
    assert not must_slow(under_load, Load(0.6, 0.1), slowed_since=90.0, now=100.0)
    assert not must_slow(Cpu(), Load(0.0, 1.0), slowed_since=99.0, now=100.0)


def test_workers_share_what_programs_leave() -> None:
    """In equal parts, and never nothing: a worker without any time would answer no ping."""
    assert worker_share(2.0, 0.0, 2) == 1.0
    assert worker_share(2.0, 0.5, 3) == 0.5
    assert worker_share(2.0, 5.0, 2) == 0.01
    assert worker_share(2.0, 0.0, 0) == 2.0
