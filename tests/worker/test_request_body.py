"""Reading a request's body: whole or in pieces, on the loop or on a thread."""

from __future__ import annotations

import asyncio

import pytest

from host.api import BodyTooLarge, ClientGone, HttpError
from host.wire.errors import WireError
from host.wire.frames import BODY_GRANT_STEP, INITIAL_BODY_WINDOW
from host.worker.request_body import Handing, StreamedBody
from host.worker.thread_pool import ThreadPool
from tests.worker.front import CLOSERS, run, until


def streamed(
    grants: list[int], *, first: bytes = b"", length: int | None = None, expects_continue: bool = False
) -> StreamedBody:
    loop = asyncio.get_running_loop()
    return StreamedBody(loop, first, length, grants.append, expects_continue=expects_continue)


def test_pieces_are_read_as_they_come() -> None:
    """A reader waits for the next piece and sees the end."""

    async def main() -> None:
        body = streamed([], first=b"one")
        assert await body.read_some() == b"one"
        reader = asyncio.ensure_future(body.read_some())
        await asyncio.sleep(0)
        body.receive(b"two")
        assert await reader == b"two"
        rest = asyncio.ensure_future(body.read())
        for piece in (b"a", b"", b"b"):
            body.receive(piece)
            await asyncio.sleep(0)
        assert not body.is_at_end
        body.complete()
        assert await rest == b"ab"
        assert body.is_at_end

    run(main())


def test_what_was_read_is_granted_in_steps() -> None:
    """A quarter of the window at a time, and nothing after the end."""

    async def main() -> None:
        grants: list[int] = []
        body = streamed(grants)
        for _ in range(4):
            body.receive(b"x" * (BODY_GRANT_STEP // 2))
        for _ in range(3):
            await body.read_some()
        assert grants == [BODY_GRANT_STEP]
        body.complete()
        await body.read()
        assert grants == [BODY_GRANT_STEP]
        with pytest.raises(WireError):
            streamed([]).receive(b"x" * (INITIAL_BODY_WINDOW + 1))

    run(main())


def test_a_thread_reads_the_same_body() -> None:
    """Blocking reads wait for pieces that the loop delivers, and their grants are made on the loop."""

    async def main() -> None:
        pool = ThreadPool(asyncio.get_running_loop(), 2)
        CLOSERS.append(pool.close)
        grants: list[int] = []
        body = streamed(grants, expects_continue=True)
        reader = asyncio.ensure_future(pool.run(body.read_blocking))
        await until(lambda: grants)  # it asks the client to go on
        for _ in range(8):
            body.receive(b"y" * (BODY_GRANT_STEP // 4))
            await asyncio.sleep(0)
        body.complete()
        assert len(await reader) == 2 * BODY_GRANT_STEP
        await asyncio.sleep(0)
        assert grants[0] == 0

    run(main())


def test_a_limit_holds_for_announced_and_for_chunked_bodies() -> None:
    """413 before anything is read when the length is known, otherwise when it is passed."""

    async def main() -> None:
        with pytest.raises(BodyTooLarge):
            await streamed([], length=11).read(10)
        body = streamed([], first=b"123456")
        body.receive(b"789012")
        with pytest.raises(BodyTooLarge) as refused:
            await body.read(10)
        assert refused.value.status == 413
        blocking = streamed([], first=b"123456")
        blocking.complete()
        with pytest.raises(BodyTooLarge):
            blocking.read_blocking(5)

    run(main())


def test_a_waiting_reader_learns_that_the_client_left() -> None:
    """ClientGone, also for a reader that already waits and for pieces not yet read."""

    async def main() -> None:
        body = streamed([])
        reader = asyncio.ensure_future(body.read())
        await asyncio.sleep(0)
        body.client_left()
        with pytest.raises(ClientGone):
            await reader
        late = streamed([], first=b"here")
        late.client_left()
        with pytest.raises(ClientGone):
            late.read_some_blocking()

    run(main())


def test_a_filter_may_limit_what_nobody_has_announced() -> None:
    """Its refusal is raised by the read that passes the limit, also on a thread; up to it nothing happens."""
    refusal = HttpError(404, 13, "too large")

    async def main() -> None:
        body = streamed([], first=b"1234")
        body.refuse_above(6, refusal)
        body.receive(b"56")
        assert await body.read_some() + await body.read_some() == b"123456"
        body.receive(b"7")
        body.complete()
        for _ in range(2):
            with pytest.raises(HttpError) as refused:
                await body.read()
            assert refused.value is refusal
            body.receive(b"8")
        blocking = streamed([], first=b"1234567")
        blocking.refuse_above(6, refusal)
        with pytest.raises(HttpError):
            blocking.read_blocking()

    run(main())


def test_a_body_that_is_held_ends_for_its_reader_and_goes_past_it() -> None:
    """What had come is read, then nothing more; whoever handed over the pipe hears of the end."""

    async def main() -> None:
        loop, said, pipes = asyncio.get_running_loop(), list[str](), list[int]()
        handing = Handing(lambda: said.append("hold"), pipes.append)
        body = StreamedBody(loop, b"one", 1_000_000, lambda count: None, handing=handing)
        body.ask_to_hold()
        body.ask_to_hold()
        assert said == ["hold"]
        assert await body.read_some() == b"one"
        reader = asyncio.ensure_future(body.read_some())
        body.receive(b"two")
        assert await reader == b"two"
        reader = asyncio.ensure_future(body.read_some())
        await asyncio.sleep(0)
        body.hold()
        assert await reader == b""
        with pytest.raises(WireError, match="holds"):
            body.receive(b"three")
        body.hand_over(17)
        assert pipes == [17]
        assert body.awaits_client
        body.waits(for_client=False)
        assert (body.awaits_client, body.passed_at > 0) == (False, True)
        passed = asyncio.ensure_future(body.passed())
        await asyncio.sleep(0)
        assert not passed.done()
        body.complete()
        await passed

    run(main())


def test_nobody_is_asked_to_hold_what_is_short_refused_or_here() -> None:
    """And one who says that it holds all the same breaks the dialogue."""

    async def main() -> None:
        loop, said = asyncio.get_running_loop(), list[str]()
        handing = Handing(lambda: said.append("hold"), lambda pipe: None)
        for length in (None, 1000, 1_000_000):
            body = StreamedBody(loop, b"", length, lambda count: None, handing=handing)
            if length == 1_000_000:
                body.refuse_above(999_999, HttpError(413, 0, "too long"))
            body.ask_to_hold()
            with pytest.raises(WireError, match="was to send"):
                body.hold()
        body = StreamedBody(loop, b"", 1_000_000, lambda count: None, handing=handing)
        body.complete()
        body.ask_to_hold()
        assert not said

    run(main())


def test_a_client_that_leaves_is_heard_of_behind_the_pipe() -> None:
    """ClientGone, as for a reader."""

    async def main() -> None:
        handing = Handing(lambda: None, lambda pipe: None)
        body = StreamedBody(asyncio.get_running_loop(), b"", 1_000_000, lambda count: None, handing=handing)
        body.ask_to_hold()
        body.hold()
        passed = asyncio.ensure_future(body.passed())
        await asyncio.sleep(0)
        body.client_left()
        with pytest.raises(ClientGone):
            await passed

    run(main())
