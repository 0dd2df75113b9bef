"""A request's body as a program's standard input."""

from __future__ import annotations

import asyncio
import os
import resource
import stat
from collections.abc import Awaitable, Callable

import pytest

from host.api import ClientGone
from host.programs.request_input import PIPE_BYTES, SPOOL_BYTES, WIDE_BYTES, RequestInput, filled_pipe
from host.worker.request_body import Handing, StreamedBody
from tests.extensions.requests import open_descriptors
from tests.gateway.sample_request import PieceBody


def run(work: Callable[[], Awaitable[None]]) -> None:
    """In a loop; no descriptor may be left."""

    async def main() -> None:
        before = open_descriptors()
        await work()
        assert open_descriptors() <= before  # garbage of an earlier test may go meanwhile

    asyncio.run(main())


async def opened(pieces: list[bytes], length: int | None, *, announces_length: bool = True) -> RequestInput:
    source = RequestInput(PieceBody(pieces, length))
    await source.open(announces_length=announces_length)
    return source


@pytest.mark.parametrize(("announces_length", "expected"), [(True, 0), (False, None)])
def test_no_body_is_the_null_device(announces_length: bool, expected: int | None) -> None:
    """Its length is told only when the client told it."""

    async def work() -> None:
        source = await opened([], 0, announces_length=announces_length)
        assert (source.length, source.needs_feeding, os.read(source.descriptor, 10)) == (expected, False, b"")
        source.close()

    run(work)


def test_small_body_is_complete_before_the_program_starts() -> None:
    """It lies in the pipe, and the end of the file behind it: nobody needs to feed."""

    async def work() -> None:
        source = await opened([b"ab", b"c"], 3)
        assert (source.length, source.needs_feeding) == (3, False)
        assert os.read(source.descriptor, 10) + os.read(source.descriptor, 10) == b"abc"
        source.close_descriptor()
        source.close()

    run(work)


@pytest.mark.parametrize("size", [3, PIPE_BYTES, PIPE_BYTES + 1])
def test_a_whole_body_can_be_read_to_its_end(size: int) -> None:
    """From a pipe that holds it; or from a file, where the pipe is too small for it."""

    async def work() -> None:
        with open(filled_pipe(b"x" * size), "rb") as stdin:
            assert stat.S_ISFIFO(os.fstat(stdin.fileno()).st_mode) == (size <= PIPE_BYTES)
            assert len(stdin.read()) == size

    run(work)


def test_the_pipe_of_a_large_body_holds_it() -> None:
    """Up to a megabyte: what has come is fed before the program has read a byte."""
    size = PIPE_BYTES * 4

    async def work() -> None:
        source = await opened([b"x" * PIPE_BYTES] * 4, size)
        await asyncio.wait_for(source.feed(), 90)
        assert len(os.read(source.descriptor, 2 * size)) == size
        assert os.read(source.descriptor, 1) == b""
        source.close_descriptor()

    run(work)


def test_large_body_is_fed_as_the_program_reads() -> None:
    """More than a pipe holds."""
    size = WIDE_BYTES + PIPE_BYTES

    async def work() -> None:
        source = await opened([b"x" * 100000] * 3 + [b"x" * (size - 300000)], size)
        reader = os.dup(source.descriptor)
        source.close_descriptor()
        assert source.needs_feeding
        feeding = asyncio.ensure_future(source.feed())
        count = 0
        while data := await asyncio.to_thread(os.read, reader, 1 << 20):
            count += len(data)
        await feeding
        os.close(reader)
        assert count == size
        assert not source.needs_feeding

    run(work)


def test_closed_input_swallows_the_rest() -> None:
    """The program reads no more; the client's body is still taken."""

    async def work() -> None:
        body = PieceBody([b"x" * PIPE_BYTES] * 20, PIPE_BYTES * 20)
        source = RequestInput(body)
        await source.open(announces_length=True)
        source.close_descriptor()
        await source.feed()
        assert body.bytes_read == PIPE_BYTES * 20

    run(work)


def test_feeding_can_be_stopped_while_it_waits() -> None:
    """The answer is complete and the program has not read: closed first, cancelled then, in either order."""

    async def work() -> None:
        for closes_first in (True, False):
            source = await opened([b"x" * PIPE_BYTES] * 20, PIPE_BYTES * 20)
            feeding = asyncio.ensure_future(source.feed())
            await asyncio.sleep(0)
            if closes_first:
                source.close()
            feeding.cancel()
            with pytest.raises(asyncio.CancelledError):
                await feeding
            source.close()

    run(work)


