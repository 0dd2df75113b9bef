"""What an operator sees of running requests and processes, and what holds up a recycle or an unload, in both modes."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.admin.client import CommandFailed, call
from host.admin.commands import (
    Command,
    Done,
    ListPools,
    ListRequests,
    ListWorkers,
    Pools,
    RecyclePool,
    RequestRow,
    Requests,
    StartPool,
    StopPool,
    UnloadApplication,
    WorkerRow,
    Workers,
)
from host.admin.location import control_socket
from tests.running_service import WAIT_SECONDS, RunningService, running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

GATE = """\
import asyncio, os, pathlib
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Gate", path="*.gate")]

@hookimpl
async def handle(request):
    while not os.path.exists(os.path.join(os.environ["TEST_GATES"], pathlib.Path(request.path).stem)):
        await asyncio.sleep(0.01)
    return Response.json({"id": request.id, "pid": os.getpid()})
"""


class Held:
    """A GET of `/shop/NAME.gate` that is answered when its gate is opened."""

    def __init__(self, service: RunningService, name: str) -> None:
        self._gate = service.folder / "gates" / name
        self._answers: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._ask, args=(service, f"/shop/{name}.gate"))
        self._thread.start()

    def _ask(self, service: RunningService, path: str) -> None:
        answer = service.get(path)
        self._answers.put({"status": answer.status, **(json.loads(answer.body) if answer.status == 200 else {})})

    def release(self) -> dict[str, object]:
        """Open the gate; gives status, and the request's id and process as its handler saw them."""
        self._gate.touch()
        self._thread.join(30)
        return self._answers.get(timeout=WAIT_SECONDS)


class Slow:
    """A command in a thread of its own, with what the service tells meanwhile."""

    def __init__(self, service: RunningService, command: Command) -> None:
        self.told: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reply: object = None
        path = control_socket(service.config, service.environment)
        self._thread = threading.Thread(target=self._run, args=(path, command))
        self._thread.start()

    def _run(self, path: Path, command: Command) -> None:
        self._reply = call(path, command, 60.0, self.told.put)

    def wait_for_news(self, word: str) -> str:
        """The first of the news that has that word."""
        while word not in (text := self.told.get(timeout=WAIT_SECONDS)):
            pass
        return text

    def done(self) -> str:
        """What the service answers in the end."""
        self._thread.join(60)
        assert isinstance(self._reply, Done), self._reply
        return self._reply.text


@pytest.fixture(params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningService]:
    config = write_site(tmp_path, mode=request.param)
    (tmp_path / "extensions" / "gate.py").write_text(GATE)
    (tmp_path / "gates").mkdir()
    with running(tmp_path, config, environment={"TEST_GATES": str(tmp_path / "gates")}) as started:
        try:
            yield started
        finally:
            for name in ("one", "two"):  # a test that failed must not hold up the end
                (tmp_path / "gates" / name).touch()


def is_iis5(service: RunningService) -> bool:
    return "inetinfo" in service.titles()


def requests_of(service: RunningService) -> list[RequestRow]:
    reply = service.ask(ListRequests())
    assert isinstance(reply, Requests)
    return reply.rows


def workers_of(service: RunningService) -> dict[int, WorkerRow]:
    reply = service.ask(ListWorkers())
    assert isinstance(reply, Workers)
    return {row.process_id: row for row in reply.rows}


def row_in_module(service: RunningService, url: str) -> RequestRow:
    """The row of that request, once its handler is at work."""
    for _ in range(1000):
        for row in requests_of(service):
            if row.url == url and row.current_module == "gate":
                return row
    raise AssertionError(f"{url} did not reach its handler: {requests_of(service)}")


