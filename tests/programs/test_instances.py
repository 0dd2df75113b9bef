"""maxInstances: how many programs run at once, and the line of those that wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from host.api import HttpError
from host.config.cgi_settings import ProgramInstances
from host.programs.instances import Instances

TWO = ProgramInstances(most=2, queue_length=2, where="a")
Leave = Callable[[], None]


async def waiting(instances: Instances, rule: ProgramInstances = TWO) -> asyncio.Task[Leave]:
    """A request that stands in line."""
    task = asyncio.ensure_future(instances.enter(rule))
    await asyncio.sleep(0)
    assert not task.done()
    return task


def test_one_after_the_other_in_the_order_of_asking() -> None:
    """A place that becomes free is the next one's; leaving twice is leaving once."""

    async def work() -> None:
        instances = Instances()
        first, second = await instances.enter(TWO), await instances.enter(TWO)
        third, fourth = await waiting(instances), await waiting(instances)
        first()
        first()
        await asyncio.sleep(0)
        assert third.done()
        assert not fourth.done()
        second()
        for leave in (await third, await fourth):
            leave()

    asyncio.run(work())


def test_a_full_line_is_refused() -> None:
    """503.4 with the two numbers; a queueLength of 0 lets nobody wait."""

    async def work() -> None:
        instances = Instances()
        rule = ProgramInstances(most=1, queue_length=0, where="b")
        await instances.enter(rule)
        with pytest.raises(HttpError, match=r"1 programs run, and 0 requests wait") as found:
            await instances.enter(rule)
        assert (found.value.status, found.value.substatus) == (503, 4)

    asyncio.run(work())


def test_who_leaves_the_line_leaves_its_place_to_others() -> None:
    """Cancelled while it waits, and cancelled in the moment in which its place came."""

    async def work() -> None:
        instances = Instances()
        rule = ProgramInstances(most=1, queue_length=3, where="c")
        leave = await instances.enter(rule)
        gone, lucky, last = [await waiting(instances, rule) for _ in range(3)]
        gone.cancel()
        await asyncio.sleep(0)
        leave()
        lucky.cancel()  # it has been given the place and does not know yet
        leave_last = await asyncio.wait_for(last, 30)
        assert gone.cancelled()
        assert lucky.cancelled()
        leave_last()

    asyncio.run(work())


def test_each_rule_counts_for_itself() -> None:
    """What stands at another place of the configuration is another line; a raised limit lets more in."""

    async def work() -> None:
        instances = Instances()
        one = ProgramInstances(most=1, where="d")
        other = ProgramInstances(most=1, where="e")
        leave = await instances.enter(one)
        (await instances.enter(other))()
        waits = await waiting(instances, one)
        raised = await instances.enter(ProgramInstances(most=2, where="d"))
        raised()
        leave()
        (await waits)()

    asyncio.run(work())
