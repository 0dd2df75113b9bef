"""The front may open no more files: a flood of clients costs nobody but the flood."""

from __future__ import annotations

import os
import resource
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LEFT = 24
"""Descriptors that the front may still open, its reserve included."""


def flood(service: RunningService, stack: ExitStack, count: int) -> list[socket.socket]:
    """Clients that connect and begin a request."""
    sockets = []
    for _ in range(count):
        client = stack.enter_context(service.connect())
        try:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        except ConnectionError:  # it was turned away already
            continue
        sockets.append(client)
    return sockets


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_flood_beyond_the_limit_of_open_files_is_survived(tmp_path: Path, mode: str) -> None:
    """Who is served goes on being served, files included; others are turned away, and served when the flood is over.
    One event says it; no worker, no link and not the front is lost. In IIS 5 isolation the front opens the files of
    Low applications itself: while it turns clients away it may find no descriptor for one, and answers 500."""
    config = write_site(tmp_path, mode=mode)
    mine = f'<listener userName="{os.geteuid()}" />'  # limits are set for processes of the same user alone
    config.write_text(config.read_text().replace("<sites>", f"{mine}<sites>", 1))
    (tmp_path / "wwwroot" / "hello.txt").write_text("hello")
    (tmp_path / "wwwroot" / "large.txt").write_bytes(b"x" * 1_000_000)
    front = "listener" if mode == "WorkerProcess" else "inetinfo"
    with running(tmp_path, config) as service, ExitStack() as stack:
        kept = stack.enter_context(service.connect())
        assert service.get_on(kept, "/hello.txt").status == 200
        pid = service.pid_of(front)
        numbers = [int(name) for name in os.listdir(f"/proc/{pid}/fd")]
        most = max(numbers) + 1 + LEFT  # the limit is one of numbers, and the reserve must be below it
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
        clients = flood(service, stack, most - len(numbers) + 2 * LEFT)
        service.wait_for_event("descriptors-exhausted")
        bodies: list[bytes] = []

        def is_served() -> bool:
            answer = service.get_on(kept, "/large.txt")
            assert answer.status == 200 or (mode == "IIS5" and answer.status == 500)
            if answer.status == 200:
                bodies.append(answer.body)
            return len(bodies) == 10

        wait_until(is_served, tmp_path, "ten answers during the flood")
        assert bodies == [b"x" * 1_000_000] * 10
        clients += flood(service, stack, LEFT)
        bodies.clear()
        wait_until(is_served, tmp_path, "ten more")
        for client in clients:
            client.close()

        def is_answered() -> bool:
            try:
                with service.connect() as client:
                    client.sendall(b"GET /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    return read_answer(client).status == 200
            except (ConnectionError, AssertionError):
                return False

        wait_until(is_answered, tmp_path, "an answer to a new client")
        assert service.get_on(kept, "/large.txt").status == 200
        assert service.pid_of(front) == pid
        told = "\n".join(service.events())
        assert told.count("descriptors-exhausted") == 1
        for bad in ("front-broken-link", "listener-error", "process-died", "worker-died", "front-hung"):
            assert bad not in told
