"""The account of a paced worker over moved clocks, and the credits that a paced channel hands out."""

from __future__ import annotations

import asyncio

import pytest

from host.api import ApplicationInfo
from host.worker.channel import Channel
from host.worker.exchange import Exchange
from host.worker.pacing import MOST_SAVED_SECONDS, PACED_CREDITS, Account, Pacer
from host.worker.request_task import become_task
from tests.worker.front import CLOSERS, Front, run, until

ROOT = ApplicationInfo(1, "Default Web Site", "/", "/srv/www", "DefaultAppPool")


class PacedBench:
    """A channel of 16 requests that must wait while `overdrawn`, with one front; answers come when `release` is set."""

    def __init__(self) -> None:
        self.overdrawn = False
        self.release = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.channel = Channel(
            loop, self._serve, capacity=16, applications={b"1:/": ROOT}, report_event=lambda _event, _text: None
        )
        self.channel.pace(lambda: self.overdrawn)
        CLOSERS.append(self.channel.close)
        self.front = Front()
        self.channel.attach(self.front.link, self.front.side)

    async def _serve(self, exchange: Exchange) -> None:
        await become_task()
        await self.release.wait()
        exchange.send_complete(0, (200, 0, 0), b"200 OK\r\n", b"done")


def test_a_paced_worker_promises_few_requests_and_none_while_overdrawn() -> None:
    """What has been promised cannot be taken back. Requests that only wait do not keep others out for ever."""

    async def main() -> None:
        bench = PacedBench()
        await bench.front.until(lambda: bench.front.credit == PACED_CREDITS)
        numbers = [bench.front.send() for _ in range(PACED_CREDITS)]
        await until(lambda: bench.channel.requests_in_hand == PACED_CREDITS)
        bench.channel.release_credit()  # as the timer does: those in hand wait, the account is settled
        await bench.front.until(lambda: bench.front.credit == 2 * PACED_CREDITS)
        bench.channel.release_credit()
        bench.overdrawn = True
        bench.release.set()
        answers = [await bench.front.answer(number) for number in numbers]
        assert [answer.credit for answer in answers] == [0] * PACED_CREDITS
        bench.channel.release_credit()
        bench.overdrawn = False
        bench.channel.release_credit()  # as many are out as may be
        assert bench.front.credit == 2 * PACED_CREDITS
        assert (await bench.front.ask()).credit in (0, 1)

    run(main())


def test_a_paced_worker_leaves_none_of_its_fronts_without_a_promise() -> None:
    """Each may send its part, and gets that back when the account is settled, whatever the other one uses."""

    async def main() -> None:
        bench = PacedBench()
        bench.front.close()
        await until(lambda: not bench.channel.link_count)
        fronts = Front(), Front()
        for place, front in enumerate(fronts):
            bench.channel.attach(front.link, front.side, place=place, fronts=2)
            await front.until(lambda front=front: front.credit == PACED_CREDITS // 2)  # type: ignore[misc]
        bench.release.set()
        bench.overdrawn = True
        for _ in range(PACED_CREDITS // 2):
            assert [(await front.ask()).credit for front in fronts] == [0, 0]
        bench.overdrawn = False
        bench.channel.release_credit()
        for front in fronts:
            await front.until(lambda front=front: front.credit == PACED_CREDITS)  # type: ignore[misc]

    run(main())


def test_a_pacer_looks_again_until_the_account_is_settled() -> None:
    """Real clocks: a process that has just burnt time is overdrawn, and is told when it is not any more."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        settled = asyncio.Event()
        pacer = Pacer(loop, settled.set)
        try:
            pacer.set_share(0.001)
            while not pacer.must_wait():
                pass
            settled.clear()
            pacer.set_share(1000.0)  # more than any machine can use: the debt is paid in no time
            await settled.wait()
        finally:
            pacer.close()

    run(main())


def test_an_account_earns_its_share_and_pays_for_what_is_used() -> None:
    """A quarter of a processor: a second of work is paid for after four."""
    account = Account()
    account.set_share(0.25, 100.0, 7.0)
    assert account.balance(100.0, 7.0) == 0.0
    assert account.balance(101.0, 8.0) == -0.75
    assert account.balance(103.0, 8.0) == -0.25
    assert account.balance(104.0, 8.0) == 0.0


def test_little_can_be_saved() -> None:
    """After an idle hour a worker may not burn for minutes."""
    account = Account()
    account.set_share(0.5, 0.0, 0.0)
    assert account.balance(3600.0, 0.0) == MOST_SAVED_SECONDS * 0.5


def test_another_share_counts_from_then_on() -> None:
    """What was earned and used before keeps its price; what was used before the first share is free."""
    account = Account()
    account.set_share(1.0, 0.0, 50.0)
    assert account.balance(0.0, 50.0) == 0.0
    assert account.balance(1.0, 53.0) == -2.0
    account.set_share(0.5, 2.0, 53.0)  # a second at the old share
    assert account.balance(4.0, 53.0) == pytest.approx(0.0)
