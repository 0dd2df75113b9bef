"""Who may send now where bandwidth is limited: the connections of a limited site wait in its lane, each for a portion.

One timer serves all lanes, and runs only while somebody waits. A listener without limits has no lane, and its
connections know nothing of this.
"""

from __future__ import annotations

import asyncio
import enum
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from host.listener.bandwidth import UNLIMITED, Account

LOOK_SECONDS: Final = 0.05
_LARGEST_PORTION: Final = 64 * 1024  # of a lane whose limits have gone


class Outcome(enum.Enum):
    """What became of a turn."""

    DONE = "nothing is left to send"
    MORE = "a portion was sent, and more is there"
    STUCK = "the client takes nothing now"


Turn = Callable[[], Outcome]


class Lane:
    """What the connections of one site share: the accounts that they spend from, and who waits."""

    __slots__ = ("_accounts", "_now", "_start", "_stuck", "_waiting", "portion")

    def __init__(self, now: Callable[[], float], start: Callable[[float], None]) -> None:
        """`start(seconds)` sees to it that turns are given, from then on."""
        self._now = now
        self._start = start
        self._accounts: tuple[Account, ...] = ()
        self._waiting: deque[Turn] = deque()
        self._stuck: list[Turn] = []
        self.portion = _LARGEST_PORTION  # bytes that may be sent at once

    def spend_from(self, accounts: tuple[Account, ...]) -> None:
        """These limits count from now on; none: everything may go."""
        self._accounts = accounts
        self.portion = min((account.portion for account in accounts), default=_LARGEST_PORTION)

    @property
    def is_limited(self) -> bool:
        """Whether there is anything to spend."""
        return bool(self._accounts)

    @property
    def has_waiters(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waiting or self._stuck)

    @property
    def is_open(self) -> bool:
        """Whether a portion may be sent now by somebody who has not waited."""
        return not self._waiting and self._has_credit()

    def spend(self, count: int) -> None:
        """So many bytes were sent."""
        for account in self._accounts:
            account.spend(count)

    def wait(self, turn: Turn) -> None:
        """Call `turn`, behind those that wait already, whenever a portion may be sent, until it is DONE."""
        self._start(0.0 if self.is_open else LOOK_SECONDS)
        self._waiting.append(turn)

    def leave(self, turn: Turn) -> None:
        """Whoever waits with `turn` does not any more."""
        for waiting in (self._waiting, self._stuck):
            if turn in waiting:
                waiting.remove(turn)

    def give_turn(self) -> bool:
        """Let one of those that wait send a portion; false when nobody can."""
        waiting = self._waiting
        while waiting and self._has_credit():
            turn = waiting.popleft()
            outcome = turn()
            if outcome is Outcome.STUCK:
                self._stuck.append(turn)
                continue
            if outcome is Outcome.MORE:
                waiting.append(turn)
            return True
        return False

    def try_again(self) -> None:
        """The clients that took nothing at this look are asked again at the next one."""
        self._waiting.extend(self._stuck)
        self._stuck.clear()

    def _has_credit(self) -> bool:
        now = self._now()
        return all(account.has_credit(now) for account in self._accounts)


class Pacing:
    """The lanes of one listener. `now` is the clock."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now: Callable[[], float]) -> None:
        self._loop = loop
        self._now = now
        self._all_sites: Account | None = None
        self._sites: dict[int, Account] = {}
        self._lanes: dict[int, Lane] = {}  # of every site that ever had a limit: connections may still be in them
        self._limits: tuple[int, Mapping[int, int]] = (UNLIMITED, {})
        self._is_looking = False
        self._looks = 0

    def configure(self, all_sites: int, by_site: Mapping[int, int]) -> bool:
        """The limits in force, bytes per second: of all sites together, and of each site by its id. Whether they
        are other ones, so that connections must ask for their lane again (`lane_of`)."""
        if self._limits == (all_sites, by_site):
            return False
        self._limits = (all_sites, by_site)
        now, old = self._now(), self._sites
        self._all_sites = _follow(self._all_sites, all_sites, now)
        followed = {site_id: _follow(old.get(site_id), rate, now) for site_id, rate in by_site.items()}
        self._sites = {site_id: account for site_id, account in followed.items() if account is not None}
        for site_id in by_site.keys() | self._lanes.keys():
            limits = (self._sites.get(site_id), self._all_sites if site_id in by_site else None)
            accounts = tuple(account for account in limits if account is not None)
            if accounts and site_id not in self._lanes:
                self._lanes[site_id] = Lane(self._now, self._start)
            if site_id in self._lanes:
                self._lanes[site_id].spend_from(accounts)
        return True

    def lane_of(self, site_id: int) -> Lane | None:
        """Where that site's connections wait; None: nothing limits them."""
        lane = self._lanes.get(site_id)
        return lane if lane is not None and lane.is_limited else None

    def _start(self, seconds: float) -> None:
        if not self._is_looking:
            self._is_looking = True
            self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        """A portion for each lane in turn, with another one first each time, as long as the accounts have credit."""
        lanes = deque(lane for lane in self._lanes.values() if lane.has_waiters)
        lanes.rotate(-self._looks)
        self._looks += 1
        while lanes:
            lane = lanes.popleft()
            if lane.give_turn():
                lanes.append(lane)
        self._is_looking = False
        is_anybody_waiting = False
        for lane in self._lanes.values():
            lane.try_again()
            is_anybody_waiting = is_anybody_waiting or lane.has_waiters
        if is_anybody_waiting:
            self._start(LOOK_SECONDS)


def _follow(account: Account | None, rate: int, now: float) -> Account | None:
    """The account of a limit that may be new, another one, or none any more."""
    if rate >= UNLIMITED:
        return None
    if account is None:
        return Account(rate, now)
    account.rate = rate
    return account
