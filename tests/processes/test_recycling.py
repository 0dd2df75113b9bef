"""Recycling under load: overlapped and not, by requests, command, plugin and web.config; no request is lost."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from host.admin.commands import Done, RecyclePool
from tests.processes.test_changes import Load, save
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import WHERE, write_site

pytestmark = pytest.mark.slow

POOL = "DefaultAppPool"


def pid_at(service: RunningService, path: str = "/a.where") -> int:
    """Process id of the worker that answers."""
    return int(json.loads(service.get(path).body)["pid"])


def most_at_once(service: RunningService, pool: str = POOL) -> int:
    """How many workers of the pool were alive at the same time, as the event log tells it."""
    alive: set[str] = set()
    most = 0
    for line in service.events():
        name = re.search(rf"worker=({pool}#\d+)", line)
        if name and " process-started " in line:
            alive.add(name[1])
        elif name and (" process-ended " in line or " worker-died " in line):
            alive.discard(name[1])
        most = max(most, len(alive))
    return most


@pytest.mark.parametrize(("disallow", "most"), [("false", 2), ("true", 1)])
def test_recycling_under_load_loses_no_request(tmp_path: Path, disallow: str, most: int) -> None:
    """By the count of requests, again and again: with overlap there are two workers for a while, without it never."""
    recycling = f'<recycling disallowOverlappingRotation="{disallow}"><periodicRestart requests="25" /></recycling>'
    with running(tmp_path, write_site(tmp_path, default_pool=recycling)) as service:
        with Load(service, "/a.where") as load:
            line = service.wait_for_event("recycle-requests", count=3)
            assert "periodicRestart/@requests is 25, the worker has served 25" in line
        assert load.failures == []
        told = [line for line in service.events() if " recycle-requests " in line]
        assert all("the worker has served 25" in line for line in told)
        assert most_at_once(service) == most
        service.wait_for_event("process-ended", "recycled (periodicRestart/@requests", "exit code 0", count=3)


def test_another_number_of_requests_waits_for_the_next_recycle_where_a_change_recycles_nobody(tmp_path: Path) -> None:
    """A worker that has served more than the new limit serves on (disallowRotationOnConfigChange); the next counts."""
    recycling = '<recycling disallowRotationOnConfigChange="true"><periodicRestart requests="0" /></recycling>'
    config = write_site(tmp_path, default_pool=recycling)
    with running(tmp_path, config) as service:
        first = pid_at(service)
        for _ in range(4):
            service.get("/a.where")
        save(config, lambda text: text.replace('requests="0"', 'requests="3"'))
        service.wait_for_event("configuration-applied")
        assert pid_at(service) == first
        assert isinstance(service.ask(RecyclePool(name=POOL)), Done)
        for _ in range(3):
            service.get("/a.where")
        assert "the worker has served 3" in service.wait_for_event("recycle-requests", f"{POOL}#2 is recycled")
        assert not service.has_event("recycle-requests", f"{POOL}#1 is recycled")


def test_a_replacement_that_cannot_start_leaves_the_old_worker_serving(tmp_path: Path) -> None:
    """A plugin that ends its process on import: the event says so, the pool is not disabled, the repaired file is taken
    at once."""
    failure = '<failure rapidFailProtectionMaxCrashes="1" />'
    with running(tmp_path, write_site(tmp_path, default_pool=failure)) as service:
        before = pid_at(service)
        plugin = tmp_path / "extensions" / "where.py"
        with Load(service, "/a.where") as load:
            save(plugin, lambda text: "import os\nos._exit(3)\n" + text)
            line = service.wait_for_event("recycle-failed", f"{POOL}#1 goes on serving")
            assert "exit code 3" in line
            assert pid_at(service) == before
            save(plugin, lambda _text: WHERE.replace('"method"', '"verb"'))
            assert wait_until(lambda: b'"verb"' in service.get("/a.where").body, tmp_path, "the repaired plugin")
        assert load.failures == []
        assert pid_at(service) != before
        assert not service.has_event("pool-rapid-fail")


def test_a_changed_web_config_recycles_its_pool_once_and_a_broken_one_never(tmp_path: Path) -> None:
    """At any folder of an application; several saves are one recycle. A pool that disallows rotation on a change, and
    one whose events nobody wants, are obeyed. A broken file at an application's root outlives its workers."""
    config = write_site(tmp_path)
    quiet = '<add name="Shop"><recycling disallowRotationOnConfigChange="true" logEventOnRecycle="Time" /></add>'
    config.write_text(config.read_text().replace('<add name="Shop" />', quiet))
    web_config, shop_config = tmp_path / "wwwroot" / "folder" / "web.config", tmp_path / "shop" / "web.config"

    def write(path: Path, settings: str) -> None:
        path.write_text(f"<configuration><system.webServer>{settings}</system.webServer></configuration>")

    with running(tmp_path, config) as service:
        before, shop_before = pid_at(service), pid_at(service, "/shop/a.where")
        service.get("/folder/")
        service.get("/shop/")
        with Load(service, "/folder/index.html") as load:
            for place in range(3):
                write(web_config, f'<directoryBrowse enabled="{"true" if place % 2 == 0 else "false"}" />')
            assert "folder/web.config" in service.wait_for_event("recycle-config-change", "web.config changed")
            assert wait_until(lambda: pid_at(service) != before, tmp_path, "another worker")
            service.wait_for_event("process-ended", "recycled")  # until then the one before may answer
            service.get("/folder/")
            write(web_config, "<directoryBrowze />")
            service.wait_until_answered(
                "/folder/", lambda: service.has_event("configuration-refused", "directoryBrowze")
            )
            write(shop_config, '<directoryBrowse enabled="true" /><httpRedirect enabled="true" />')
            assert wait_until(lambda: service.get("/shop/missing/").status == 404, tmp_path, "a look at the shop")
            assert "not redirected" in service.wait_for_event("configuration-warning", "shop/web.config")
        assert load.failures == []
        now = pid_at(service)
        assert isinstance(service.ask(RecyclePool(name="Shop")), Done)
        assert pid_at(service, "/shop/a.where") != shop_before
        assert (pid_at(service), service.has_event("recycle-on-demand")) == (now, False)
        assert len([line for line in service.events() if "recycle-config-change" in line]) == 1
        shop_config.write_text("<configuration")
        service.wait_until_answered("/shop/", lambda: service.has_event("configuration-refused", "shop/web.config"))
        assert isinstance(service.ask(RecyclePool(name="Shop")), Done)
        assert service.get("/shop/").status == 200  # by what the file said when it was good last
        config.write_text(config.read_text().replace('logEventOnRecycle="Time"', 'logEventOnRecycle="Time, Memory"'))
        service.wait_for_event("configuration-applied")
        assert isinstance(service.ask(RecyclePool(name="Shop")), Done)
        assert service.get("/shop/").status == 200
