"""Files saved while isapy runs: a good configuration, a broken one, the isolation switch, a plugin, a web.config."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from host.admin.commands import Done, ListPlugins, Plugins, RecyclePool, StopPool
from tests.running_service import RunningService, free_port, running, wait_until
from tests.sample_site import write_site

MODES = ("workerprocess", "iis5")
BROKEN = """\
from host.api import HandlerMapping, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Broken", path="*.broken")]

raise RuntimeError("out of order")
"""


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """With a plugin that does not load, and a second document in one folder; for changes below the configuration."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_site(folder)
    (folder / "extensions" / "broken.py").write_text(BROKEN)
    (folder / "wwwroot" / "folder" / "start.htm").write_text("started here\n")
    mapping = '<add name="Broken" path="*.broken" verb="*" modules="broken" />'
    config.write_text(config.read_text().replace('<add name="Script"', f'{mapping}\n      <add name="Script"'))
    with running(folder, config, "--isolation", request.param) as it:
        yield it


class Load:
    """GETs, each on a connection of its own, from two threads, until the end; keeps every failure."""

    def __init__(self, service: RunningService, path: str) -> None:
        self._service, self._path = service, path
        self._stop = threading.Event()
        self.answers = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                status = self._service.get(self._path).status
            except OSError as error:
                self.failures.append(repr(error))
                continue
            self.answers += 1
            if status != 200:
                self.failures.append(str(status))

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def save(path: Path, change: Callable[[str], str]) -> None:
    """As an editor does: a new file, renamed over the old one."""
    new = path.with_suffix(".new")
    new.write_text(change(path.read_text()))
    new.replace(path)


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_saved_configuration_takes_effect_without_a_refused_connection(tmp_path: Path, mode: str) -> None:
    """Another folder for a virtual directory, under load."""
    config = write_site(tmp_path, mode=mode)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "note.txt").write_text("another note\n")
    with running(tmp_path, config) as service:
        assert service.get("/media/note.txt").text == "a note\n"
        with Load(service, "/media/note.txt") as load:
            save(config, lambda text: text.replace("../media", "../other"))
            service.wait_for_event("configuration-applied")
            assert wait_until(lambda: service.get("/media/note.txt").text == "another note\n", tmp_path, "new folder")
            wait_until(lambda: load.answers > 10, tmp_path, "some load")
        assert load.failures == []


def test_a_broken_configuration_changes_nothing_and_says_why(tmp_path: Path) -> None:
    """The event names file, line and remedy; the old configuration serves on; the repaired file is taken."""
    config = write_site(tmp_path)
    with running(tmp_path, config) as service, Load(service, "/") as load:
        save(config, lambda text: text.replace("requireAccess", "requireAcess", 1))
        line = service.wait_for_event("configuration-refused")
        assert "applicationHost.config:" in line
        assert "requireAcess" in line
        assert service.get("/a.where").status == 200
        save(config, lambda text: text.replace("requireAcess", "requireAccess").replace("../media", "../deep"))
        service.wait_for_event("configuration-applied")
        assert wait_until(lambda: service.get("/media/index.html").text == "the deep\n", tmp_path, "repair")
    assert load.failures == []


DIES_IN_INETINFO = """\
import os
from host.api import hookimpl

@hookimpl
def load(context):
    if b"inetinfo" in open("/proc/self/cmdline", "rb").read():
        os._exit(9)
"""


def test_a_switch_whose_processes_cannot_start_changes_nothing(tmp_path: Path) -> None:
    """Neither the mode, nor the binding that was saved with it: the status says what serves, the new port refuses, the
    file that is put right is taken, and the port can be had."""
    config = write_site(tmp_path)
    dies = tmp_path / "extensions" / "dies.py"
    dies.write_text(DIES_IN_INETINFO)
    with running(tmp_path, config) as service, Load(service, "/a.where") as load:
        good, port = config.read_text(), free_port()
        binding = f'<binding protocol="http" bindingInformation="127.0.0.1:{port}:" /></bindings>'
        save(config, lambda text: text.replace('"WorkerProcess"', '"IIS5"').replace("</bindings>", binding, 1))
        line = service.wait_for_event("configuration-refused")
        assert "inetinfo: exit code 9; the configuration before it stays in force" in line
        status = service.status()
        assert (status.configuration_version, status.isolation_mode) == (1, "WorkerProcess")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        assert not service.has_event("configuration-applied")
        assert not service.has_event("isolation-switched")
        save(config, lambda _text: good.replace("</bindings>", binding, 1))
        service.wait_for_event("configuration-applied", "version 2")
        socket.create_connection(("127.0.0.1", port)).close()
        dies.unlink()
        save(config, lambda text: text.replace('"WorkerProcess"', '"IIS5"'))
        service.wait_for_event("isolation-switched", "to IIS5")
    assert load.failures == []


