"""Several listeners in front of the same workers: what they share, what each has of its own, and the end of one."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from host.admin.cache_messages import Cache, FlushCache, ListCache
from host.admin.commands import (
    Done,
    ListPools,
    ListRequests,
    ListWorkers,
    Pools,
    RecyclePool,
    Requests,
    StartSite,
    StopSite,
    Upgrade,
    Workers,
)
from tests.processes.test_changes import Load
from tests.processes.test_idle_and_gardens import SUSPENDS, count, wait_until_asleep, write_idle_site
from tests.processes.test_response_cache import COUNTED
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LISTENERS = '<listener processes="2" />'
POOL = '<processModel maxConcurrentRequests="2" />'
ID = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Id", path="*.id")]

@hookimpl
async def handle(request):
    return Response.text(request.id)
"""
HOLD = """\
import asyncio, os
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Hold", path="*.hold")]

@hookimpl
async def handle(request):
    while not os.path.exists(os.path.join(os.path.dirname(__file__), "gate")):
        await asyncio.sleep(0.02)
    return Response.text("held")
"""


def write_listeners(folder: Path, *, pool: str = "", site_extra: str = "") -> Path:
    """The sample site behind two listeners; nothing in it forbids the cache."""
    config = write_site(folder, default_pool=pool, site_extra=site_extra)
    text = config.read_text().replace('<filter name="marker" />', "")
    config.write_text(text.replace("<applicationPools>", f"{LISTENERS}<applicationPools>", 1))
    for name, code in (("id", ID), ("hold", HOLD), ("counted", COUNTED)):
        (folder / "extensions" / f"{name}.py").write_text(code)
    return config


def listeners(service: RunningService) -> list[int]:
    """Process ids of the listeners, in their order."""
    return [row.pid for row in service.status().processes if row.title.startswith("listener")]


def has_listeners(service: RunningService, number: int) -> bool:
    return len(listeners(service)) == number


def sockets_of(service: RunningService) -> int:
    """How many sockets the service itself holds that listen at the site's port."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = {row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == service.port}
    held = 0
    for link in Path(f"/proc/{service.status().pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            held += os.readlink(link).strip("socket:[]") in listening
    return held


def has_sockets(service: RunningService, number: int) -> bool:
    return sockets_of(service) == number


def listener_of(request_id: str) -> int:
    """The process whose request it is: its id begins with the time and that process's number."""
    return int(request_id.split("-")[1], 16)


@contextmanager
def connections(service: RunningService, each: int) -> Iterator[dict[int, list[socket.socket]]]:
    """So many open connections to each listener, by its process id: the kernel deals them out, so more are opened until
    there are enough."""
    found: dict[int, list[socket.socket]] = {pid: [] for pid in listeners(service)}
    with ExitStack() as stack:
        for _ in range(500):
            if all(len(some) >= each for some in found.values()):
                break
            connection = stack.enter_context(service.connect())
            pid = listener_of(service.get_on(connection, "/a.id").text)
            found.get(pid, []).append(connection)  # one that is being replaced may still take some
        yield {pid: some[:each] for pid, some in found.items()}


def ask(connection: socket.socket, path: str) -> None:
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def pool_row(service: RunningService) -> tuple[int, int]:
    """(requests that wait, workers) of the pool."""
    reply = service.ask(ListPools())
    assert isinstance(reply, Pools)
    (row,) = [row for row in reply.rows if row.name == "DefaultAppPool"]
    return row.requests_queued, row.workers


def request_ids(service: RunningService) -> list[str]:
    reply = service.ask(ListRequests())
    assert isinstance(reply, Requests)
    return [row.request_id for row in reply.rows]


def cached(service: RunningService) -> Cache:
    reply = service.ask(ListCache())
    assert isinstance(reply, Cache)
    return reply


