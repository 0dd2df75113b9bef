"""CGI requests that wait for their program's end and for nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from extensions import cgi
from host.api import ClientGone, HttpError, ThreadAnswer
from host.api.whole_body import WholeBody
from host.programs.program_call import ProgramCall
from tests.extensions.cgi_rig import CgiRig, StandingLoop, as_moments_pass, wait_until_gone, whole_body
from tests.extensions.requests import open_descriptors
from tests.gateway.sample_request import PieceBody
from tests.spawner.spawner_process import SpawnerProcess


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[CgiRig]:
    process = SpawnerProcess()
    yield CgiRig(tmp_path, process)
    process.close()


@pytest.fixture
def standing(rig: CgiRig) -> CgiRig:
    """The rig with a clock that stands."""
    rig.new_loop = StandingLoop
    return rig


def test_a_short_answer_is_read_when_its_program_has_ended(standing: CgiRig) -> None:
    """The clock stands, so nobody looks at the pipes meanwhile; no task is made, and no descriptor is left. What the
    program said on standard error is told."""
    script = standing.write("x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\necho page\necho oh >&2\n")

    async def work() -> tuple[object, int]:
        before, tasks = open_descriptors(), len(asyncio.all_tasks())
        answer = cgi.handle(standing.request(script))
        assert isinstance(answer, ThreadAnswer)
        response = await answer
        made = len(asyncio.all_tasks()) - tasks
        while open_descriptors() > before:  # noqa: ASYNC110 - the end of standard error is read by the loop
            await asyncio.sleep(0)
        return response.body, made

    assert standing.run(work) == (b"page\n", 0)
    assert [text.rpartition(": ")[2] for text in standing.event_texts("cgi-stderr")] == ["oh"]


@pytest.mark.parametrize("size", [1, 65536])
def test_a_body_that_is_here_lies_in_the_pipe_before_the_program_starts(standing: CgiRig, size: int) -> None:
    """It is waited for as one without: the clock stands, and nobody goes on writing. The program may leave it unread,
    and print while it reads."""
    script = standing.write(
        "x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\necho $CONTENT_LENGTH\n[ $QUERY_STRING ] || wc -c\n"
    )

    async def work() -> list[object]:
        before = open_descriptors()
        bodies: list[object] = []
        for query in ("", "unread"):
            request = standing.request(script, method="POST", body=WholeBody(b"x" * size), raw_query=query)
            answer = cgi.handle(request)
            assert isinstance(answer, ProgramCall)
            bodies.append((await answer).body)
        while open_descriptors() > before:  # noqa: ASYNC110 - the end of standard error is read by the loop
            await asyncio.sleep(0)
        return bodies

    assert standing.run(work) == [b"%d\n%d\n" % (size, size), b"%d\n" % size]


@pytest.mark.parametrize("reads", [True, False])
def test_a_body_that_no_pipe_holds_is_passed_on_while_its_program_is_waited_for(standing: CgiRig, reads: bool) -> None:
    """The clock stands, and but for who passes it on there is no task; a program may leave it unread. No descriptor
    and nothing for the collector is left."""
    script = standing.write(
        "x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\necho $CONTENT_LENGTH\n[ $QUERY_STRING ] || wc -c\n"
    )
    size = 40 * 65536
    expected = b"%d\n%d\n" % (size, size) if reads else b"%d\n" % size

    async def work() -> object:
        before, tasks = open_descriptors(), len(asyncio.all_tasks())
        body = PieceBody([b"x" * 65536] * 40, size)
        request = standing.request(script, method="POST", body=body, raw_query="" if reads else "unread")
        answer = cgi.handle(request)
        assert isinstance(answer, ProgramCall)
        assert len(asyncio.all_tasks()) == tasks + 1
        found = (await answer).body
        del answer
        while open_descriptors() > before or len(asyncio.all_tasks()) > tasks:  # noqa: ASYNC110 - of who passed it on
            await asyncio.sleep(0)
        assert [one for one in gc.get_objects() if isinstance(one, ProgramCall)] == []
        return found

    gc.collect()
    gc.disable()
    try:
        assert standing.run(work) == expected
    finally:
        gc.enable()


def test_a_client_that_leaves_in_its_body_takes_the_program_along(standing: CgiRig) -> None:
    """The program cannot take that for the end of the body and go on."""
    script = standing.write("x.sh", "#!/bin/sh\necho $$ > pid\ncat > /dev/null\nexec sleep 1000\n")
    pid = standing.folder / "pid"

    class Body(PieceBody):
        async def read_some(self) -> bytes:
            piece = self.read_some_blocking()
            while not piece:
                if pid.exists() and pid.read_text().endswith("\n"):
                    raise ClientGone
                await asyncio.sleep(0)
            return piece

    async def work() -> None:
        before = open_descriptors()
        answer = cgi.handle(standing.request(script, method="POST", body=Body([b"x" * 65536], 1 << 20)))
        assert isinstance(answer, ProgramCall)
        with pytest.raises(HttpError):  # nobody hears it
            await answer
        await asyncio.to_thread(wait_until_gone, int(pid.read_text()))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StandingLoop)
        while open_descriptors() > before:
            loop.pass_seconds(1)  # standard error is listened to for a while
            await asyncio.sleep(0)

    standing.run(work)


def test_a_program_that_takes_its_time_for_its_body_goes_on_in_a_task(standing: CgiRig) -> None:
    """Half a second has passed, and who passes the body on goes on as before."""
    script = standing.write("x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nwc -c\n")

    async def work() -> bytes:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StandingLoop)
        gate = asyncio.Event()

        class Body(PieceBody):
            async def read_some(self) -> bytes:
                await gate.wait()
                return self.read_some_blocking()

        call = cgi.handle(standing.request(script, method="POST", body=Body([b"x" * 65536] * 16, 1 << 20)))
        assert isinstance(call, ProgramCall)
        while not call.waits_for().done():
            loop.pass_seconds(0.1)
            await asyncio.sleep(0)
        gate.set()
        return await whole_body(await call)  # the clock stands again

    assert standing.run(work) == b"1048576\n"


def test_a_large_body_for_a_program_that_cannot_be_started_leaves_nothing(standing: CgiRig) -> None:
    """Neither of its pipes, nor who would pass it on."""
    script = standing.write("x.sh", "#!/no/such/interpreter\n")

    async def work() -> None:
        before = open_descriptors()
        with pytest.raises(HttpError):
            await cgi.handle(standing.request(script, method="POST", body=PieceBody([b"x" * 65536] * 16, 1 << 20)))
        while open_descriptors() > before:  # noqa: ASYNC110 - who passes it on is cancelled
            await asyncio.sleep(0)

    standing.run(work)


def test_a_client_that_leaves_takes_the_program_along(standing: CgiRig) -> None:
    """Also when it leaves before the program is known to run."""
    script = standing.write("x.sh", "#!/bin/sh\necho $$ > pid\nexec sleep 1000\n")
    pid = standing.folder / "pid"

    async def leave(*, at_once: bool) -> None:
        request = asyncio.ensure_future(cgi.handle(standing.request(script)))
        await asyncio.sleep(0)
        while not at_once and not (pid.exists() and pid.read_text().endswith("\n")):  # noqa: ASYNC110
            await asyncio.sleep(0)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request

    failures: list[object] = []

    async def work() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context))
        before = open_descriptors()
        await leave(at_once=False)
        await asyncio.to_thread(wait_until_gone, int(pid.read_text()))
        pid.unlink()
        await leave(at_once=True)
        with contextlib.suppress(FileNotFoundError, ValueError):  # it may have been ended before it wrote it
            await asyncio.to_thread(wait_until_gone, int(pid.read_text()))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, StandingLoop)
        while open_descriptors() > before:
            loop.pass_seconds(1)  # standard error is listened to for a while
            await asyncio.sleep(0)

    standing.run(work)
    assert not failures  # the ends of the programs are nobody's business


def test_a_client_that_leaves_just_before_the_rest_is_done_in_a_task_takes_the_program_along(standing: CgiRig) -> None:
    """The task is cancelled before its first step: nothing is left of the program, and no descriptor."""
    script = standing.write("x.sh", "#!/bin/sh\necho $$ > pid\nexec sleep 1000\n")
    pid = standing.folder / "pid"

    async def work() -> None:
        loop, before = asyncio.get_running_loop(), open_descriptors()
        assert isinstance(loop, StandingLoop)
        call = cgi.handle(standing.request(script))
        assert isinstance(call, ProgramCall)
        while not (pid.exists() and pid.read_text().endswith("\n")):  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0)
        while not call.waits_for().done():
            loop.pass_seconds(1)
            await asyncio.sleep(0)
        waiting = call.__await__()
        assert next(waiting) is None
        with pytest.raises(asyncio.CancelledError):
            waiting.throw(asyncio.CancelledError())
        await asyncio.to_thread(wait_until_gone, int(pid.read_text()))
        while open_descriptors() > before:
            loop.pass_seconds(1)  # standard error is listened to for a while
            await asyncio.sleep(0)

    standing.run(work)


def test_an_answered_request_leaves_nothing_for_the_collector(standing: CgiRig) -> None:
    """It has an answer of up to 64 KB: a thousand of them would wait for the collector otherwise."""
    script = standing.write("x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n")

    async def work() -> list[object]:
        await cgi.handle(standing.request(script))
        return [one for one in gc.get_objects() if isinstance(one, ProgramCall)]

    gc.collect()
    gc.disable()
    try:
        assert standing.run(work) == []
    finally:
        gc.enable()


def test_an_answer_that_fills_the_pipe_is_read_as_it_comes_and_so_are_the_next_ones(standing: CgiRig) -> None:
    """Then a short one is expected again."""
    script = standing.write(
        "x.sh",
        "#!/bin/sh\n{ printf 'Content-Type: a/b\\n\\n'; head -c 65517 /dev/zero; } | dd obs=65536 2>&-\n"
        "echo > full\nhead -c 100000 /dev/zero\n",
    )

    full = standing.folder / "full"

    async def work() -> tuple[list[bool], list[int]]:
        kinds: list[bool] = []
        sizes: list[int] = []
        for _ in range(18):
            asked = cgi.handle(standing.request(script))
            kinds.append(isinstance(asked, ProgramCall))
            answer = asyncio.ensure_future(asked)
            while kinds[-1] and not full.exists():  # noqa: ASYNC110 - the program has written what a pipe holds
                await asyncio.sleep(0)
            response = await as_moments_pass(answer)
            sizes.append(len(await whole_body(response)))
            full.unlink()
        return kinds, sizes

    kinds, sizes = standing.run(work)
    assert kinds == [True, *[False] * 16, True]
    assert sizes == [165517] * 18


def test_much_on_standard_error_holds_no_program_up(standing: CgiRig) -> None:
    """Nobody has to read it before a look at the program finds that it is much: the next ones are read as it comes."""
    script = standing.write(
        "x.sh",
        "#!/bin/sh\nhead -c 60000 /dev/zero >&2\necho > full\nhead -c 140000 /dev/zero >&2\n"
        "printf 'Content-Type: a/b\\n\\n'\necho page\n",
    )
    full = standing.folder / "full"

    async def work() -> list[tuple[bool, bytes]]:
        found = []
        for _ in range(2):
            asked = cgi.handle(standing.request(script))
            kind = isinstance(asked, ProgramCall)
            answer = asyncio.ensure_future(asked)
            while kind and not full.exists():  # noqa: ASYNC110 - the program has written nearly what a pipe holds
                await asyncio.sleep(0)
            found.append((kind, await whole_body(await as_moments_pass(answer))))
        return found

    assert standing.run(work) == [(True, b"page\n"), (False, b"page\n")]


def test_a_request_whose_pipe_is_gone_keeps_no_other_unseen(rig: CgiRig) -> None:
    """A plugin that closes what is not its own, for example: the others are looked at as ever."""
    waits = rig.write("waits.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nexec sleep 1000\n")
    goes_on = rig.write("x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\necho page\nexec sleep 1000\n")

    async def work() -> bytes:
        answer = cgi.handle(rig.request(waits))
        assert isinstance(answer, ProgramCall)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, answer.errors_at)
        os.close(null)
        with pytest.raises(PermissionError, match="not permitted"):
            await answer
        response = await cgi.handle(rig.request(goes_on))
        assert isinstance(response.body, AsyncIterator)
        return await anext(response.body)

    assert rig.run(work) == b"page\n"


def test_a_child_that_keeps_the_output_open_ends_nothing(rig: CgiRig) -> None:
    """The program has ended, and the page with it, as soon as the child has let go."""
    gate = rig.folder / "gate"
    os.mkfifo(gate)
    script = rig.write("x.sh", f"#!/bin/sh\nprintf 'Content-Type: a/b\\n\\nfirst,'\n(read a < {gate}; echo rest) &\n")

    async def work() -> bytes:
        response = await cgi.handle(rig.request(script))
        await asyncio.to_thread(gate.write_text, "now\n")
        return await whole_body(response)

    assert rig.run(work) == b"first,rest\n"
