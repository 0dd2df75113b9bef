"""minBytesPerSecond over a whole response: whose time counts, with a moved clock."""

from __future__ import annotations

import math

from host.listener.minimum_rate import RateWatch


def test_a_response_has_the_time_that_it_needs_at_that_rate() -> None:
    """Its own bytes count, not those of the connection before it."""
    watch = RateWatch(1000, 50.0)
    assert watch.seconds_left(1000 + 2400, 240, 50.0) == 10.0
    assert watch.seconds_left(1000 + 2400, 240, 60.5) == -0.5
    assert watch.seconds_left(1000 + 4800, 240, 60.0) == 10.0  # more was handed over meanwhile
    assert watch.seconds_left(1000 + 2400, 0, 9000.0) == math.inf


def test_only_time_in_which_the_client_is_waited_for_counts() -> None:
    """Pauses of the worker and of our own limits are not the client's."""
    watch = RateWatch(0, 0.0)
    watch.pause(4.0)
    watch.pause(90.0)
    assert watch.seconds_left(2400, 240, 100.0) == 6.0
    watch.go_on(100.0)
    watch.go_on(101.0)
    assert watch.seconds_left(2400, 240, 105.0) == 1.0
    watch.forgive(105.0)
    assert watch.seconds_left(2400, 240, 107.0) == 4.0
