"""Filters that see bytes before they are parsed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from host.api import Connection, FilterContext, FilterStatus, HttpError, RawData, Response
from host.worker.calling import HookCaller
from host.worker.connection_facts import connection_of
from host.worker.filter_context import with_contexts
from host.worker.hooks import INLINE, Hook
from host.worker.raw_data import MOST_HELD_BYTES, RawDataFilters, RawVerdict
from host.worker.thread_pool import ThreadPool
from tests.worker.front import run

FACTS = b"::1\x0050000\x00::1\x00443\x009"
Function = Callable[..., Any]


def see(functions: Sequence[Function], *pieces: bytes) -> tuple[list[RawVerdict], list[str]]:
    """What becomes of pieces that come one after the other on one connection, and the events."""
    told: list[str] = []

    async def main() -> list[RawVerdict]:
        pool = ThreadPool(asyncio.get_running_loop(), 1)
        filters = RawDataFilters(HookCaller(pool, lambda event, text, fields=None: told.append(text)))
        hooks = []
        for function in functions:
            takes_context = function.__code__.co_argcount == 3
            hook = Hook(function, INLINE, function.__name__, "on_read_raw_data", takes_context)
            hooks.append(with_contexts({"on_read_raw_data": hook}, function.__name__)["on_read_raw_data"])
        filters.hooks = tuple(hooks)
        connection = connection_of(FACTS, is_secure=False)
        verdicts = [filters.see(connection, piece) for piece in pieces]
        pool.close()
        return verdicts

    return run(main()), told


def add(text: bytes, answer: Any = None) -> Function:
    """A filter that appends."""

    def adds(connection: Connection, data: RawData) -> Any:
        data.data += text
        return answer

    return adds


def test_filters_change_bytes_in_order_until_one_handles_them() -> None:
    """Each sees what the one before left; HANDLED_NOTIFICATION ends the round."""
    filters = [add(b"1"), add(b"2", FilterStatus.HANDLED_NOTIFICATION), add(b"3")]
    assert see(filters, b"0") == ([RawVerdict(b"012")], [])


def test_a_filter_that_reads_on_is_called_with_everything_it_has_kept() -> None:
    """READ_NEXT: nothing is passed on until it says so; the filters before it are not asked again."""
    seen: list[bytes] = []

    def first(connection: Connection, data: RawData) -> None:
        seen.append(data.data)

    def until_newline(connection: Connection, data: RawData) -> FilterStatus | None:
        return None if data.data.endswith(b"\n") else FilterStatus.READ_NEXT

    verdicts, told = see([first, until_newline, add(b"!")], b"a", b"b", b"c\n", b"d\n")
    assert [verdict.data for verdict in verdicts] == [b"", b"", b"abc\n!", b"d\n!"]
    assert seen == [b"a", b"b", b"c\n", b"d\n"]
    assert told == []


def test_the_next_read_is_as_large_as_the_filter_asks() -> None:
    """SET_NEXT_READ_SIZE bounds the new bytes of the next call; the call after that gets whatever has come."""
    seen: list[bytes] = []

    def frames(connection: Connection, data: RawData, filter_context: FilterContext) -> FilterStatus | None:
        seen.append(data.data)
        if len(data.data) < 4:
            filter_context.set_next_read_size(4 - len(data.data))
            return FilterStatus.READ_NEXT
        return None

    verdicts, _ = see([frames], b"ab", b"cdefgh", b"i")
    assert seen == [b"ab", b"abcd", b"efgh", b"i"]
    assert [verdict.data for verdict in verdicts] == [b"", b"abcdefgh", b""]


def test_what_one_filter_may_keep_is_bounded() -> None:
    """A client must not fill the memory through a filter that always reads on."""
    verdicts, told = see([lambda connection, data: FilterStatus.READ_NEXT], b"x" * MOST_HELD_BYTES, b"y")
    assert [(verdict.is_end, verdict.data) for verdict in verdicts] == [(False, b""), (True, b"")]
    assert "bytes kept by READ_NEXT" in verdicts[1].error
    assert "bytes kept by READ_NEXT" in told[0]


def test_a_filter_answers_or_ends_the_connection_by_itself() -> None:
    """WriteClient goes to the client; FINISHED ends the connection, with KEEP_CONNECTION the bytes alone are gone."""

    def answers(connection: Connection, data: RawData, filter_context: FilterContext) -> FilterStatus | None:
        filter_context.write_client(b"said: " + data.data)
        return {b"end": FilterStatus.FINISHED, b"mine": FilterStatus.FINISHED_KEEP_CONNECTION}.get(data.data)

    verdicts, told = see([answers, add(b"!")], b"pass", b"mine", b"end")
    assert verdicts == [
        RawVerdict(b"pass!", b"said: pass"),
        RawVerdict(b"", b"said: mine"),
        RawVerdict(b"", b"said: end", is_end=True),
    ]
    assert told == []


def raises(error: BaseException) -> Function:
    def broken(connection: Connection, data: RawData) -> None:
        raise error

    return broken


def spoils(connection: Connection, data: RawData) -> None:
    data.data = "text"  # type: ignore[assignment]


def fails(connection: Connection, data: RawData, filter_context: FilterContext) -> FilterStatus:
    filter_context.last_error = 13
    return FilterStatus.ERROR


@pytest.mark.parametrize(
    ("misbehaves", "cause"),
    [
        (raises(LookupError("no")), "broken.on_read_raw_data raised LookupError: no"),
        (raises(SystemExit(3)), "broken.on_read_raw_data raised SystemExit: 3"),
        (raises(HttpError(403, 0, "go away")), "go away"),
        (spoils, "RawData.data must stay bytes, not str"),
        (add(b"", "text"), "must not return a str"),
        (add(b"", Response()), "must not return a Response"),
        (fails, "fails.on_read_raw_data reported an error: Windows error 13"),
    ],
)
def test_a_filter_that_fails_ends_its_connection_and_is_named(misbehaves: Function, cause: str) -> None:
    """Nothing of it is parsed: a filter that was to guard the server must not be passed by because it fails."""
    verdicts, told = see([misbehaves, add(b"!")], b"data")
    [verdict] = verdicts
    assert (verdict.data, verdict.is_end) == (b"", True)
    assert cause in verdict.error
    assert cause in told[0]


def test_each_connection_has_its_own_state() -> None:
    """What was kept of one is not given to another."""

    async def main() -> None:
        filters = RawDataFilters(HookCaller(ThreadPool(asyncio.get_running_loop(), 1), lambda *_: None))
        filters.hooks = (
            Hook(lambda c, d: FilterStatus.READ_NEXT if d.data == b"a" else None, INLINE, "x", "on_read_raw_data"),
        )
        one, two = connection_of(FACTS, is_secure=False), connection_of(FACTS, is_secure=False)
        assert filters.see(one, b"a").data == b""
        assert filters.see(two, b"b").data == b"b"
        assert filters.see(one, b"b").data == b"ab"

    run(main())


def test_the_connection_is_read_from_the_fronts_facts() -> None:
    """Addresses as text, ports and number as numbers."""
    assert connection_of(FACTS, is_secure=True) == Connection("::1", 50000, "::1", 443, 9, True)
