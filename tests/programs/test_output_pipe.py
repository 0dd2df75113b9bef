"""A program's output, read when somebody asks for it."""

from __future__ import annotations

import asyncio
import os

import pytest

from host.programs.output_pipe import PIECE_BYTES, OutputPipe


def test_pieces_then_the_end() -> None:
    """What was written in one go comes in one piece; a closed pipe stays at its end."""

    async def main() -> None:
        ours, theirs = os.pipe()
        pipe = OutputPipe(ours)
        os.write(theirs, b"one")
        assert await pipe.read() == b"one"
        asyncio.get_running_loop().call_soon(os.write, theirs, b"two")
        assert await pipe.read() == b"two"
        os.close(theirs)
        assert await pipe.read() == b""
        assert pipe.is_closed
        assert await pipe.read() == b""

    asyncio.run(main())


def test_patience_has_an_end() -> None:
    """Nothing came in time: None, and the pipe is as good as before."""

    async def main() -> None:
        ours, theirs = os.pipe()
        pipe = OutputPipe(ours)
        assert await pipe.read(0.0) is None
        assert pipe.waits_since is None
        os.write(theirs, b"late")
        assert await pipe.read(0.0) == b"late"
        os.close(theirs)
        pipe.close()

    asyncio.run(main())


def test_reader_is_woken_by_close_and_by_failure() -> None:
    """Somebody else ends the output: the one who waits gets the end, or the reason."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = os.pipe()
        pipe = OutputPipe(ours)
        loop.call_soon(lambda: pipe.close() if pipe.waits_since is not None else None)
        assert await pipe.read() == b""
        os.close(theirs)
        ours, theirs = os.pipe()
        pipe = OutputPipe(ours)
        loop.call_soon(pipe.fail, TimeoutError("told"))
        for _ in range(2):
            with pytest.raises(TimeoutError, match="told"):
                await pipe.read()
        pipe.close()
        with pytest.raises(TimeoutError, match="told"):
            await pipe.read()
        os.close(theirs)

    asyncio.run(main())


def test_discarded_output_never_blocks_the_program() -> None:
    """A megabyte that nobody wants is read and dropped until the end."""

    async def main() -> None:
        ours, theirs = os.pipe()
        pipe = OutputPipe(ours)
        pipe.discard()
        pipe.discard()
        data = b"x" * PIECE_BYTES
        for _ in range(16):
            await asyncio.to_thread(os.write, theirs, data)
        os.close(theirs)
        while not pipe.is_closed:  # noqa: ASYNC110 - the pipe has no event for it
            await asyncio.sleep(0)
        pipe.discard()

    asyncio.run(main())