def test_saving_the_switch_changes_the_process_model_of_the_running_service(tmp_path: Path) -> None:
    """To IIS 5 and back, under load, without a refused connection or a failed request. For pools that is a restart: one
    that was stopped by hand serves again."""
    config = write_site(tmp_path)
    with running(tmp_path, config) as service:
        assert isinstance(service.ask(StopPool(name="Shop")), Done)
        assert service.get("/shop/a.where").status == 503
        with Load(service, "/a.where") as load:
            save(config, lambda text: text.replace('mode="WorkerProcess"', 'mode="IIS5"'))
            service.wait_for_event("isolation-switched", "IIS5")
            service.wait_for_event("configuration-applied", count=1)
            assert "inetinfo" in service.titles()
            assert service.get("/shop/a.where").status == 200
            save(config, lambda text: text.replace('mode="IIS5"', 'mode="WorkerProcess"'))
            service.wait_for_event("configuration-applied", count=2)
            assert "listener" in service.titles()
            assert service.get("/shop/a.where").status == 200
        assert load.failures == []
        service.wait_for_event("process-ended", "inetinfo")


def test_saving_a_plugin_file_replaces_the_process_that_runs_it(service: RunningService) -> None:
    """The new code answers, in a new process, and no request is lost meanwhile."""
    before = json.loads(service.get("/shop/a.where").body)["pid"]
    with Load(service, "/shop/a.where") as load:
        save(service.folder / "extensions" / "where.py", lambda text: text.replace('"method"', '"verb"'))
        assert wait_until(lambda: b'"verb"' in service.get("/shop/a.where").body, service.folder, "the new code")
    assert load.failures == []
    assert json.loads(service.get("/shop/a.where").body)["pid"] != before


def test_a_plugin_that_does_not_load_breaks_its_mapping_only(service: RunningService) -> None:
    """500 with the traceback for a local client on its URLs; everything else works."""
    answer = service.get("/x.broken")
    assert (answer.status, "500.21" in answer.text, "out of order" in answer.text) == (500, True, True)
    assert service.get("/a.where").status == 200
    service.wait_for_event("plugin-failed", "broken")


COMPUTED = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def module_names():
    return ["Kinds"]

@hookimpl
def handler_mappings():
    return [HandlerMapping(name=f"{kind} files", path=f"*.{kind}") for kind in ("first", "second")]

@hookimpl
def handle(request):
    return Response.text("of a kind\\n")
"""


def test_a_plugin_that_was_saved_with_a_mistake_is_named_where_it_answered(tmp_path: Path) -> None:
    """As ASP.NET shows a compiler's error: 500 with file and line where it has answered before, not 404; also from the
    worker behind the next, and of another parent."""
    plugin = tmp_path / "extensions" / "kinds.py"
    with running(tmp_path, write_site(tmp_path, default_pool="")) as service:
        plugin.write_text(COMPUTED)
        wait_until(lambda: service.get("/a.first").status == 200, tmp_path, "the plugin")
        wait_until(lambda: "kinds" in plugins_of(service), tmp_path, "what the service knows of it")

        def is_named() -> bool:
            answer = service.get("/a.second")
            assert answer.status in (200, 500), answer.text
            return answer.status == 500 and "500.21" in answer.text and "SyntaxError" in answer.text

        save(plugin, lambda text: text + "def wrong(:\n")
        wait_until(is_named, tmp_path, "the syntax error")
        assert f"{plugin}:14" in service.get("/a.first").text
        for reason in ("asked for by the administrator", "the one before it died"):
            if reason.startswith("the one"):
                os.kill(service.pid_of("pool DefaultAppPool"), signal.SIGKILL)
                service.wait_for_event("process-started", reason)
            else:
                service.ask(RecyclePool(name="DefaultAppPool"))
            assert is_named()
        save(plugin, lambda text: text.replace("def wrong(:\n", ""))
        wait_until(lambda: service.get("/a.second").status == 200, tmp_path, "the plugin")


def plugins_of(service: RunningService) -> set[str]:
    reply = service.ask(ListPlugins())
    assert isinstance(reply, Plugins)
    return {row.name for row in reply.rows}


def test_a_web_config_takes_effect_and_a_broken_one_keeps_the_last_good(service: RunningService) -> None:
    """Another default document for one folder; then a mistake, which is an event and no outage."""
    web_config = service.folder / "wwwroot" / "folder" / "web.config"
    assert service.get("/folder/").text == "in the folder\n"
    document = '<defaultDocument><files><add value="start.htm" /></files></defaultDocument>'
    web_config.write_text(f"<configuration><system.webServer>{document}</system.webServer></configuration>")
    assert wait_until(lambda: service.get("/folder/").text == "started here\n", service.folder, "web.config")
    if "listener" in service.titles():  # WorkerProcess: the pool is recycled, too; what follows is for the new worker
        service.wait_for_event("process-ended", "web.config changed")
        assert service.get("/folder/").text == "started here\n"
    web_config.write_text("<configuration><system.webServer><defaultDocumint /></system.webServer></configuration>")
    service.wait_until_answered("/folder/", lambda: service.has_event("web.config", "defaultDocumint"))
    assert service.get("/folder/").text == "started here\n"
    assert service.get("/").status == 200