@pytest.mark.parametrize("size", [0, 10, SPOOL_BYTES, SPOOL_BYTES + 1, 1_000_000])
def test_chunked_body_becomes_a_file_of_known_length(size: int) -> None:
    """In memory or without a name on disk; it can be read twice."""

    async def work() -> None:
        data = os.urandom(size)
        source = await opened([data[start : start + 70000] for start in range(0, size, 70000)], None)
        assert (source.length, source.needs_feeding) == (size, False)
        status = os.fstat(source.descriptor)
        assert stat.S_ISREG(status.st_mode)
        assert status.st_nlink == 0
        for _ in range(2):
            os.lseek(source.descriptor, 0, os.SEEK_SET)
            assert os.read(source.descriptor, size + 1) == data
        source.close()

    run(work)


class LeavingBody(PieceBody):
    """A client that leaves in the middle."""

    async def read_some(self) -> bytes:
        return self.read_some_blocking() or self._left()

    def _left(self) -> bytes:
        raise ClientGone


def test_client_that_leaves_is_told() -> None:
    """While it is collected, and while it is fed."""

    async def work() -> None:
        source = RequestInput(LeavingBody([b"x"], None))
        with pytest.raises(ClientGone):
            await source.open(announces_length=False)
        source.close()
        source = RequestInput(LeavingBody([b"x" * 1000], PIPE_BYTES + 1))
        await source.open(announces_length=True)
        with pytest.raises(ClientGone):
            await source.feed()
        source.close()

    run(work)


class HeldBody(StreamedBody):
    """A body over a link whose front agrees to hold it at once; `pipes` are what it is handed."""

    def __init__(self, first: bytes, length: int) -> None:
        self.pipes: list[int] = []
        self.is_handed = asyncio.Event()
        super().__init__(
            asyncio.get_running_loop(),
            first,
            length,
            lambda count: None,
            handing=Handing(self.hold, self._hand),
        )

    def _hand(self, pipe: int) -> None:
        self.pipes.append(pipe)
        self.is_handed.set()


def test_the_rest_of_a_held_body_goes_past() -> None:
    """What had come is in the pipe first; the program sees the end when the front and this process have let go."""

    async def work() -> None:
        body = HeldBody(b"a" * 100000, 1_000_000)
        source = RequestInput(body)
        await source.open(announces_length=True)
        feeding = asyncio.ensure_future(source.feed())
        await body.is_handed.wait()
        (pipe,) = body.pipes
        seen = [source.awaits_client]
        body.waits(for_client=False)
        seen.append(source.awaits_client)
        assert (seen, source.took_at) == ([True, False], body.passed_at)
        os.write(pipe, b"b" * 1000)
        os.close(pipe)
        body.complete()
        await feeding
        with open(source.descriptor, "rb") as program:
            assert program.read() == b"a" * 100000 + b"b" * 1000
        source.descriptor = -1
        assert not source.needs_feeding

    run(work)


def test_a_program_that_reads_nothing_does_not_keep_a_held_body_waiting() -> None:
    """Its pipe is handed over all the same: the front learns there that nobody reads, and drops the rest."""

    async def work() -> None:
        body = HeldBody(b"a" * 100000, 1_000_000)
        source = RequestInput(body)
        await source.open(announces_length=True)
        source.close_descriptor()
        feeding = asyncio.ensure_future(source.feed())
        await body.is_handed.wait()
        with pytest.raises(BrokenPipeError):
            os.write(body.pipes[0], b"b")
        os.close(body.pipes[0])
        body.complete()
        await feeding

    run(work)


def test_a_held_body_comes_whole_also_when_no_descriptor_is_left() -> None:
    """Then the front gets the only writer that there is, and the program does not see an end too early."""

    async def work() -> None:
        body = HeldBody(b"a" * 100000, 1_000_000)
        source = RequestInput(body)
        await source.open(announces_length=True)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest = os.dup(source.descriptor)
        os.close(lowest)
        feeding = asyncio.ensure_future(source.feed())
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
        try:
            await body.is_handed.wait()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.write(body.pipes[0], b"b" * 1000)
        os.close(body.pipes[0])
        body.complete()
        await feeding
        with open(source.descriptor, "rb") as program:
            assert program.read() == b"a" * 100000 + b"b" * 1000
        source.descriptor = -1

    run(work)
