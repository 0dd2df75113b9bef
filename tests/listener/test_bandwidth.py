"""An account of bytes: it grows with the clock, and says when something may be sent."""

from __future__ import annotations

import pytest

from host.listener.bandwidth import BURST_SECONDS, Account


def test_an_account_is_overdrawn_once_and_paid_by_time() -> None:
    """Whatever is sent at once, the next one waits until it is paid for."""
    account = Account(1000, 0.0)
    assert account.has_credit(0.0)
    account.spend(5000 + int(1000 * BURST_SECONDS))
    assert not account.has_credit(4.9)
    assert not account.has_credit(5.0)
    assert account.has_credit(5.1)


def test_a_quiet_account_saves_little() -> None:
    """An hour of silence is worth BURST_SECONDS; a clock that goes back is worth nothing."""
    account = Account(4000, 0.0)
    assert account.has_credit(3600.0)
    account.spend(int(4000 * BURST_SECONDS))
    assert not account.has_credit(3600.0)
    assert not account.has_credit(10.0)


def test_over_time_no_more_goes_than_the_limit() -> None:
    """A sender that always has something to send, looked at every 50 ms for a minute."""
    account, sent = Account(100_000, 0.0), 0
    for look in range(1200):
        while account.has_credit(look * 0.05):
            account.spend(account.portion)
            sent += account.portion
    assert sent == pytest.approx(60 * 100_000, rel=0.01)


@pytest.mark.parametrize(("rate", "portion"), [(1024, 512), (100_000, 5000), (10**9, 65536)])
def test_portions_follow_the_rate(rate: int, portion: int) -> None:
    """Small enough to take turns, large enough to be worth it."""
    assert Account(rate, 0.0).portion == portion
