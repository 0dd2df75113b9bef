"""One change while another is under way: what the first was about is not forgotten."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from host.admin.commands import Done, RecyclePool
from tests.running_service import running, wait_until
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

ENDLESS = """\
import asyncio
from host.api import HandlerMapping, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Endless", path="*.endless")]

@hookimpl
async def handle(request):
    await asyncio.Event().wait()
"""


def test_a_replacement_that_is_recycled_itself_leaves_nobody_unreplaced(tmp_path: Path) -> None:
    """Recycled again and again, also while replacements are starting: each command is answered when its workers are
    gone, and one worker serves at the end."""
    with running(tmp_path, write_site(tmp_path)) as service:
        first = json.loads(service.get("/a.where").body)["pid"]
        replies: list[object] = []
        threads = [
            threading.Thread(target=lambda: replies.append(service.ask(RecyclePool(name="DefaultAppPool"))))
            for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [type(reply) for reply in replies] == [Done] * 6
        assert json.loads(service.get("/a.where").body)["pid"] != first
        assert len([title for title in service.titles() if title.startswith("worker DefaultAppPool#")]) == 1


@pytest.mark.parametrize("modes", [("WorkerProcess", "IIS5"), ("IIS5", "WorkerProcess")], ids=["to-iis5", "from-iis5"])
def test_replaced_processes_have_the_configured_time_to_end(tmp_path: Path, modes: tuple[str, str]) -> None:
    """The longest shutdownTimeLimit of a pool: a request that never ends does not keep them for the default of 90 s."""
    short = '<processModel shutdownTimeLimit="00:00:01" />'
    config = write_site(tmp_path, mode=modes[0], default_pool=short)
    config.write_text(config.read_text().replace(' name="Shop" />', f' name="Shop">{short}</add>'))
    config.write_text(config.read_text().replace(' name="Deep" />', f' name="Deep">{short}</add>'))
    (tmp_path / "extensions" / "endless.py").write_text(ENDLESS)
    with running(tmp_path, config) as service, service.connect() as connection:
        connection.sendall(b"GET /a.endless HTTP/1.1\r\nHost: x\r\n\r\n")
        service.wait_for_requests(1)
        old = {process.pid for process in service.tree()} - {service.pid_of("nursery")}
        config.write_text(config.read_text().replace(f'mode="{modes[0]}"', f'mode="{modes[1]}"'))
        service.wait_for_event("isolation-switched")
        wait_until(lambda: not old & {process.pid for process in service.tree()}, tmp_path, "the old processes' end")
        assert service.get("/a.where").status == 200
