"""Pools that are stopped, fail or cannot start: what a request gets, what the operator is told."""

from __future__ import annotations

import http.client
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from host.admin.commands import Done, ListPools, PoolRow, Pools, StartPool, StopPool
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_program, write_site

pytestmark = pytest.mark.slow

HELD = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Held", path="*.held")]

@hookimpl
def handle(request):
    with open({gate!r}) as gate:
        gate.read()
    return Response.text("let go")
"""

HANGS_UP = """\
import os, socket, struct
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="HangsUp", path="*.hangup")]

@hookimpl
def handle(request):
    for name in os.listdir("/proc/self/fd"):
        try:
            end = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with end:
            if (end.family, end.type) == (socket.AF_UNIX, socket.SOCK_STREAM):
                peer = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
                if peer != os.getpid():
                    end.shutdown(socket.SHUT_RDWR)
    return Response.text("nobody hears it")
"""

ENDS_AT_ITS_IMPORT = """\
import os

if os.path.exists({switch!r}):
    os._exit(3)
"""

TELLS_ITS_ARGUMENTS = """\
#!/bin/sh
for argument in "$@"; do echo "<$argument>"; done
env | cut -d= -f1 | sort | tr '\\n' ' '
"""


def pool_row(service: RunningService, name: str) -> PoolRow:
    reply = service.ask(ListPools())
    assert isinstance(reply, Pools)
    return next(row for row in reply.rows if row.name == name)


def save(path: Path, change: Callable[[str], str]) -> None:
    """As an editor does: a new file, renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(change(path.read_text()))
    new.replace(path)


def send(service: RunningService, path: str) -> socket.socket:
    connection = service.connect()
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    return connection


def answer(connection: socket.socket) -> bytes:
    """Everything until the end; nothing when the connection is closed or reset without a word."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    connection.close()
    return received


@contextmanager
def held_gate(folder: Path) -> Iterator[Path]:
    """A fifo that holds the handler of *.held until it is opened for writing."""
    gate = folder / "gate"
    os.mkfifo(gate)
    (folder / "extensions").mkdir(exist_ok=True)
    (folder / "extensions" / "held.py").write_text(HELD.format(gate=str(gate)))
    yield gate


def assert_refused(service: RunningService, raw_answer: bytes, level: str, path: str, reason: str) -> None:
    """503 and its HTTPERR line; no byte and the same line without a status where a TCP load balancer looks on."""
    if level == "TcpLevel":
        assert raw_answer == b""
    else:
        assert raw_answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    status = "-" if level == "TcpLevel" else "503"
    assert service.httperr(f" {path} {status} 1 {reason} ")


@pytest.mark.parametrize("level", ["HttpLevel", "TcpLevel"])
def test_what_a_request_gets_that_its_pool_does_not_take(tmp_path: Path, level: str) -> None:
    """autoStart="false", rapid-fail protection, a full queue, an administrator's stop: each with its own reason."""
    failure = f'loadBalancerCapabilities="{level}" replayIdempotentRequests="false"'
    full = f'<processModel maxConcurrentRequests="1" /><failure {failure} />'
    with held_gate(tmp_path) as gate, ExitStack() as stack:
        config = write_site(tmp_path, default_pool=full)
        text = config.read_text().replace('<add name="DefaultAppPool">', '<add name="DefaultAppPool" queueLength="10">')
        text = text.replace('<add name="Shop" />', f'<add name="Shop" autoStart="false"><failure {failure} /></add>')
        fragile = f'<failure {failure} rapidFailProtectionMaxCrashes="1" />'
        config.write_text(text.replace('<add name="Deep" />', f'<add name="Deep">{fragile}</add>'))
        service = stack.enter_context(running(tmp_path, config))

        assert_refused(service, answer(send(service, "/shop/a.where")), level, "/shop/a.where", "Disabled")
        assert pool_row(service, "Shop").state == "Stopped"
        assert isinstance(service.ask(StartPool(name="Shop")), Done)
        assert service.get("/shop/a.where").status == 200

        assert answer(send(service, "/shop/deep/x.crash")).startswith(b"HTTP/1.1 502 ")
        told = service.wait_for_event("pool-rapid-fail", "pool Deep is disabled: 1 failure within 300 s")
        assert "Deep#1: ended by signal 9 (SIGKILL)" in told
        assert_refused(service, answer(send(service, "/shop/deep/a.where")), level, "/shop/deep/a.where", "AppOffline")
        assert isinstance(service.ask(StartPool(name="Deep")), Done)
        assert service.get("/shop/deep/a.where").status == 200
        assert pool_row(service, "Deep").failures == 0

        in_hand = send(service, "/x.held")
        service.wait_for_requests(1)
        waiting = [send(service, f"/{number}.where") for number in range(10)]
        wait_until(lambda: pool_row(service, "DefaultAppPool").requests_queued == 10, tmp_path, "a full queue")
        assert_refused(service, answer(send(service, "/full.where")), level, "/full.where", "QueueFull")
        stopping = threading.Thread(target=service.ask, args=(StopPool(name="DefaultAppPool"),))
        stopping.start()
        for number, connection in enumerate(waiting):
            assert_refused(service, answer(connection), level, f"/{number}.where", "Disabled")
        assert pool_row(service, "DefaultAppPool").state == "Stopping"
        assert_refused(service, answer(send(service, "/late.where")), level, "/late.where", "Disabled")
        gate.write_text("")
        assert b"let go" in answer(in_hand)
        stopping.join()
        assert pool_row(service, "DefaultAppPool").state == "Stopped"
        service.wait_for_event("process-ended", "pool DefaultAppPool has ended")


