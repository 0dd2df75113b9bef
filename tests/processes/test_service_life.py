"""Processes that die, are killed or stopped: what is started again, what is said of it, and that nothing is left."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from host.admin.client import CommandFailed
from host.admin.commands import (
    Done,
    ListPools,
    ListWorkers,
    Pools,
    RecyclePool,
    StartPool,
    StopPool,
    StopService,
    WorkerRow,
    Workers,
)
from tests.running_service import WAIT_SECONDS, RunningService, running, start_service, started, wait_until
from tests.sample_site import write_program, write_site

MODES = ("workerprocess", "iis5")

SLOW = """\
import pathlib, threading
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Slow", path="*.slow")]

@hookimpl
def handle(request):
    while not pathlib.Path(request.physical_path + ".go").exists():
        threading.Event().wait(0.02)
    return Response.text("slow but done")
"""
"""Answers when the test has let it go: no test here guesses how long something takes."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """For tests that leave everything running; each asks for workers of a pool that it names."""
    folder = tmp_path_factory.mktemp("shared")
    with running(folder, write_site(folder)) as service:
        yield service


def send(service: RunningService, request: bytes) -> socket.socket:
    connection = service.connect()
    connection.sendall(request)
    return connection


def let_go(service: RunningService, name: str = "x.slow") -> None:
    """The slow handler of that URL answers."""
    (service.folder / "wwwroot" / f"{name}.go").touch()


def takes_connections(service: RunningService) -> bool:
    """Whether somebody listens on its port."""
    try:
        service.connect().close()
    except OSError:
        return False
    return True


def read_all(connection: socket.socket) -> bytes:
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


@pytest.mark.parametrize("mode", MODES)
def test_ctrl_c_ends_every_process_and_the_exit_status_is_zero(tmp_path: Path, mode: str) -> None:
    """Also with workers, dllhosts and a CGI program under way."""
    with started(tmp_path, write_site(tmp_path), "--isolation", mode) as service:
        service.get("/a.where")
        service.get("/shop/a.where")
        service.get("/cgi-bin/hello.cgi")
        assert len(service.tree()) >= 3
        assert service.stop() == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_request_in_hand_is_finished_before_the_end(tmp_path: Path, mode: str) -> None:
    """Draining: the answer comes whole after the service was told to stop; as timeout(1) does, with its whole group."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    with started(tmp_path, config, "--isolation", mode, wrapper=["setsid"]) as service:
        service.get("/warm.where")
        service.get("/shop/a.where")
        with send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
            service.wait_for_requests(1)
            service.tree()
            service.process.send_signal(signal.SIGTERM)
            os.killpg(service.process.pid, signal.SIGTERM)
            wait_until(lambda: not takes_connections(service), service.folder, "the end of the listening socket")
            let_go(service)
            assert b"slow but done" in read_all(connection)
        assert service.stop() == 0
        assert not service.has_event("recycle-unhealthy")
        assert not service.has_event("plugin-warning")


def test_a_killed_listener_is_restarted_and_the_workers_stay(shared: RunningService) -> None:
    """Open connections are cut, the next connect works, the worker is the same process."""
    before = json.loads(shared.get("/a.where").body)["pid"]
    listener = shared.pid_of("listener")
    shared.kill(listener)
    assert json.loads(shared.get("/a.where").body)["pid"] == before
    assert shared.pid_of("listener") != listener
    shared.wait_for_event("process-died", "listener", "SIGKILL")


