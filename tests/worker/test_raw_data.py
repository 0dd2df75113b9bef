"""Filters that see bytes before they are parsed."""

from __future__ import annotations

import asyncio
from typing import Any

from host.api import Connection, FilterStatus, RawData
from host.worker.calling import HookCaller
from host.worker.connection_facts import connection_of
from host.worker.hooks import INLINE, Hook
from host.worker.raw_data import see_raw_data
from host.worker.thread_pool import ThreadPool
from tests.worker.front import run

FACTS = b"::1\x0050000\x00::1\x00443\x009"


def test_filters_change_bytes_in_order_until_one_handles_them() -> None:
    """Each sees what the one before left; HANDLED_NOTIFICATION ends the round; a Response is an error."""
    told: list[str] = []

    def add(text: bytes, answer: Any = None) -> Hook:
        def on_read_raw_data(connection: Connection, data: RawData) -> Any:
            data.data += text
            return answer

        return Hook(on_read_raw_data, INLINE, "adds", "on_read_raw_data")

    async def main() -> None:
        pool = ThreadPool(asyncio.get_running_loop(), 1)
        caller = HookCaller(pool, lambda event, text, fields=None: told.append(text))
        handled = FilterStatus.HANDLED_NOTIFICATION
        hooks = [add(b"1"), add(b"2", "nonsense"), add(b"3", handled), add(b"4")]
        assert see_raw_data(hooks, FACTS, b"0", caller) == b"013"
        assert "must not return a str" in told[0]

    run(main())


def test_the_connection_is_read_from_the_fronts_facts() -> None:
    """Addresses as text, ports and number as numbers."""
    assert connection_of(FACTS, is_secure=True) == Connection("::1", 50000, "::1", 443, 9, True)