def test_a_start_that_cannot_succeed_takes_the_pool_off_line_and_runs_auto_shutdown_exe(tmp_path: Path) -> None:
    """One start, one event that names cause and remedy; the waiting request is refused; what was repaired starts."""
    write_program(tmp_path / "tell.sh", TELLS_ITS_ARGUMENTS)
    action = f'autoShutdownExe="{tmp_path}/tell.sh" autoShutdownParams="--pool=%1% \'two words\' $HOME"'
    variable = '<environmentVariables><add name="NOT=A_NAME" value="x" /></environmentVariables>'
    config = write_site(tmp_path)
    text = config.read_text()
    config.write_text(text.replace('<add name="Shop" />', f'<add name="Shop"><failure {action} />{variable}</add>'))
    with running(tmp_path, config) as service:
        assert service.get("/shop/a.where").status == 503
        told = service.wait_for_event("pool-cannot-load", "Shop#1")
        assert "exit code 70 (cannot start)" in told
        assert "illegal environment variable name" in told
        assert "isapy start pool Shop" in told
        ended = service.wait_for_event("action-ended", "autoShutdownExe for pool Shop", "exit code 0")
        for argument in ("<--pool=Shop>", "<two words>", "<$HOME>"):
            assert argument in ended
        assert "SSH" not in ended
        assert "HOME " not in ended
        service.httperr("/shop/a.where", "503", "AppOffline")
        assert service.get("/shop/a.where").status == 503
        assert service.get("/a.where").status == 200
        assert not service.has_event("process-started", "Shop#2")
        assert not service.has_event("pool-rapid-fail")

        save(config, lambda text: text.replace("NOT=A_NAME", "A_NAME").replace("tell.sh", "nowhere"))
        service.wait_for_event("configuration-applied")
        assert isinstance(service.ask(StartPool(name="Shop")), Done)
        assert service.get("/shop/a.where").status == 200


def test_requests_wait_while_starts_fail_and_are_answered_when_one_succeeds(tmp_path: Path) -> None:
    """Without rapid-fail protection starts go on, slower and slower; nobody is refused for that."""
    switch = tmp_path / "broken"
    switch.touch()
    config = write_site(tmp_path, default_pool='<failure rapidFailProtection="false" />')
    (tmp_path / "extensions" / "fragile.py").write_text(ENDS_AT_ITS_IMPORT.format(switch=str(switch)))
    with running(tmp_path, config) as service:
        waiting = send(service, "/a.where")
        service.wait_for_event("worker-died", "ended by exit code 3", count=3)
        switch.unlink()
        assert answer(waiting).startswith(b"HTTP/1.1 200 ")
        assert not service.has_event("pool-rapid-fail")


def test_a_saved_pool_is_obeyed_at_once_and_its_worker_stays(tmp_path: Path) -> None:
    """queueLength, startMode, autoStart, failure/*: no recycle. autoStart is for the next start of the service."""
    config = write_site(tmp_path, default_pool='<failure rapidFailProtectionMaxCrashes="9" />')
    with running(tmp_path, config) as service:
        before = json.loads(service.get("/a.where").body)["pid"]
        failure = '<failure loadBalancerCapabilities="TcpLevel" replayIdempotentRequests="false"'
        save(
            config,
            lambda text: (
                text.replace(
                    '<failure rapidFailProtectionMaxCrashes="9"', f'{failure} rapidFailProtectionMaxCrashes="1"'
                )
                .replace(
                    '<add name="DefaultAppPool">', '<add name="DefaultAppPool" queueLength="20" autoStart="false">'
                )
                .replace('<add name="Shop" />', '<add name="Shop" startMode="AlwaysRunning" />')
            ),
        )
        service.wait_for_event("process-started", "worker Shop#1")
        assert pool_row(service, "DefaultAppPool").queue_length == 20
        assert json.loads(service.get("/a.where").body)["pid"] == before
        assert not service.has_event("recycle-config-change")
        assert service.get("/x.crash").status == 502
        service.wait_for_event("pool-rapid-fail", "1 failure")
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            service.get("/a.where")
        service.httperr("/a.where", "AppOffline")


def test_an_always_running_pool_whose_worker_dies_has_another_one_without_a_request(tmp_path: Path) -> None:
    """And one that is stopped and started, too."""
    config = write_site(tmp_path)
    always = config.read_text().replace('<add name="Shop" />', '<add name="Shop" startMode="AlwaysRunning" />')
    config.write_text(always)
    with running(tmp_path, config) as service:
        service.wait_for_event("process-started", "worker Shop#1")
        first = json.loads(service.get("/shop/a.where").body)["pid"]
        os.kill(first, 9)
        service.wait_for_event("process-started", "worker Shop#2")
        assert isinstance(service.ask(StopPool(name="Shop")), Done)
        assert isinstance(service.ask(StartPool(name="Shop")), Done)
        service.wait_for_event("process-started", "worker Shop#3")


def test_a_worker_that_lives_on_without_its_link_is_replaced_at_once_and_killed(tmp_path: Path) -> None:
    """A broken link is a failure; the process is given a moment to end by itself, so that its exit could say why."""
    config = write_site(tmp_path, default_pool='<failure replayIdempotentRequests="false" />')
    (tmp_path / "extensions" / "hangs_up.py").write_text(HANGS_UP)
    with running(tmp_path, config) as service:
        before = json.loads(service.get("/a.where").body)["pid"]
        assert service.get("/x.hangup").status == 502
        assert json.loads(service.get("/a.where").body)["pid"] != before
        service.wait_for_event("front-broken-link", "DefaultAppPool#1 lives on without its link")
        service.wait_for_event("process-ended", "DefaultAppPool#1 has ended", "SIGKILL")
        assert pool_row(service, "DefaultAppPool").failures == 1