def test_a_request_is_seen_by_its_one_id_and_holds_up_the_end_of_its_process(service: RunningService) -> None:
    """IIS's fields, counters of the moment, the news while a process is replaced or unloaded; nothing is lost."""
    first = json.loads(service.get("/shop/a.where").body)["pid"]
    held = Held(service, "one")
    row = row_in_module(service, "/shop/one.gate")
    assert (row.verb, row.site_name, row.client_ip_address) == ("GET", "Default Web Site", "127.0.0.1")
    assert (row.local_ip_address, row.local_port) == ("127.0.0.1", service.port)
    assert row.pipeline_state == "ExecuteRequestHandler"
    assert 0 <= row.time_in_module <= row.time_elapsed
    assert row.worker == ("dllhost /LM/W3SVC/1/ROOT/shop" if is_iis5(service) else "Shop#1")
    worker = workers_of(service)[first]
    assert (worker.requests_in_hand, worker.requests_served, worker.state) == (1, 1, "Running")
    assert worker.address_space_kilobytes > worker.memory_kilobytes >= worker.private_kilobytes > 0

    def has_used_the_processor() -> bool:
        """The kernel may count in ticks of ten milliseconds."""
        for _ in range(20):
            service.get("/shop/a.where")
        return workers_of(service)[first].processor_seconds > 0

    wait_until(has_used_the_processor, service.folder, "a tick of processor time")

    command = UnloadApplication(name="/shop") if is_iis5(service) else RecyclePool(name="Shop")
    slow = Slow(service, command)
    assert "GET /shop/one.gate of 127.0.0.1" in slow.wait_for_news("/shop/one.gate")
    assert workers_of(service)[first].state == "Stopping"
    second = json.loads(service.get("/shop/a.where").body)["pid"]
    assert second != first
    assert held.release() == {"status": 200, "id": row.request_id, "pid": first}
    assert "ended" in slow.done() if is_iis5(service) else "1 worker replaced" in slow.done()
    assert first not in workers_of(service)
    assert service.has_event("application-unloaded" if is_iis5(service) else "recycle-on-demand")
    if not is_iis5(service):
        after = workers_of(service)[second]
        assert (after.why_started, after.last_recycle) == ("replaces Shop#1", "asked for by the administrator")
        reply = service.ask(ListPools())
        assert isinstance(reply, Pools)
        shop = next(pool for pool in reply.rows if pool.name == "Shop")
        assert shop.last_recycle == "asked for by the administrator"
        assert shop.last_recycle_seconds is not None

    held = Held(service, "two")
    row = row_in_module(service, "/shop/two.gate")
    os.kill(second, signal.SIGKILL)
    again = row_in_module_elsewhere(service, "/shop/two.gate", second)
    assert again.request_id == row.request_id
    assert held.release()["id"] == row.request_id


@pytest.mark.parametrize("service", ["WorkerProcess"], indirect=True)
def test_a_pool_that_is_started_again_while_it_stops_is_not_said_to_be_stopped(service: RunningService) -> None:
    """By somebody else, while the one who has stopped it waits; and a stop that changes nothing is no event."""
    held = Held(service, "one")
    row_in_module(service, "/shop/one.gate")
    stopping = Slow(service, StopPool(name="Shop"))
    stopping.wait_for_news("/shop/one.gate")
    assert service.ask(StartPool(name="Shop")) == Done(text="pool Shop takes requests")
    assert held.release()["status"] == 200
    assert stopping.done() == "pool Shop was stopped, and has been started again meanwhile"
    for _ in range(2):
        assert service.ask(StopPool(name="Shop")) == Done(text="pool Shop is stopped: its URLs answer 503")
    assert sum(" pool-stopped " in line for line in service.events()) == 2


def row_in_module_elsewhere(service: RunningService, url: str, pid: int) -> RequestRow:
    """The row of that request in another process than `pid`."""
    for _ in range(1000):
        if pid not in workers_of(service):
            return row_in_module(service, url)
    raise AssertionError(f"process {pid} is still there")


def test_what_cannot_be_unloaded_is_refused_with_what_to_do_instead(service: RunningService) -> None:
    """Low applications, unknown ones, and everything in worker process isolation mode; all names that IIS has."""

    def refused(name: str) -> tuple[str, str]:
        with pytest.raises(CommandFailed) as caught:
            service.ask(UnloadApplication(name=name))
        return caught.value.message, caught.value.remedy

    message, remedy = refused("/nowhere")
    assert "no application /nowhere" in message
    assert "1:/shop/deep" in remedy
    if not is_iis5(service):
        assert refused("/shop")[1] == "isapy recycle pool Shop"
        return
    message, remedy = refused("/")
    assert "inside inetinfo" in message
    assert "Medium" in remedy
    for name in ("/shop/deep", "1:/shop/deep", "Default Web Site/shop/deep", "/lm/w3svc/1/root/shop/deep"):
        pid = json.loads(service.get("/shop/deep/a.where").body)["pid"]
        reply = service.ask(UnloadApplication(name=name))
        assert isinstance(reply, Done)
        assert "dllhost pooled has ended" in reply.text
        assert pid not in workers_of(service)
    reply = service.ask(UnloadApplication(name="/shop/deep"))
    assert isinstance(reply, Done)
    assert "does not run" in reply.text
