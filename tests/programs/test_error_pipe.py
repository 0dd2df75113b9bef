"""A program's standard error, drained at all times."""

from __future__ import annotations

import asyncio
import os

from host.programs.error_pipe import ErrorPipe


def test_lines_are_reported_as_they_come() -> None:
    """Without anybody asking; the last one also without a line end."""

    async def main() -> None:
        lines: list[str] = []
        ours, theirs = os.pipe()
        pipe = ErrorPipe(ours, lines.append)
        await asyncio.to_thread(os.write, theirs, b"one\ntwo")
        while not lines:  # noqa: ASYNC110 - the pipe has no event for it
            await asyncio.sleep(0)
        assert lines == ["one"]
        os.close(theirs)
        pipe.drain()
        assert lines == ["one", "two"]
        assert pipe.is_closed
        assert pipe.text.tail == "one\ntwo"
        pipe.drain()
        pipe.close()

    asyncio.run(main())


def test_flood_is_drained_piece_by_piece() -> None:
    """A program that writes a megabyte of errors is never held up."""

    async def main() -> None:
        lines: list[str] = []
        ours, theirs = os.pipe()
        pipe = ErrorPipe(ours, lines.append)

        def flood() -> None:
            for _ in range(1000):
                os.write(theirs, b"e" * 1023 + b"\n")
            os.close(theirs)

        await asyncio.to_thread(flood)
        while not pipe.is_closed:  # noqa: ASYNC110 - the pipe has no event for it
            await asyncio.sleep(0)
        assert len(lines) == 201

    asyncio.run(main())
