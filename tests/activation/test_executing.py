"""Asking a worker what it executes, over a real control channel."""

from __future__ import annotations

import asyncio

import pytest

from host.activation.worker_record import WorkerRecord
from host.config.model import Pool
from host.processes.control_channel import ControlChannel, channel_pair
from host.wire.control_messages import AskExecuting, Executing
from host.wire.message_rows import ExecutingRow

ROW = ExecutingRow(link_number=3, request_id="a-1", pipeline_state="BeginRequest", current_module="m")


def test_the_answer_reaches_the_one_who_asked_and_silence_is_a_time_out() -> None:
    """Two questions at once, answered in the other order; a worker that says nothing holds nobody."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = (ControlChannel(end) for end in channel_pair())
        worker = WorkerRecord(
            name="A#1", number=1, channel=ours, settings=Pool(name="A"), started_at=0.0, why_started=""
        )

        ours.attach(loop, lambda message, descriptors: worker.has_said(message, descriptors, 0.0), print)
        first, second = (asyncio.ensure_future(worker.executing(20.0)) for _ in range(2))
        asked: list[AskExecuting] = []
        all_asked = asyncio.Event()

        def hear(message: object, _descriptors: list[int]) -> None:
            assert isinstance(message, AskExecuting)
            asked.append(message)
            if len(asked) == 2:
                all_asked.set()

        theirs.attach(loop, hear, print)
        await all_asked.wait()
        theirs.send(Executing(number=asked[1].number, rows=[ROW]))
        theirs.send(Executing(number=asked[0].number, rows=[]))
        theirs.send(Executing(number=99, rows=[ROW]))  # nobody asked
        assert ((await first).rows, (await second).rows) == ([], [ROW])
        with pytest.raises(TimeoutError):
            await worker.executing(0.01)
        assert not worker.questions
        ours.close()
        theirs.close()

    asyncio.run(main())
