"""How long a warm interpreter is kept, with a clock that the test moves; the servers and their forks are real."""

from __future__ import annotations

import os
import resource
import selectors
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from host.spawner.warm_servers import (
    ANSWER_SECONDS,
    BUSY_SECONDS,
    IDLE_SECONDS,
    MOST_SERVERS,
    RETRY_SECONDS,
    Asked,
    WarmServers,
)
from host.wire.spawn_messages import LaunchProgram, WarmStart

Kept = TypeVar("Kept")


class Keeper:
    """A parent's loop around the servers."""

    def __init__(self, folder: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.started: list[int] = []
        self.cold: list[str] = []
        self.ended: list[tuple[int, int]] = []
        self.pids: list[int] = []
        self.script = folder / "script.py"
        self.script.write_text("print('x')")
        self.folder = folder
        self.later = 0.0
        """Seconds by which the clock has been moved."""
        self.servers = WarmServers(
            self.selector,
            started=lambda asked, pid: self._settled(asked, self.started, pid),
            cold=lambda asked, why: self._settled(asked, self.cold, why),
            ended=lambda pid, status: self.ended.append((pid, status)),
            clock=lambda: time.monotonic() + self.later,
        )

    @staticmethod
    def _settled(asked: Asked, kept: list[Kept], what: Kept) -> None:
        kept.append(what)
        for descriptor in asked.descriptors:
            os.close(descriptor)

    def ask(self, *, variable: str = "1", interpreter: str = sys.executable, size: int = 0) -> bool:
        """Offer a launch; whether a server was asked."""
        command = [interpreter.encode()]
        message = LaunchProgram(
            number=1,
            argv=[*command, bytes(self.script)],
            environment={b"V": variable.encode(), b"UNIQUE_ID": b"r", b"BODY": b"x" * size},
            directory=bytes(self.folder),
            request_id="r",
            warm=WarmStart(program=command[0], command=command, arguments=[bytes(self.script)], lasting=[b"V"]),
        )
        null = os.open(os.devnull, os.O_RDWR)
        try:
            return self.servers.ask(message, [null, null, null], None) is not None
        finally:
            os.close(null)

    def children(self) -> list[int]:
        """The servers that live, as far as this process is their parent."""
        return [
            int(pid)
            for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
            if self.servers.owns(int(pid))
        ]

    def turn(self) -> None:
        """One turn of the loop: sockets, then children that have ended."""
        for key, _ in self.selector.select(0.05):
            key.data()
        for pid in self.children():
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG)
            if found is not None:
                status = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
                self.servers.ended(pid, status)

    def until_warm(self, **options: str) -> None:
        """Ask until a server takes it, and wait for the program's end."""
        give_up_at = time.monotonic() + 90
        while not self.ask(**options):  # type: ignore[arg-type]
            self.turn()
            assert time.monotonic() < give_up_at
        count = len(self.ended) + 1
        while len(self.ended) < count:
            self.turn()
            assert time.monotonic() < give_up_at

    def until_alone(self) -> None:
        """Every server that leaves has gone."""
        give_up_at = time.monotonic() + 90
        while self.children():
            self.turn()
            assert time.monotonic() < give_up_at


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    before = len(os.listdir("/proc/self/fd"))
    keeper = Keeper(tmp_path)
    yield keeper
    keeper.servers.end_all()
    keeper.until_alone()
    keeper.selector.close()
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_idle_server_leaves(keeper: Keeper) -> None:
    """Not before its time, and without a word."""
    keeper.until_warm()
    now = time.monotonic()
    keeper.servers.tick(now + IDLE_SECONDS - 1)
    assert keeper.ask()
    while not keeper.ended[1:]:
        keeper.turn()
    keeper.servers.tick(time.monotonic() + IDLE_SECONDS + 1)
    keeper.until_alone()
    assert keeper.servers.take_remark() == ""
    assert [status for _, status in keeper.ended] == [0, 0]


def test_a_server_that_does_not_become_ready_is_killed_and_not_tried_again_at_once(keeper: Keeper) -> None:
    """It says why once; after a while it may try again."""
    sleeper = keeper.folder / "python3"
    sleeper.write_text("#!/bin/sh\nexec sleep 1000\n")
    sleeper.chmod(0o755)
    assert not keeper.ask(interpreter=str(sleeper))
    [pid] = keeper.children()
    keeper.servers.tick(time.monotonic() + ANSWER_SECONDS - 1)
    assert keeper.children() == [pid]
    keeper.servers.tick(time.monotonic() + ANSWER_SECONDS + 1)
    keeper.until_alone()
    assert "did not start: signal 9" in keeper.servers.take_remark()
    assert not keeper.ask(interpreter=str(sleeper))
    assert not keeper.children()
    keeper.servers.end_all()  # a new configuration is a new try
    assert not keeper.ask(interpreter=str(sleeper))
    assert keeper.children()
    os.kill(keeper.children()[0], 9)
    assert RETRY_SECONDS > ANSWER_SECONDS


def test_there_are_only_so_many_servers(keeper: Keeper) -> None:
    """One for each environment; what has been idle longest makes place, and none that is in use."""
    keeper.until_warm(variable="first")
    [first] = keeper.children()
    for number in range(MOST_SERVERS - 1):
        keeper.ask(variable=str(number))
    all_of_them = keeper.children()
    assert len(all_of_them) == MOST_SERVERS
    keeper.ask(variable="one more")
    assert keeper.children() == all_of_them
    keeper.later = BUSY_SECONDS + 1
    for number in range(MOST_SERVERS - 1):
        keeper.ask(variable=str(number))
    keeper.ask(variable="one more")
    give_up_at = time.monotonic() + 90
    while first in keeper.children():
        keeper.turn()
        assert time.monotonic() < give_up_at
    assert len(keeper.children()) == MOST_SERVERS
    assert keeper.servers.take_remark() == ""


def test_a_launch_that_no_packet_takes_is_not_offered(keeper: Keeper) -> None:
    """More than 64 KiB of environment: started as ever; the server stays."""
    keeper.until_warm()
    assert not keeper.ask(size=70000)
    assert keeper.ask(size=30000)
    while not keeper.ended[1:]:
        keeper.turn()


def test_a_launch_without_descriptors_to_spare_is_not_offered(keeper: Keeper) -> None:
    """Who is asked has to be known, and may have to be started cold: nothing runs that nobody would know of."""
    keeper.until_warm()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.open(os.devnull, os.O_RDONLY))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + 3, hard))  # for what a worker sends, and two duplicates
        assert not keeper.ask()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert keeper.ask()
    while not keeper.ended[1:]:
        keeper.turn()
    assert (len(keeper.started), len(keeper.ended)) == (2, 2)


@pytest.mark.parametrize("left", range(1, 5))
def test_no_server_is_started_without_descriptors_and_none_is_kept(keeper: Keeper, left: int) -> None:
    """The pool's parent goes on, and the launch is a cold one; `left` are free, one of them for the launch."""
    before = os.listdir("/proc/self/fd")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(lowest := os.open(os.devnull, os.O_RDONLY))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest + left, hard))
        assert not keeper.ask()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert os.listdir("/proc/self/fd") == before
    assert not keeper.ask()
