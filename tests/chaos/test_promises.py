"""What excuses a failure, and what does not: the judge itself, case by case."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.client import Failure
from tests.chaos.promises import Disturbance, Strike, excuse, judge
from tests.chaos.rhythm import EVERY_SECONDS, IIS5_KILLS, WORKER_KILLS, Calendar, short_mix

CUT = Failure(
    kind="page",
    number=1,
    error="closed in the middle",
    connected=5.0,
    began=10.0,
    ended=12.0,
    reused=True,
    received=300,
    status=200,
)
REFUSED = dataclasses.replace(CUT, error="status 502", status=502)
UPLOAD_REFUSED = dataclasses.replace(REFUSED, kind="upload")
DROPPED = dataclasses.replace(CUT, error="closed", received=0, status=0)
WRONG = dataclasses.replace(CUT, error="wrong content")


def strike(what: Disturbance, began: float = 11.0, ended: float = 11.1) -> Strike:
    """One that meets the request in hand, unless said otherwise."""
    return Strike(what, began, ended)


@pytest.mark.parametrize(
    ("failure", "strikes", "is_excused"),
    [
        (CUT, [strike(Disturbance.KILL_WORKER)], True),
        (CUT, [strike(Disturbance.STOP_WORKER)], True),
        (CUT, [strike(Disturbance.KILL_WORKER, 12.5, 12.6)], False),  # it had failed before
        (CUT, [strike(Disturbance.KILL_WORKER, 9.0, 9.5)], False),  # that worker never had it
        (DROPPED, [strike(Disturbance.KILL_WORKER)], False),  # the listener lives, and must say 502
        (REFUSED, [strike(Disturbance.KILL_WORKER)], False),  # a GET has a second try
        (REFUSED, [strike(Disturbance.KILL_WORKER), strike(Disturbance.KILL_WORKER, 11.5, 11.6)], True),
        (REFUSED, [strike(Disturbance.STOP_WORKER), strike(Disturbance.KILL_WORKER, 11.5, 11.6)], True),
        (REFUSED, [strike(Disturbance.STOP_WORKER), strike(Disturbance.KILL_DLLHOST, 11.5, 11.6)], False),
        (UPLOAD_REFUSED, [strike(Disturbance.KILL_WORKER)], True),
        (dataclasses.replace(REFUSED, kind="put"), [strike(Disturbance.KILL_WORKER)], False),
        (dataclasses.replace(REFUSED, kind="put"), [strike(Disturbance.KILL_DLLHOST)], True),
        (dataclasses.replace(UPLOAD_REFUSED, status=503, error="status 503"), [strike(Disturbance.KILL_WORKER)], False),
        (WRONG, [strike(Disturbance.KILL_WORKER), strike(Disturbance.KILL_LISTENER)], False),
        (DROPPED, [strike(Disturbance.KILL_LISTENER)], True),
        (DROPPED, [strike(Disturbance.KILL_LISTENER, 6.0, 6.1)], True),  # the connection was open then
        (DROPPED, [strike(Disturbance.KILL_LISTENER, 4.0, 4.9)], False),  # the next connect must work
        (dataclasses.replace(DROPPED, error="no whole answer in time"), [], False),
        (dataclasses.replace(DROPPED, error="connect: ConnectionRefusedError"), [strike(Disturbance.KILL_LISTENER)], 0),
        (REFUSED, [strike(Disturbance.KILL_LISTENER)], False),
        (CUT, [strike(Disturbance.KILL_PARENT)], False),  # no CGI program
        (dataclasses.replace(CUT, kind="stream"), [strike(Disturbance.KILL_PARENT)], True),
        (dataclasses.replace(REFUSED, kind="stream"), [strike(Disturbance.KILL_PARENT)], True),
        (dataclasses.replace(DROPPED, kind="stream"), [strike(Disturbance.KILL_PARENT)], False),
        *[
            (failure, [strike(what)], False)
            for failure in (CUT, REFUSED, UPLOAD_REFUSED, DROPPED)
            for what in (*EVERY_SECONDS, Disturbance.STOP_LISTENER)
        ],
    ],
)
def test_a_failure_is_excused_by_what_may_cost_it_only(
    failure: Failure, strikes: list[Strike], is_excused: bool
) -> None:
    """Recycling, changes and switches excuse nothing; a death excuses what it met and cannot be saved."""
    assert bool(excuse(failure, strikes)) is bool(is_excused)


def test_losses_and_excuses_are_counted_apart() -> None:
    """The table's two columns."""
    excused, losses = judge([CUT, DROPPED, CUT], [strike(Disturbance.KILL_WORKER)])
    assert excused == {"page: closed in the middle (kill worker)": 2}
    assert losses == [DROPPED]


def test_every_disturbance_is_used_by_the_long_run() -> None:
    """None is forgotten."""
    assert {*EVERY_SECONDS, *WORKER_KILLS, *IIS5_KILLS} == set(Disturbance)


def test_the_page_names_every_disturbance_in_its_tables() -> None:
    """docs/reliability.md says what each may cost."""
    page = (Path(__file__).resolve().parents[2] / "docs" / "reliability.md").read_text()
    rows = {cells[2].strip() for line in page.splitlines() if len(cells := line.split("|")) == 5}
    assert {what.value for what in Disturbance} <= rows


def test_the_calendar_keeps_its_beat_and_gives_the_same_again_for_a_seed() -> None:
    """Ten minutes of a moved clock in which every disturbance takes no time."""

    def follow(seed: int) -> Counter[Disturbance]:
        rng, now = random.Random(seed), 0.0
        calendar, found = Calendar(rng, now), Counter[Disturbance]()
        while now < 600.0:
            what = calendar.next(now, is_iis5=False)
            if isinstance(what, Disturbance):
                found[what] += 1
            else:
                assert what > 0
                now += what
        return found

    counts = follow(1)
    assert counts == follow(1)
    assert counts != follow(2)
    for what, seconds in EVERY_SECONDS.items():
        assert abs(counts[what] - 600.0 / seconds) <= 2
    assert 120 < sum(counts[what] for what in WORKER_KILLS) < 300


def test_in_iis_5_mode_no_pool_is_recycled() -> None:
    """It has none; its own processes die instead."""
    rng, now, found = random.Random(1), 0.0, set()
    calendar = Calendar(rng, now)
    while now < 120.0:
        what = calendar.next(now, is_iis5=True)
        if isinstance(what, Disturbance):
            found.add(what)
        else:
            now += what
    assert not found & {Disturbance.RECYCLE, Disturbance.RESTART_OTHER_POOL, Disturbance.KILL_WORKER}
    assert {Disturbance.KILL_DLLHOST, Disturbance.KILL_INETINFO} <= found


def test_the_short_mix_ends_in_the_mode_in_which_it_began() -> None:
    """So that what is left over can be counted."""
    assert list(short_mix(random.Random(1))).count(Disturbance.SWITCH_MODE) == 2
