"""One call at a time: who waits, and who goes away while waiting."""

from __future__ import annotations

import asyncio

from host.python_apps.turn import Turn


def test_who_waits_has_the_turn_in_the_order_of_coming() -> None:
    """Nobody overtakes; who leaves is passed over, and hands on what came to it at that moment."""

    async def main() -> None:
        turn = Turn(asyncio.get_running_loop())
        order: list[str] = []

        async def call(name: str) -> None:
            await turn.take()
            order.append(name)

        assert turn.take_now()
        tasks = {name: asyncio.create_task(call(name)) for name in "abcd"}
        await asyncio.sleep(0)
        tasks["a"].cancel()
        await asyncio.wait([tasks["a"]])
        turn.give_back()
        assert not turn.take_now()  # it is b's
        tasks["b"].cancel()  # which leaves as it comes
        await asyncio.wait([tasks["b"], tasks["c"]])
        assert order == ["c"]
        turn.give_back()
        await tasks["d"]
        turn.give_back()
        assert turn.take_now()

    asyncio.run(main())
