"""Starting programs through a real spawner process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import resource
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import pytest

from host.api import Program, ProgramExit, StartedProgram
from host.wire.spawn_messages import ProgramEnded, encode_answers
from host.worker.missing_launcher import MissingLauncher
from host.worker.script_launcher import ScriptLauncher
from tests.extensions.requests import open_descriptors
from tests.spawner.spawner_process import SpawnerProcess
from tests.worker.front import CLOSERS, run, until

SHELL = b"/bin/sh"


@pytest.fixture
def spawner() -> Iterator[SpawnerProcess]:
    """A spawner in a process of its own; it ends with everything it started."""
    process = SpawnerProcess()
    yield process
    process.close()


async def launch(
    launcher: ScriptLauncher, *argv: bytes, output: int = -1, environment: dict[bytes, bytes] | None = None
) -> Program:
    null = os.open("/dev/null", os.O_RDWR)
    try:
        return await launcher.launch(
            argv,
            {b"PATH": b"/usr/bin:/bin"} | (environment or {}),
            directory=b"/tmp",
            stdin=null,
            stdout=output if output >= 0 else null,
            stderr=null,
            request_id="test-request",
        )
    finally:
        os.close(null)


def with_launcher(spawner: SpawnerProcess, main: Callable[[ScriptLauncher], Awaitable[None]]) -> None:
    async def connected() -> None:
        launcher = ScriptLauncher(asyncio.get_running_loop(), spawner.connect())
        CLOSERS.append(launcher.close)
        await main(launcher)

    run(connected())


def test_a_program_runs_and_its_end_is_told(spawner: SpawnerProcess) -> None:
    """Exit code and signal; waiting again returns at once; its output went where it was told."""

    async def main(launcher: ScriptLauncher) -> None:
        reading, writing = os.pipe()
        program = await launch(launcher, SHELL, b"-c", b"echo $PWD; exit 7", output=writing)
        os.close(writing)
        assert program.pid > 0
        assert await program.wait() == ProgramExit(7)
        assert await program.wait() == program.exit
        with os.fdopen(reading, "rb") as output:
            assert output.read() == b"/tmp\n"
        killed = await launch(launcher, SHELL, b"-c", b"kill -SEGV $$")
        assert await killed.wait() == ProgramExit(-signal.SIGSEGV, "SIGSEGV")

    with_launcher(spawner, main)


def test_a_program_that_cannot_start_raises_what_exec_said(spawner: SpawnerProcess, tmp_path: Path) -> None:
    """ENOENT for a missing program, EACCES for one without permission; the next one starts."""
    plain = tmp_path / "plain"
    plain.write_text("no program")

    async def main(launcher: ScriptLauncher) -> None:
        with pytest.raises(FileNotFoundError):
            await launch(launcher, b"/no/such/program")
        with pytest.raises(PermissionError):
            await launch(launcher, os.fsencode(plain))
        assert await (await launch(launcher, b"/bin/true")).wait() == ProgramExit(0)

    with_launcher(spawner, main)


def test_many_programs_run_at_once(spawner: SpawnerProcess) -> None:
    """Answers find their callers."""

    async def main(launcher: ScriptLauncher) -> None:
        programs = await asyncio.gather(*(launch(launcher, SHELL, b"-c", b"exit %d" % n) for n in range(20)))
        assert [(await program.wait()).status for program in programs] == list(range(20))

    with_launcher(spawner, main)


def test_a_program_is_killed_with_its_tree(spawner: SpawnerProcess) -> None:
    """kill ends what it started too."""

    async def main(launcher: ScriptLauncher) -> None:
        reading, writing = os.pipe()
        program = await launch(launcher, SHELL, b"-c", b"sleep 1000 & echo $!; exec sleep 1000", output=writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as output:
            child = int(await asyncio.to_thread(output.readline))
        await program.kill("test")
        assert (await program.wait()).by_signal in ("SIGKILL", "SIGTERM")
        await until(lambda: not Path(f"/proc/{child}").exists())

    with_launcher(spawner, main)


def test_a_large_environment_travels_in_a_memory_file(spawner: SpawnerProcess) -> None:
    """100 KB arrive whole; more than Linux takes is E2BIG before anything is sent."""

    async def main(launcher: ScriptLauncher) -> None:
        reading, writing = os.pipe()
        program = await launch(
            launcher, SHELL, b"-c", b"echo ${#LONG}", output=writing, environment={b"LONG": b"x" * 100000}
        )
        os.close(writing)
        await program.wait()
        with os.fdopen(reading, "rb") as output:
            assert output.read() == b"100000\n"
        with pytest.raises(OSError, match="4 MiB") as refused:
            await launch(launcher, b"/bin/true", environment={b"LONG": b"x" * 5000000})
        assert refused.value.errno == errno.E2BIG

    with_launcher(spawner, main)


def test_a_caller_that_leaves_while_its_program_starts_leaves_no_program(spawner: SpawnerProcess) -> None:
    """The kill follows the launch; the spawner is idle afterwards."""

    async def main(launcher: ScriptLauncher) -> None:
        task = asyncio.ensure_future(launch(launcher, b"/bin/sleep", b"1000"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await (await launch(launcher, b"/bin/true")).wait() == ProgramExit(0)
        children = Path(f"/proc/{spawner.process.pid}/task/{spawner.process.pid}/children")
        await until(lambda: not children.read_text().split())

    with_launcher(spawner, main)


def test_that_a_program_runs_is_told_when_it_is_asked_for(spawner: SpawnerProcess) -> None:
    """Whoever is told of its end hears of its start with it, unless they wait for it."""

    async def main(launcher: ScriptLauncher) -> None:
        null = os.open("/dev/null", os.O_RDWR)

        def start(*argv: bytes) -> tuple[StartedProgram, asyncio.Event]:
            ended = asyncio.Event()
            program = launcher.start(
                argv, {}, directory=b"/", descriptors=(null, null, null), request_id="x", told=ended.set
            )
            return program, ended

        brief, is_over = start(b"/bin/true")
        await is_over.wait()
        assert (brief.pid > 0, brief.exit) == (True, ProgramExit(0))
        await brief.start()
        longer, is_over = start(b"/bin/sleep", b"1000")
        await longer.start()
        os.kill(longer.pid, signal.SIGKILL)
        await is_over.wait()
        assert longer.exit == ProgramExit(-signal.SIGKILL, "SIGKILL")
        missing, is_over = start(b"/nowhere")
        with pytest.raises(FileNotFoundError):
            await missing.start()
        assert is_over.is_set()
        os.close(null)

    with_launcher(spawner, main)


def test_when_the_spawner_dies_callers_hear_of_it() -> None:
    """A running program counts as killed, a launch is EPIPE, a kill is in vain."""
    process = SpawnerProcess()

    async def main(launcher: ScriptLauncher) -> None:
        program = await launch(launcher, b"/bin/sleep", b"1000")
        process.process.kill()
        process.process.wait()
        assert (await program.wait()).status == -signal.SIGKILL
        await program.kill("in vain")
        with pytest.raises(BrokenPipeError):
            await launch(launcher, b"/bin/true")
        os.kill(program.pid, signal.SIGKILL)  # a real pool parent dies by the kernel with its tree

    with_launcher(process, main)
    process._control.close()


def test_a_second_spawner_takes_its_share_once_there_are_many(spawner: SpawnerProcess) -> None:
    """Not before, and not what needs warm interpreters or folders, or could not be found if that spawner died. When it
    has died, the first one goes on alone."""
    second = SpawnerProcess()

    async def main() -> None:
        launcher = ScriptLauncher(asyncio.get_running_loop(), spawner.connect(), second=second.connect())
        CLOSERS.append(launcher.close)
        reading, writing = os.pipe()

        def start(*, mark: str = "UNIQUE_ID", private_temp: bool = False) -> StartedProgram:
            return launcher.start(
                [b"/bin/cat"],
                {mark.encode(): b"test-request"},
                directory=b"/tmp",
                descriptors=(reading, 1, 2),
                request_id="test-request",
                private_temp=private_temp,
                told=lambda: None,
            )

        async def starter(program: StartedProgram) -> int:
            await program.start()
            return psutil.Process(program.pid).ppid()

        alone = [start() for _ in range(4)]
        others = [start(), start(mark="OTHER"), start(private_temp=True), start()]
        starters = [await starter(one) for one in (*alone, *others)]
        first, other = spawner.process.pid, second.process.pid
        assert starters == [first, first, first, first, other, first, first, other]
        assert [await starter(start()), await starter(start())] == [first, first]  # all others have been heard of
        one, two = start(), start()
        assert [await starter(one), await starter(two)] == [first, other]
        os.close(writing)
        os.close(reading)
        assert [await one.wait(), await two.wait()] == [ProgramExit(0)] * 2
        second.process.kill()
        second.process.wait()
        await until(lambda: launcher._second is None)
        assert await (await launch(launcher, b"/bin/true")).wait() == ProgramExit(0)

    run(main())
    second._control.close()


def test_whoever_raises_when_it_is_told_of_an_end_keeps_nobody_else_waiting() -> None:
    """The ends of several programs come in one packet: all are told, in order, and the loop hears what was raised."""
    told: list[int] = []
    raised: list[BaseException] = []

    def tell(number: int) -> None:
        told.append(number)
        if number < 3:
            raise ValueError(number)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _loop, context: raised.append(context["exception"]))
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        launcher = ScriptLauncher(loop, mine)
        CLOSERS.extend((launcher.close, theirs.close))
        with open(os.devnull, "rb") as null:
            for number in (1, 2, 3):
                launcher.start(
                    [SHELL],
                    {},
                    directory=b"/",
                    descriptors=(null.fileno(),) * 3,
                    request_id="test-request",
                    told=partial(tell, number),
                )
        theirs.send(encode_answers([ProgramEnded(number=number, status=0, pid=1) for number in (1, 2, 3)]))
        await until(lambda: len(told) == 3)

    run(main())
    assert told == [1, 2, 3]
    [error] = raised
    assert [error.args, error.__context__ and error.__context__.args] == [(2,), (1,)]


def test_a_process_without_spawner_starts_nothing() -> None:
    """ENOSYS names the program."""

    async def main() -> None:
        launcher = MissingLauncher()
        with pytest.raises(OSError, match="/bin/true"):
            await launcher.launch([b"/bin/true"], {}, directory=b"/", stdin=0, stdout=1, stderr=2, request_id="")

    run(main())


def test_a_launch_that_waits_for_room_has_descriptors_of_its_own() -> None:
    """The spawner's socket is full: what is said later is not hurt by what its caller has closed by then. Where no
    further descriptors can be had, the launch fails and leaves none open."""

    async def main() -> None:
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        launcher = ScriptLauncher(asyncio.get_running_loop(), mine)
        CLOSERS.extend((launcher.close, theirs.close))
        theirs.setblocking(False)
        calls: list[asyncio.Task[Program]] = []
        while not launcher._unsent:
            calls.append(asyncio.create_task(launch(launcher, SHELL)))
            await asyncio.sleep(0)
        before = open_descriptors()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        os.close(lowest := os.open("/dev/null", os.O_RDONLY))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 2, hard))  # for launch's own and one duplicate
            with pytest.raises(OSError, match="Too many open files"):
                await launch(launcher, SHELL)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert open_descriptors() == before
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        for _ in calls:
            passed: list[int] = []

            def has_come(into: list[int] = passed) -> bool:
                with contextlib.suppress(BlockingIOError):
                    into += socket.recv_fds(theirs, 65536, 4)[1]
                return bool(into)

            await until(has_come)
            assert [os.path.samestat(os.fstat(one), os.stat("/dev/null")) for one in passed] == [True] * 3
            for descriptor in passed:
                os.close(descriptor)

    run(main())
