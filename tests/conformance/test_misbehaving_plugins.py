"""Plugins that end, hold or fill their process: their own pool feels it, and the event log names them.

Drop-in extensions load in every worker, so these are modules, each listed by one application in a pool of its own. In
IIS 5 isolation mode filters and modules live in inetinfo by design: there a crash takes the web server.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from host.worker.hooks import HOOK_NAMES
from tests.plugins.every_hook import RAISES, write_plugin
from tests.running_service import RunningService, running
from tests.sample_site import WHERE

pytestmark = pytest.mark.slow

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"
AT_LOAD = {"ends_on_load": "exit code 3", "faults_on_load": "SIGSEGV"}
NAMES = (*AT_LOAD, "hangs_on_load", "leaks", "bad")
LEAK_KILOBYTES = 150_000

POOL = """<add name="{name}"><failure rapidFailProtectionMaxCrashes="1" />
    <processModel startupTimeLimit="00:00:{startup}" />{recycling}</add>"""
APPLICATION = """<application path="/{name}" applicationPool="{name}">
    <virtualDirectory path="/" physicalPath="../wwwroot" /></application>"""
LOCATION = """<location path="Default Web Site/{name}"><system.webServer><modules><add name="{name}" /></modules>
    </system.webServer></location>"""
CONFIG = """<configuration>
  <system.applicationHost>
    <applicationPools><add name="Good" />{pools}</applicationPools>
    <sites><site name="Default Web Site" id="1">
      <application path="/" applicationPool="Good"><virtualDirectory path="/" physicalPath="../wwwroot" /></application>
      {applications}
      <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
    </site></sites>
  </system.applicationHost>
  {locations}
</configuration>"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("misbehaving")
    for name in ("conf", "wwwroot", "extensions", "filters"):
        (folder / name).mkdir()
    (folder / "extensions" / "where.py").write_text(WHERE)
    for name in NAMES[:-1]:
        shutil.copy(PLUGINS / f"{name}.py", folder / "filters")
    write_plugin(folder / "filters", "bad", RAISES, armed="begin_request", without="on_read_raw_data")
    leaking = f'<recycling><periodicRestart privateMemory="{LEAK_KILOBYTES}" /></recycling>'
    pools = [
        POOL.format(
            name=name,
            startup="20" if name == "hangs_on_load" else "59",
            recycling=leaking if name == "leaks" else "",
        )
        for name in NAMES
    ]
    config = folder / "conf" / "applicationHost.config"
    config.write_text(
        CONFIG.format(
            pools="".join(pools),
            applications="".join(APPLICATION.format(name=name) for name in NAMES),
            locations="".join(LOCATION.format(name=name) for name in NAMES),
        )
    )
    with running(folder, config) as started:
        yield started


def pid_at(service: RunningService, application: str = "") -> int:
    """The process that serves there."""
    answer = service.get(f"{application}/a.where")
    assert answer.status == 200, answer.text
    return int(json.loads(answer.body)["pid"])


@pytest.mark.parametrize("name", AT_LOAD)
def test_a_plugin_that_ends_its_process_at_load_costs_its_pool_alone(service: RunningService, name: str) -> None:
    """The pool is disabled after the crashes that it is allowed; the event says how it ended and in which file."""
    before = pid_at(service)
    assert service.get(f"/{name}/a.where").status == 503
    died = service.wait_for_event("worker-died", f"{name}#1", AT_LOAD[name])
    assert f"filters/{name}.py (load)" in died
    service.wait_for_event("pool-rapid-fail", name)
    assert pid_at(service) == before


def test_a_plugin_that_does_not_return_from_load_is_ended_and_named(service: RunningService) -> None:
    """After startupTimeLimit (which the pool's parent has to meet, too); others do not wait for it."""
    before = pid_at(service)
    with ThreadPoolExecutor(1) as executor:
        waiting = executor.submit(service.get, "/hangs_on_load/a.where")
        service.wait_for_event("process-started", "worker hangs_on_load#1")
        assert pid_at(service) == before
        assert waiting.result().status == 503
    late = service.wait_for_event("worker-startup-limit", "hangs_on_load#1", "was not ready within 20 s: it is in ")
    assert "filters/hangs_on_load.py (load)" in late
    assert "filters/hangs_on_load.py (load)" in service.wait_for_event("hangs_on_load#1", "SIGKILL")
    assert pid_at(service) == before


def test_a_plugin_that_leaks_has_its_worker_recycled(service: RunningService) -> None:
    """By the pool's limit of private memory, with no request lost; the event says how much it was."""
    before, good = pid_at(service, "/leaks"), pid_at(service)
    for _ in range(5):
        assert service.get("/leaks/a.where").status == 200
    assert "leaks#1" in service.wait_for_event("recycle-private-memory", str(LEAK_KILOBYTES))
    service.wait_until_answered("/leaks/a.where", lambda: service.has_event("process-ended", "leaks#1"))
    assert pid_at(service, "/leaks") != before
    assert pid_at(service) == good


def test_a_module_that_raises_costs_its_application_s_requests(service: RunningService) -> None:
    """The same in real processes: 500.0 with the plugin's name, its worker lives on, others serve."""
    assert "begin_request" in HOOK_NAMES
    for _ in range(3):
        answer = service.get("/bad/a.where")
        assert (answer.status, "begin_request does not work" in answer.text) == (500, True)
    service.wait_for_event("plugin-error", "bad.begin_request raised LookupError", count=3)
    assert not service.has_event("worker-died", "bad#1")
    assert pid_at(service)