def test_queues_and_requests_add_up_and_a_dead_listener_takes_only_its_own(tmp_path: Path) -> None:
    """From cold, both at once: one worker. Each has half of the worker and of the queue. One is killed: the other's
    requests, waiting or begun, are answered, and a new one takes its place."""
    config = write_listeners(tmp_path, pool=POOL)
    config.write_text(
        config.read_text().replace('<add name="DefaultAppPool">', '<add name="DefaultAppPool" queueLength="60">')
    )
    with running(tmp_path, config) as service:
        first, second = listeners(service)
        clients = [service.connect() for _ in range(24)]
        for client in clients:
            ask(client, "/a.id")
        ids = [read_answer(client).text for client in clients]
        assert {listener_of(one) for one in ids} == {first, second}
        assert len({one.rpartition("-")[2] for one in ids}) == 24  # no two give the same number
        for client in clients:
            client.close()
        reply = service.ask(ListWorkers())
        assert isinstance(reply, Workers)
        assert [row.name for row in reply.rows] == ["DefaultAppPool#1"]

        with connections(service, 32) as by_listener:
            for some in by_listener.values():
                for connection in some[:31]:
                    ask(connection, "/a.hold")
            wait_until(lambda: pool_row(service)[0] == 60, tmp_path, "sixty requests that wait")
            service.wait_for_requests(2)
            assert sorted(map(listener_of, request_ids(service))) == sorted([first, second] * 31)
            for some in by_listener.values():
                assert service.get_on(some[31], "/a.hold").status == 503
            wait_until(lambda: len(service.httperr("QueueFull")) == 2, service.logs, "both refusals in HTTPERR")

            service.kill(first)
            for connection in by_listener[first]:
                assert connection.recv(1) == b"" or pytest.fail("an answer of a dead listener")
            (tmp_path / "extensions" / "gate").touch()
            assert [read_answer(connection).text for connection in by_listener[second][:31]] == ["held"] * 31
            service.wait_for_event("process-started", "listener 1: the one before it died")
            with connections(service, 1) as again:
                assert set(again) == set(listeners(service))
                assert second in again
                assert first not in again
        assert pool_row(service) == (0, 1)


def test_what_is_said_to_the_front_reaches_each_listener(tmp_path: Path) -> None:
    """A site stopped and started, the cache and its flush, a worker recycled under load, another configuration, fewer
    and more listeners, an upgrade: nothing is lost, and every request has its line. An address keeps a socket for each
    of the most listeners that it has had, also over the upgrade, and none when it is not served any more."""
    config = write_listeners(tmp_path)
    with running(tmp_path, config) as service:
        assert isinstance(service.ask(StopSite(name="Default Web Site")), Done)
        with pytest.raises(ConnectionRefusedError):
            service.connect()
        assert isinstance(service.ask(StartSite(name="Default Web Site")), Done)
        with connections(service, 1) as by_listener:
            for (connection,) in by_listener.values():
                assert len({service.get_on(connection, "/a.counted").text for _ in range(3)}) == 1
            contents = cached(service)
            assert (contents.entries, [row.hits for row in contents.rows]) == (2, [2, 2])
            assert "2 answers" in str(service.ask(FlushCache()))
            assert cached(service).entries == 0
            service.site_log(".counted", count=6)
            lines = service.log_lines("W3SVC1/*.log")
            assert [len([line for line in lines if word in line]) for word in (".counted", "#Fields")] == [6, 1]

            with Load(service, "/a.id") as load:
                assert isinstance(service.ask(RecyclePool(name="DefaultAppPool")), Done)
                text = config.read_text()
                config.write_text(text.replace(LISTENERS, '<listener processes="2" disableServerHeader="2" />'))
                service.wait_for_event("configuration-applied", "version 2")
                for (connection,) in by_listener.values():
                    assert "server" not in service.get_on(connection, "/a.id").headers
                assert sockets_of(service) == 2
                for number, sockets in ((1, 2), (3, 3)):
                    config.write_text(text.replace(LISTENERS, f'<listener processes="{number}" />'))
                    wait_until(partial(has_listeners, service, number), tmp_path, "other listeners")
                    wait_until(partial(has_sockets, service, sockets), tmp_path, f"{sockets} sockets, all of them kept")
                assert isinstance(service.ask(Upgrade()), Done)
            assert load.failures == []
        with connections(service, 1) as by_listener:
            assert len(by_listener) == 3
        assert sockets_of(service) == 3
        service.get("/last.id")
        service.site_log("/last.id")
        lines = service.log_lines("W3SVC1/*.log")
        assert len([line for line in lines if "/a.id" in line]) >= load.answers
        assert not [line for line in lines if not re.match(r"#|\d{4}-\d\d-\d\d ", line)]
        assert not service.has_event("worker-ping-failed")
        assert isinstance(service.ask(StopSite(name="Default Web Site")), Done)
        wait_until(partial(has_sockets, service, 0), tmp_path, "no socket of an address that is not served")


def test_a_worker_sleeps_when_every_listener_has_let_go_of_it(tmp_path: Path) -> None:
    """And wakes for any of them, also for one that was started while it slept."""
    config = write_idle_site(tmp_path, SUSPENDS)
    config.write_text(config.read_text().replace("<applicationPools>", f"{LISTENERS}<applicationPools>", 1))
    (tmp_path / "extensions" / "id.py").write_text(ID)
    with running(tmp_path, config) as service:
        pid, first = count(service)
        assert wait_until_asleep(service, 1) == pid
        service.kill(listeners(service)[1])
        service.wait_for_event("listener-confined", count=3)
        with connections(service, 2) as by_listener:
            assert len(by_listener) == 2
            for some in by_listener.values():
                for connection in some:
                    assert json.loads(service.get_on(connection, "/a.count").body)["pid"] == pid
        assert count(service) == (pid, first + 5)
        service.wait_for_event("worker-resumed")
