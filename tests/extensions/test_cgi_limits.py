"""What ends a CGI program besides `cgi/@timeout`, and what is said of it: page, event, and the list of scripts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from extensions import cgi
from host.api import HttpError, Response
from host.config.cgi_settings import Cgi, ProgramInstances
from host.config.confinement import ProgramLimits
from tests.extensions.cgi_rig import SETTINGS, CgiRig, StandingLoop, as_moments_pass, wait_until_gone, whole_body
from tests.gateway.sample_request import PieceBody
from tests.spawner.spawner_process import SpawnerProcess


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnerProcess]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))
    process = SpawnerProcess()
    yield process
    process.close()


@pytest.fixture
def rig(tmp_path: Path, spawner: SpawnerProcess) -> CgiRig:
    return CgiRig(tmp_path, spawner)


@pytest.fixture
def standing(rig: CgiRig) -> CgiRig:
    """The rig with a clock that stands."""
    rig.new_loop = StandingLoop
    return rig


def pass_seconds(seconds: float) -> None:
    """For the loop that runs now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StandingLoop)
    loop.pass_seconds(seconds)


async def until_there(path: Path) -> str:
    """The text of a file that a program writes."""
    while not path.exists() or not path.read_text().endswith("\n"):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0)
    return path.read_text()


async def while_time_passes(answer: asyncio.Future[Response]) -> Response:
    """The clock goes on until there is an answer."""
    while not answer.done():
        pass_seconds(1)
        await asyncio.sleep(0)
    return await answer


def test_a_program_that_prints_nothing_is_ended_long_before_its_time_in_all(standing: CgiRig) -> None:
    """firstByteTimeout: 502.1 that names the attribute and shows standard error; the event has the request's id."""
    script = standing.write("x.sh", '#!/bin/sh\necho "waiting for the database" >&2\necho $$ > pid\nexec sleep 1000\n')
    settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=100000, first_byte_seconds=20))

    async def work() -> HttpError:
        answer = asyncio.ensure_future(cgi.handle(standing.request(script, settings=settings)))
        await until_there(standing.folder / "pid")
        pass_seconds(19)
        await asyncio.sleep(0)
        assert not answer.done()
        with pytest.raises(HttpError) as found:
            await while_time_passes(answer)
        return found.value

    error = standing.run(work)
    assert (error.status, error.substatus) == (502, 1)
    assert "printed nothing for 20 seconds and was ended" in error.detail
    assert "waiting for the database" in error.detail
    assert "firstByteTimeout" in error.remedy
    (event,) = standing.event_texts("cgi-timeout")
    assert "request 8000000a-" in event
    assert "standard error: waiting for the database" in event
    wait_until_gone(int((standing.folder / "pid").read_text()))


def test_a_page_that_falls_silent_is_cut(standing: CgiRig) -> None:
    """idleTimeout: what was printed is there, the rest is an error; before that the first byte's limit held."""
    script = standing.write(
        "x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\nfirst\\n'\necho $$ > pid\nexec sleep 1000\n"
    )
    settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=100000, first_byte_seconds=50000, idle_seconds=20))

    async def work() -> bytes:
        answer = asyncio.ensure_future(cgi.handle(standing.request(script, settings=settings)))
        while not answer.done():  # its head is there; the end that is waited for a moment does not come
            pass_seconds(0.001)
            await asyncio.sleep(0)
        pieces = aiter(answer.result().body)  # type: ignore[arg-type]
        first = await anext(pieces)
        rest = asyncio.ensure_future(anext(pieces))
        await asyncio.sleep(0)
        pass_seconds(19)
        await asyncio.sleep(0)
        assert not rest.done()
        pass_seconds(2)
        with pytest.raises(HttpError, match="printed nothing more for 20 seconds"):
            await rest
        assert isinstance(first, bytes)
        return first

    assert standing.run(work) == b"first\n"
    wait_until_gone(int((standing.folder / "pid").read_text()))


def test_a_client_that_takes_nothing_is_no_silence_of_the_program(standing: CgiRig) -> None:
    """The program has printed more than anybody has taken: idleTimeout does not pass."""
    script = standing.write(
        "x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nhead -c 300000 /dev/zero\necho done > done\n"
    )
    settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=100000, idle_seconds=20))

    async def work() -> int:
        body = (await as_moments_pass(cgi.handle(standing.request(script, settings=settings)))).body
        for _ in range(16):
            pass_seconds(5)
            await asyncio.sleep(0)
        return sum([len(piece) async for piece in body])  # type: ignore[union-attr,arg-type,misc]

    assert standing.run(work) == 300000


@pytest.mark.parametrize("name", ["x.sh", "nph-x.sh"])
def test_a_program_that_prints_too_much_is_ended(rig: CgiRig, name: str) -> None:
    """outputSizeLimit: the client has no more than that of it, the end is an error, and an event says why."""
    head = "printf 'HTTP/1.0 200 OK\\nContent-Type: a/b\\n\\n'"
    text = f"#!/bin/sh\necho $$ > pid\necho oops >&2\n{head}\nexec cat /dev/zero\n"
    settings = replace(SETTINGS, cgi=Cgi(most_output_bytes=300 * 1024))
    arrived = bytearray()

    async def take(response: Response) -> None:
        async for piece in response.body:  # type: ignore[union-attr]
            arrived.extend(piece)  # type: ignore[arg-type]

    async def work() -> HttpError:
        response = await cgi.handle(rig.request(rig.write(name, text), settings=settings))
        with pytest.raises(HttpError, match="printed more than 300 kilobytes and was ended") as found:
            await take(response)
        return found.value

    error = rig.run(work)
    assert (error.status, error.substatus) == (502, 2)
    assert "oops" in error.detail
    assert len(arrived) <= 300 * 1024
    assert "request 8000000a-" in rig.event_texts("cgi-failed")[0]
    wait_until_gone(int((rig.folder / "pid").read_text()))


