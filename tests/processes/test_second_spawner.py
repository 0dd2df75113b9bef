"""A worker that asks for many programs at once has a second process that starts them; it comes with the need."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from host.worker.script_launcher import ScriptLauncher
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_program, write_site

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(len(os.sched_getaffinity(0)) == 1, reason="with one processor there is no second spawner"),
]

CHECKOUT = Path(__file__).resolve().parents[2]
TITLE = "CGI spawner DefaultAppPool#1"
WAITS = """\
#!/bin/sh
setsid sleep 1000 &
echo $$ $! $PPID >> pids
wait
"""
"""Says nothing, so that nobody hears of it for half a second: time for many of them."""


def second_spawners(service: RunningService) -> list[psutil.Process]:
    """As ps shows them."""
    found = []
    for process in service.tree():
        with suppress(psutil.Error):
            if process.cmdline()[:1] == [f"isapy: {TITLE}"]:
                found.append(process)
    return found


class Crowd:
    """Clients that wait for programs of which some have been started by the second spawner."""

    def __init__(self, service: RunningService, opened: ExitStack) -> None:
        self.service = service
        self.pids = service.folder / "wwwroot/cgi-bin/pids"
        self.connections: list[socket.socket] = []
        self._opened = opened
        wait_until(self._is_served_by_two, service.logs, TITLE)

    def started_by(self, spawner: int) -> list[psutil.Process]:
        """The programs with their children."""
        lines = [line.split() for line in self.pids.read_text().splitlines()]
        return [psutil.Process(int(pid)) for line in lines if int(line[2]) == spawner for pid in line[:2]]

    def wait_until_all_run(self) -> None:
        """Every client's program has written its line."""
        wait_until(
            lambda: self.pids.read_text().count("\n") == len(self.connections), self.service.logs, "all programs"
        )

    def _is_served_by_two(self) -> bool:
        if second_spawners(self.service):
            return True
        for _ in range(6):
            connection = self._opened.enter_context(self.service.connect())
            connection.sendall(b"GET /cgi-bin/waits.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
            self.connections.append(connection)
        return False


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    with running(tmp_path, write_site(tmp_path)) as it:
        write_program(it.folder / "wwwroot/cgi-bin/waits.cgi", WAITS)
        yield it


def test_no_second_spawner_for_requests_one_by_one(service: RunningService) -> None:
    """It is a process of its own, and most workers never need it."""
    for _ in range(10):
        assert service.get("/cgi-bin/hello.cgi").status == 200
    assert not second_spawners(service)


def test_programs_of_both_die_with_their_worker(service: RunningService) -> None:
    """With all that they have started; the second spawner ends then, and the next worker starts anew."""
    with ExitStack() as opened:
        crowd = Crowd(service, opened)
        crowd.wait_until_all_run()
        [second] = second_spawners(service)
        assert second.ppid() == service.pid_of("pool DefaultAppPool")
        held = [os.readlink(one) for one in Path(f"/proc/{second.pid}/fd").iterdir()]
        assert not [one for one in held if "isapy-stacks" in one], "it holds the way by which a worker is examined"
        programs = crowd.started_by(second.pid) + crowd.started_by(service.pid_of("pool DefaultAppPool"))
        assert len(programs) == 2 * len(crowd.connections)
        assert crowd.started_by(second.pid)
        service.kill(service.pid_of("worker DefaultAppPool#1"))
        _, alive = psutil.wait_procs([*programs, second], timeout=90)
        assert not alive
    assert service.get("/cgi-bin/hello.cgi").status == 200


def test_programs_of_both_die_with_the_pools_parent(service: RunningService) -> None:
    """So does the second spawner, whose worker asks it for nothing any more."""
    with ExitStack() as opened:
        crowd = Crowd(service, opened)
        crowd.wait_until_all_run()
        [second] = second_spawners(service)
        parent = service.pid_of("pool DefaultAppPool")
        programs = crowd.started_by(second.pid) + crowd.started_by(parent)
        service.kill(parent)
        _, alive = psutil.wait_procs([*programs, second], timeout=90)
        assert not alive
    assert service.get("/cgi-bin/hello.cgi").status == 200


def test_a_second_spawner_may_die(service: RunningService) -> None:
    """Its clients get an error and its programs end, with what they have started; the others go on, and the worker's
    next programs are started as ever."""
    with ExitStack() as opened:
        crowd = Crowd(service, opened)
        crowd.wait_until_all_run()
        [second] = second_spawners(service)
        its, others = crowd.started_by(second.pid), crowd.started_by(service.pid_of("pool DefaultAppPool"))
        assert its
        assert others
        second.kill()
        _, alive = psutil.wait_procs(its, timeout=90)
        assert not alive
        assert all(one.is_running() for one in others)
        for one in others:
            one.terminate()
        statuses = [read_answer(connection).status for connection in crowd.connections]
        assert statuses == [502] * len(crowd.connections)
    assert service.get("/cgi-bin/hello.cgi").status == 200


def test_a_second_spawner_that_has_nothing_to_do_ends(service: RunningService) -> None:
    """Not before all that its programs have left in the background has ended, too; then it comes again when it is
    needed."""
    with ExitStack() as opened:
        crowd = Crowd(service, opened)
        crowd.wait_until_all_run()
        [second] = second_spawners(service)
        parent = service.pid_of("pool DefaultAppPool")
        for one in crowd.started_by(second.pid) + crowd.started_by(parent):
            one.kill()
        wait_until(lambda: not second_spawners(service), service.logs, "the end of the second spawner")
    _, alive = psutil.wait_procs([second], timeout=90)  # ps shows no title any more before it has quite ended
    assert not alive
    crowd.pids.write_text("")
    with ExitStack() as opened:
        Crowd(service, opened).wait_until_all_run()
        assert second_spawners(service) != [second]


def test_programs_are_started_by_the_pools_parent_when_no_second_spawner_can_be_forked() -> None:
    """Its user has as many processes as it may have. What has been asked for over the worker's second socket is done,
    and so is what follows."""
    control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        command = [sys.executable, "-m", "tests.processes.full_user", str(its.fileno())]
        process = subprocess.Popen(command, pass_fds=[its.fileno()], cwd=CHECKOUT, stdin=subprocess.DEVNULL)
    with control:
        _, descriptors, _, _ = socket.recv_fds(control, 100, 1)

    async def parent_of_a_program(launcher: ScriptLauncher) -> int:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        with open(reader, "rb") as output, open(os.devnull, "r+b") as null:
            with open(writer, "wb") as stdout:
                program = await launcher.launch(
                    [b"/bin/sh", b"-c", b"echo $PPID"],
                    {},
                    directory=b"/",
                    stdin=null.fileno(),
                    stdout=stdout.fileno(),
                    stderr=null.fileno(),
                    request_id="1",
                )
            assert (await program.wait()).status == 0
            return int(output.read())

    async def main() -> list[int]:
        launcher = ScriptLauncher(asyncio.get_running_loop(), socket.socket(fileno=descriptors[0]))
        try:
            return [await parent_of_a_program(launcher) for _ in range(2)]
        finally:
            launcher.close()

    assert asyncio.run(main()) == [process.pid] * 2
    assert process.wait(90) == 0
