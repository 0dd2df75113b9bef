"""preloadApplications: what the pool's parent imports, its workers find; what goes wrong there harms nobody."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_site

KNOWS_IMMORTALS = sys.version_info[:2] in ((3, 12), (3, 13))
IMPORTED = """\
import os, sys
from host.api import HandlerMapping, Response, hookimpl
{extra}
imported_by, held = os.getpid(), ["by the module"]

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Imported", path="*.imported")]

@hookimpl
async def handle(request):
    return Response.json({{"imported_by": imported_by, "pid": os.getpid(), "references": sys.getrefcount(held[0])}})
"""
THREAD = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True, name='of a plugin').start()"
HANGS = "import threading; threading.Event().wait()"
DIES_ONCE = """
import pathlib, signal
if not pathlib.Path({marker!r}).exists():
    pathlib.Path({marker!r}).touch()
    os.kill(os.getpid(), signal.SIGKILL)"""


def write(folder: Path, extra: str = "", pool: str = "") -> tuple[Path, Path]:
    config = write_site(folder, default_pool=pool)
    config.write_text(
        config.read_text().replace('name="DefaultAppPool"', 'name="DefaultAppPool" preloadApplications="true"')
    )
    plugin = folder / "extensions" / "imported.py"
    plugin.write_text(IMPORTED.format(extra=extra))
    return config, plugin


def ask(service: RunningService) -> dict[str, int]:
    answer: dict[str, int] = json.loads(service.get("/a.imported").body)
    return answer


def test_workers_find_what_their_parent_imported_and_a_changed_file_is_loaded_anew(tmp_path: Path) -> None:
    """Filters too, and a plugin that fails to import stays the worker's own affair. What workers find they share for
    good, where Python can do that: nobody counts references to it."""
    config, plugin = write(tmp_path)
    (tmp_path / "extensions" / "broken.py").write_text("raise SystemExit(3)\n")
    with running(tmp_path, config) as service:
        parent = service.pid_of("pool DefaultAppPool")
        first = ask(service)
        assert first["imported_by"] == parent != first["pid"]
        assert (first["references"] > 1_000_000) == KNOWS_IMMORTALS
        service.wait_for_event("preload-failed", "broken.py is not preloaded: SystemExit: 3")
        service.wait_for_event("plugin-failed", "broken", "worker=DefaultAppPool#1")
        assert service.get("/a.where").headers["x-marker"] == "seen"
        plugin.write_text(plugin.read_text().replace('"pid"', '"pid": 0, "own"'))
        wait_until(lambda: "own" in ask(service), tmp_path, "the changed plugin")
        changed = ask(service)
        assert changed["imported_by"] == changed["own"]
        assert changed["references"] < 1_000_000
        assert service.pid_of("pool DefaultAppPool") == parent


def test_threads_of_an_import_cost_the_parent_and_nothing_is_preloaded(tmp_path: Path) -> None:
    """A process with threads must not fork: the next parent imports nothing, the pool works."""
    config, _ = write(tmp_path, THREAD)
    with running(tmp_path, config) as service:
        answer = ask(service)
        assert answer["imported_by"] == answer["pid"]
        line = service.wait_for_event("preload-failed", "a plugin has started threads while it was imported")
        assert "(of a plugin)" in line
        service.wait_for_event("preload-failed", "ended by exit code 79 while it imported plugins: nothing")


def test_a_parent_that_dies_of_an_import_is_replaced_by_one_that_imports_nothing(tmp_path: Path) -> None:
    """Whatever native code does while it is loaded: the pool comes up."""
    config, _ = write(tmp_path, DIES_ONCE.format(marker=str(tmp_path / "marker")))
    with running(tmp_path, config) as service:
        answer = ask(service)
        assert answer["imported_by"] == answer["pid"]
        line = service.wait_for_event("preload-failed", "ended by signal 9 (SIGKILL) while it imported plugins (")
        assert f"({tmp_path}/extensions/" in line


def test_a_parent_that_imports_for_too_long_is_ended_and_the_limit_is_named(tmp_path: Path) -> None:
    """The next one imports nothing; what a worker makes of such a plugin is its own affair."""
    config, _ = write(
        tmp_path, "import threading; threading.Event().wait()", '<processModel startupTimeLimit="00:00:02" />'
    )
    with running(tmp_path, config) as service:
        line = service.wait_for_event("preload-failed", "startupTimeLimit is 2 s", "while it imported plugins (")
        assert f"({tmp_path}/extensions/" in line


WHO_IMPORTED = """\
import importlib, os, sys
from host.api import HandlerMapping, Response, hookimpl

here = os.getpid()
found = sorted(name for name in sys.modules if name.startswith("host_"))

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Who", path="*.who")]

@hookimpl
async def handle(request):
    return Response.json({"imported_by": here, "pid": os.getpid(), "found": found})
"""


def test_isapys_own_plugins_are_imported_by_the_parent_in_any_case_and_others_are_not(tmp_path: Path) -> None:
    """Without preloadApplications: when a drop-in runs in the worker, the bundled ones are there already, also those
    whose names come after its own; a drop-in of a bundled one's name takes its place, in the worker."""
    config = write_site(tmp_path)
    (tmp_path / "extensions" / "aaa.py").write_text(WHO_IMPORTED)
    (tmp_path / "extensions" / "script.py").write_text(WHO_IMPORTED.replace("*.who", "*.own"))
    with running(tmp_path, config) as service:
        answer = json.loads(service.get("/x.who").body)
        assert answer["imported_by"] == answer["pid"] != service.pid_of("pool DefaultAppPool")
        assert {"host_extensions.static_file", "host_extensions.cgi", "host_filters.request_filtering"} <= set(
            answer["found"]
        )
        assert "host_extensions.script" not in answer["found"]
        own = json.loads(service.get("/x.own").body)
        assert own["imported_by"] == own["pid"]