def test_what_is_within_the_limit_is_whole(rig: CgiRig) -> None:
    """Head and body together may be exactly as large."""
    script = rig.write("x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nhead -c 1005 /dev/zero\n")
    settings = replace(SETTINGS, cgi=Cgi(most_output_bytes=1024))
    assert len(rig.get(script, settings=settings).body) == 1005
    with pytest.raises(HttpError, match="printed more than 1 kilobytes"):
        rig.get(rig.write("y.sh", script.read_text().replace("1005", "1006")), settings=settings)


def test_a_limit_of_the_kernel_that_ended_a_program_is_named(rig: CgiRig) -> None:
    """Exit status or signal, the limits in force, standard error, the request's id: in the page and in the event."""
    script = rig.write("x.pl", '#!/usr/bin/perl\nprint STDERR "counting\\n"; while (1) { $x++ }\n')
    limits = ProgramLimits(processor_seconds=1, open_files=50)
    settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=100, limits=limits))
    with pytest.raises(HttpError) as found:
        rig.get(script, settings=settings)
    (event,) = rig.event_texts("cgi-failed")
    for text in (found.value.detail, event):
        assert "was killed by SIG" in text
        assert "processorTimeLimit 1 seconds, openFilesLimit 50" in text
        assert "counting" in text
    assert "8000000a-" in event


def test_one_program_more_than_may_run_waits_and_the_next_is_refused(rig: CgiRig) -> None:
    """maxInstances and queueLength: 503.4. A program counts until it has ended, not until it has answered."""
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)
    script = rig.write(
        "x.sh",
        "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\nanswered\\n'\nexec >&- 2>&-\nread line < fifo\n",
    )
    rule = ProgramInstances(most=1, queue_length=1, where="here")
    settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=100, instances=rule))

    async def work() -> None:
        assert await whole_body(await cgi.handle(rig.request(script, settings=settings))) == b"answered\n"
        waits = asyncio.ensure_future(cgi.handle(rig.request("answer.sh", settings=settings)))
        await asyncio.sleep(0)
        with pytest.raises(HttpError, match=r"503\.4"):
            await cgi.handle(rig.request("answer.sh", settings=settings))
        assert not waits.done()
        other = replace(settings, cgi=Cgi(instances=replace(rule, where="elsewhere")))
        assert (await cgi.handle(rig.request("hello.sh", settings=other))).status == 200
        await asyncio.to_thread(fifo.write_text, "\n")
        assert (await waits).status == 200

    rig.write("hello.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n")
    rig.write("answer.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n")
    rig.run(work)


def test_a_program_that_cannot_start_gives_its_place_back(rig: CgiRig) -> None:
    """So does one whose client leaves while its body is awaited."""
    settings = replace(SETTINGS, cgi=Cgi(instances=ProgramInstances(most=1, queue_length=0, where="here")))
    broken = rig.write("broken.sh", "#!/no/such/interpreter\n")
    good = rig.write("good.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n")

    async def work() -> None:
        for _ in range(3):
            with pytest.raises(HttpError, match=r"502\.2"):
                await cgi.handle(rig.request(broken, settings=settings))
        body = PieceBody([b"x"], length=1)
        assert (await cgi.handle(rig.request(good, settings=settings, method="POST", body=body))).status == 200

    rig.run(work)


def test_a_time_limit_that_passes_before_the_program_runs_is_told_as_any_other(standing: CgiRig) -> None:
    """The warm interpreter that was asked for it hangs. When that has gone the script is not started any more, and the
    request is answered with the limit."""
    script = standing.write(
        "x.py", f"#!{sys.executable}\nimport os\nopen('ran', 'w')\nprint('Content-Type: a/b\\n')\nprint(os.getppid())\n"
    )
    other = standing.write("other.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n")
    settings = replace(SETTINGS, cgi=Cgi(timeout_seconds=20))

    async def work() -> HttpError:
        server = standing.spawner.process.pid
        while server == standing.spawner.process.pid:
            response = await cgi.handle(standing.request(script, settings=settings))
            server = int(await whole_body(response))
        (standing.folder / "ran").unlink()
        os.kill(server, signal.SIGSTOP)
        body = PieceBody([b"x" * 100000], 100000)
        answer = asyncio.ensure_future(
            cgi.handle(standing.request(script, method="POST", settings=settings, body=body))
        )
        while not standing.event_texts("cgi-timeout"):
            pass_seconds(1)
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        await cgi.handle(standing.request(other))  # what was said of the first one has been heard
        os.kill(server, signal.SIGKILL)
        with pytest.raises(HttpError) as found:
            await answer
        return found.value

    failure = standing.run(work)
    assert (failure.status, failure.substatus) == (502, 1)
    assert not (standing.folder / "ran").exists()
    assert not standing.event_texts("cgi-failed")