def test_a_killed_inetinfo_is_restarted_and_the_dllhosts_stay(tmp_path: Path) -> None:
    """In IIS 5 mode the web server itself dies with it, and comes back."""
    with running(tmp_path, write_site(tmp_path), "--isolation", "iis5") as service:
        shop = json.loads(service.get("/shop/a.where").body)["pid"]
        inetinfo = json.loads(service.get("/a.where").body)["pid"]
        service.kill(inetinfo)
        assert json.loads(service.get("/a.where").body)["pid"] != inetinfo
        assert json.loads(service.get("/shop/a.where").body)["pid"] == shop


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_killed_pool_parent_is_restarted_and_its_cgi_programs_end(tmp_path: Path, *, is_replaced: bool) -> None:
    """The pool serves on with a new parent and new workers. Its programs end, and what these have started in sessions
    of their own, also when the process model was switched meanwhile, so that the pool only finishes what it has."""
    config = write_site(tmp_path)
    write_program(
        tmp_path / "wwwroot" / "cgi-bin" / "sleep.cgi", "#!/bin/sh\nsetsid sleep 300 &\nsetsid tail -f /dev/null\n"
    )
    with running(tmp_path, config) as service:
        service.get("/a.where")
        connection = send(service, b"GET /cgi-bin/sleep.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
        programs = [service.wait_for_process(name) for name in ("sleep.cgi", "sleep", "tail")]
        parent = service.pid_of("pool DefaultAppPool")
        if is_replaced:
            config.write_text(config.read_text().replace('mode="WorkerProcess"', 'mode="IIS5"'))
            service.wait_for_event("configuration-applied")
        service.kill(parent)
        assert psutil.wait_procs(programs, timeout=WAIT_SECONDS)[1] == []
        assert service.get("/cgi-bin/hello.cgi").status == 200
        service.wait_for_event("process-", "pool DefaultAppPool", f"pid={parent}", "status=-9")
        connection.close()


def test_workers_start_on_demand_and_a_web_garden_grows_to_max_processes(tmp_path: Path) -> None:
    """No worker before the first request; with two slow requests in hand the second worker comes."""
    config = write_site(tmp_path, default_pool='<processModel maxProcesses="2" maxConcurrentRequests="1" />')
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    with running(tmp_path, config) as service:
        assert not [title for title in service.titles() if title.startswith("worker")]
        connections = [send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") for _ in range(3)]
        service.wait_for_requests(2)
        let_go(service)
        for connection in connections:
            assert b"slow but done" in read_all(connection)
            connection.close()
        assert len([title for title in service.titles() if title.startswith("worker DefaultAppPool#")]) == 2


def test_a_stopped_pool_answers_503_and_the_others_work(shared: RunningService) -> None:
    """503 with HTTPERR's Disabled; the list of pools says so; start brings it back; recycling a stopped pool is refused
    with the remedy."""
    shared.get("/shop/a.where")
    assert isinstance(shared.ask(StopPool(name="Shop")), Done)
    assert shared.get("/shop/a.where").status == 503
    assert shared.get("/a.where").status == 200  # its parent can fork: the pool is Starting no more
    shared.httperr("Disabled", "/shop/a.where")
    reply = shared.ask(ListPools())
    assert isinstance(reply, Pools)
    states = {row.name: (row.state, row.reason) for row in reply.rows}
    assert (states["Shop"], states["DefaultAppPool"]) == (("Stopped", "Disabled"), ("Started", ""))
    with pytest.raises(CommandFailed) as refused:
        shared.ask(RecyclePool(name="Shop"))
    assert "isapy start pool Shop" in refused.value.remedy
    assert isinstance(shared.ask(StartPool(name="Shop")), Done)
    assert shared.get("/shop/a.where").status == 200
    with pytest.raises(CommandFailed, match="no pool Nowhere"):
        shared.ask(StopPool(name="Nowhere"))


def test_recycling_on_demand_replaces_the_worker_and_loses_no_request(tmp_path: Path) -> None:
    """Requests go on all the time; the replacement serves before the old one ends; SIGTERM to a worker is the same."""
    with running(tmp_path, write_site(tmp_path)) as service:
        before = json.loads(service.get("/a.where").body)["pid"]
        statuses: list[int] = []
        stop = threading.Event()

        def load() -> None:
            while not stop.is_set():
                statuses.append(service.get("/a.where").status)

        thread = threading.Thread(target=load)
        thread.start()
        for _ in range(3):
            assert service.ask(RecyclePool(name="DefaultAppPool")) == Done(
                text="pool DefaultAppPool is recycled (1 worker replaced)"
            )
        os.kill(json.loads(service.get("/a.where").body)["pid"], signal.SIGTERM)
        service.wait_for_event("recycle-unhealthy", "SIGTERM asked this process to end")
        service.wait_for_event("process-ended", "exit code 0", count=4)
        stop.set()
        thread.join()
        assert set(statuses) == {200}
        assert json.loads(service.get("/a.where").body)["pid"] != before
        service.wait_for_event("recycle-on-demand", count=3)


def test_rapid_fail_protection_disables_a_pool_that_keeps_dying(tmp_path: Path) -> None:
    """Two crashes are the limit here: then 503 AppOffline without another process being started."""
    pool = '<failure rapidFailProtectionMaxCrashes="2" replayIdempotentRequests="false" />'
    with running(tmp_path, write_site(tmp_path, default_pool=pool)) as service:
        for _ in range(2):
            assert service.get("/x.crash").status == 502
            service.wait_for_event("worker-died")
        service.wait_for_event("pool-rapid-fail")
        assert service.get("/a.where").status == 503
        service.httperr("AppOffline")
        assert isinstance(service.ask(StartPool(name="DefaultAppPool")), Done)
        assert service.get("/a.where").status == 200


def test_a_worker_is_recycled_after_its_number_of_requests(tmp_path: Path) -> None:
    """periodicRestart/@requests, with the event that names limit and value."""
    pool = '<recycling><periodicRestart requests="5" /></recycling>'
    with running(tmp_path, write_site(tmp_path, default_pool=pool)) as service:
        for _ in range(6):
            service.get("/a.where")
        line = service.wait_for_event("recycle-requests")
        assert "periodicRestart/@requests is 5, the worker has served 5" in line
        service.wait_for_event("process-started", "replaces DefaultAppPool#1")


def test_an_always_running_pool_has_its_worker_without_a_request(tmp_path: Path) -> None:
    """startMode="AlwaysRunning"."""
    config = write_site(tmp_path)
    config.write_text(
        config.read_text().replace('<add name="Shop" />', '<add name="Shop" startMode="AlwaysRunning" />')
    )
    with running(tmp_path, config) as service:
        service.wait_for_event("process-started", "worker Shop#1")


def workers_of(service: RunningService, pool: str) -> list[WorkerRow]:
    """Its workers, as `isapy list workers` shows them."""
    reply = service.ask(ListWorkers())
    assert isinstance(reply, Workers)
    return [row for row in reply.rows if row.pool == pool]


def test_the_workers_list_counts_the_request_of_a_moment_ago(shared: RunningService) -> None:
    """The workers are asked, so that nobody looks at numbers of the last ping."""
    for served in (1, 2, 3):
        shared.get("/shop/deep/a.where")
        assert [(row.state, row.requests_served, row.requests_in_hand) for row in workers_of(shared, "Deep")] == [
            ("Running", served, 0)
        ]


def test_a_stuck_worker_does_not_hold_up_the_workers_list(shared: RunningService) -> None:
    """It is shown with what was last known of it, every time it is asked for."""
    stuck = json.loads(shared.get("/a.where").body)["pid"]
    os.kill(stuck, signal.SIGSTOP)
    try:
        shown = [[row.process_id for row in workers_of(shared, "DefaultAppPool")] for _ in range(2)]
    finally:
        os.kill(stuck, signal.SIGCONT)
    assert shown == [[stuck], [stuck]]


def test_what_nobody_counts_is_not_shown_as_a_number(tmp_path: Path) -> None:
    """inetinfo in IIS 5 isolation mode: what is in hand is known; a zero for the rest would be wrong."""
    with running(tmp_path, write_site(tmp_path), "--isolation", "iis5") as service:
        service.get("/a.where")
        reply = service.ask(ListWorkers())
        assert isinstance(reply, Workers)
        assert [(row.name, row.requests_served, row.requests_in_hand, row.idle_seconds) for row in reply.rows] == [
            ("inetinfo", None, 0, None)
        ]


def test_stop_over_the_control_socket_ends_the_service(tmp_path: Path) -> None:
    """`isapy stop`."""
    service = start_service(tmp_path, write_site(tmp_path))
    service.tree()
    assert isinstance(service.ask(StopService()), Done)
    assert service.process.wait(WAIT_SECONDS) == 0
    service.assert_nothing_left()


def test_a_port_in_use_ends_the_start_with_one_clear_line(tmp_path: Path) -> None:
    """No traceback, the address, the remedy, exit status 1."""
    config = write_site(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        service = start_service(tmp_path, config, port=port, expect_start=False)
        assert service.process.wait(WAIT_SECONDS) == 1
    (line,) = service.output
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_a_broken_configuration_ends_the_start_with_every_error(tmp_path: Path) -> None:
    """File, line and remedy of each; exit status 2."""
    config = write_site(tmp_path)
    config.write_text(config.read_text().replace('applicationPool="Shop"', 'applicationPool="Shup"'))
    service = start_service(tmp_path, config, expect_start=False)
    assert service.process.wait(WAIT_SECONDS) == 2
    assert any("applicationHost.config:" in line and "Shup" in line for line in service.output)


def test_the_second_service_of_one_configuration_is_refused(shared: RunningService) -> None:
    """It names the process that runs it already."""
    second = start_service(shared.folder, shared.config, expect_start=False)
    assert second.process.wait(WAIT_SECONDS) == 1
    assert str(shared.process.pid) in second.output[0]


def test_the_interpreter_of_this_run_is_the_interpreter_of_the_service() -> None:
    """The suite tests the isapy that it was installed with."""
    assert sys.version_info >= (3, 11)


def test_a_worker_that_outlives_its_pools_parent_is_heard_to_its_end(tmp_path: Path) -> None:
    """It finishes its request after the next parent runs; its end is noted, and the pool can be stopped and ended."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "slow.py").write_text(SLOW)
    with running(tmp_path, config) as service:
        pid = json.loads(service.get("/a.where").body)["pid"]
        with send(service, b"GET /x.slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
            service.wait_for_requests(1)
            parent = service.pid_of("pool DefaultAppPool")
            os.kill(parent, signal.SIGKILL)
            assert "pool=DefaultAppPool" in service.wait_for_event(
                "process-died", "pool DefaultAppPool ended by signal 9"
            )
            service.wait_for_event("process-started", "pool DefaultAppPool: the one before it died")
            assert json.loads(service.get("/a.where").body)["pid"] != pid
            let_go(service)
            assert b"slow but done" in read_all(connection)
        service.wait_for_event("process-ended", f"pid={pid}")
        assert isinstance(service.ask(StopPool(name="DefaultAppPool")), Done)
