"""How applications start, what is said when they cannot, and what a changed file does."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python_apps.site import Application, PythonSite, wait_for_text
from tests.running_service import RunningService, running

pytestmark = pytest.mark.slow

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%s"]
"""
CODE = {
    "first": ("first", HELLO % "first"),
    "second": ("second", HELLO % "second"),
    "clash": ("first", HELLO % "another module of that name"),
    "raises": ("raises", "import json\n\nvalue = 1 // 0\n"),
    "syntax": ("syntax", "def application(:\n"),
    "needs": ("needs", "import no_such_library\n"),
    "exits": ("exits", "import sys\nsys.exit('no settings')\n"),
    "attribute": ("attribute", "def aplication(environ, start_response): pass\n"),
    "text": ("text", "application = 'a text'\n"),
    "is_asgi": ("is_asgi", "async def application(scope, receive, send): pass\n"),
    "is_wsgi": ("is_wsgi", HELLO % "wsgi"),
    "factory": (
        "factory",
        HELLO % "made" + "def make(a, *, b):\n    assert (a, b) == ('a', 2)\n    return application\n",
    ),
    "venv": ("venv_app", "from only_there import NAME\n" + HELLO % "venv"),
    "no_venv": ("no_venv", HELLO % "no venv"),
    "old_venv": ("old_venv", HELLO % "old"),
    "directory": ("directory", HELLO % "x"),
    "moody": (
        "moody",
        """
import os
async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        if os.path.exists("moody.txt"):
            await send({"type": "lifespan.startup.failed", "message": "the database is away"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"good mood"})
""",
    ),
    "silent": ("silent", "async def application(scope, receive, send):\n    assert scope['type'] == 'http'\n"),
}
PROCESSORS = {"factory": "factory:make('a', b=2)", "nowhere": "absent.wsgi:app", "no_name": "not a name"}
ASGI = ("is_wsgi", "moody", "silent")
POOLS = {
    "first": "One",
    "second": "One",
    "clash": "One",
    "directory": "One",
    "venv": "Venv",
    "no_venv": "Venv",
    "moody": "Moody",
}


def write_site(folder: Path) -> Path:
    """An application for each way of starting, and of failing to."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "environment"], check=True)
    packages = next((folder / "environment" / "lib").glob("python3*")) / "site-packages"
    (packages / "only_there.py").write_text("NAME = 'from the environment'\n")
    old = folder / "old-environment"
    old.mkdir()
    (old / "pyvenv.cfg").write_text("home = /usr/bin\nversion = 3.7.9\n")
    site = PythonSite(folder, [Application("/", "", "absent:app", pool="Root")])
    for name in [*CODE, "nowhere", "no_name"]:
        module, code = CODE.get(name, ("", ""))
        target = site.folder_of(f"/{name}")
        target.mkdir()
        if module:
            (target / f"{module}.py").write_text(code)
        site.applications.append(
            Application(
                f"/{name}",
                "",
                PROCESSORS.get(name, f"{module}:application"),
                "AsgiModule" if name in ASGI else "WsgiModule",
                POOLS.get(name, "Broken"),
                settings={
                    "venv": f'virtualEnvironment="{folder / "environment"}"',
                    "old_venv": f'virtualEnvironment="{old}"',
                    "directory": f'workingDirectory="{folder}"',
                    "silent": 'lifespan="On"',
                }.get(name, ""),
            )
        )
    (site.folder_of("/moody") / "moody.txt").write_text("")
    return site.write()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("starting")
    with running(folder, write_site(folder)) as started:
        yield started


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", ["there is no module absent", "no virtual environment"]),
        ("no_name", ["names no module", "module:callable"]),
        ("raises", ["importing raises raised ZeroDivisionError", "raises.py:3", "Traceback"]),
        ("syntax", ["importing syntax raised SyntaxError", "syntax.py:1"]),
        ("needs", ["importing needs raised ModuleNotFoundError: No module named", "no_such_library", "needs.py:1"]),
        ("exits", ["importing exits raised SystemExit: no settings"]),
        ("attribute", ["has no application; did you mean aplication?"]),
        ("text", ["text:application is a str, not a callable"]),
        ("is_asgi", ["an ASGI application", "AsgiModule"]),
        ("is_wsgi", ["a WSGI application", "WsgiModule"]),
        ("old_venv", ["is one of Python 3.7, but isapy runs on Python"]),
        ("silent", ["its start-up raised AssertionError"]),
    ],
)
def test_what_cannot_start_says_why(service: RunningService, name: str, words: list[str]) -> None:
    """500.21 with cause and remedy for a local client, one event; the same the second time."""
    answer = service.get(f"/{name}/page", {"Accept": "text/plain"})
    assert (answer.status, [word for word in words if word not in answer.text]) == (500, []), answer.text
    assert "HTTP Error 500.21" in answer.text
    service.wait_for_event("plugin-failed", f"/LM/W3SVC/1/ROOT/{name}: ")
    assert service.get(f"/{name}/page", {"Accept": "text/plain"}).status == 500
    failures = [line for line in service.events() if "plugin-failed" in line and f"/ROOT/{name}: " in line]
    assert len(failures) == 1


def test_applications_of_one_pool_share_their_process_when_they_can(service: RunningService) -> None:
    """Two with modules of different names; one with a name that is taken, or an other folder of its own, is refused."""
    assert (service.get("/first").text, service.get("/second").text) == ("first", "second")
    assert service.get("/factory").text == "made"
    for name, words in (("clash", "has a module first, but this process has"), ("directory", "working directory")):
        answer = service.get(f"/{name}", {"Accept": "text/plain"})
        assert (answer.status, words in answer.text, "pool of its own" in answer.text) == (500, True, True), answer.text


def test_a_process_has_one_virtual_environment(service: RunningService) -> None:
    """Its packages are found; an application without it does not run beside it, and is told why."""
    assert service.get("/venv").text == "venv"
    answer = service.get("/no_venv", {"Accept": "text/plain"})
    assert answer.status == 500
    assert "needs isapy's own packages, but this process has the virtual environment" in answer.text


def test_a_start_up_that_failed_is_tried_again(service: RunningService) -> None:
    """What the application says is told; when it has gone, a request a little later is served."""
    answer = service.get("/moody", {"Accept": "text/plain"})
    assert (answer.status, "its start-up failed: the database is away" in answer.text) == (500, True)
    (service.folder / "moody" / "moody.txt").unlink()
    wait_for_text(service, "/moody", "good mood")


def test_a_repaired_module_is_served_by_a_new_process(service: RunningService) -> None:
    """Saving the file that was to blame is enough."""
    assert service.get("/raises").status == 500
    (service.folder / "raises" / "raises.py").write_text(HELLO % "repaired")
    wait_for_text(service, "/raises", "repaired")
    service.wait_for_event("recycle-plugin-change", "raises.py")


CHANGING = """
import json, os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([os.getpid(), %d]).encode()]
"""


@pytest.mark.parametrize("mode", ["workerprocess", "iis5"])
def test_a_saved_module_replaces_the_process(tmp_path: Path, mode: str) -> None:
    """Its own file and the one that monitorChangesTo names, in both process models."""
    settings = 'monitorChangesTo="deployed.txt"'
    site = PythonSite(tmp_path, [Application("/", "", "changing:application", isolation="High", settings=settings)])
    module, touched = site.folder_of("/") / "changing.py", site.folder_of("/") / "deployed.txt"
    module.parent.mkdir()
    module.write_text(CHANGING % 1)
    with running(tmp_path, site.write(), "--isolation", mode) as service:
        pid, version = json.loads(service.get("/").body)
        assert version == 1
        module.write_text(CHANGING % 2)
        second, _ = json.loads(wait_for_text(service, "/", ", 2]"))
        assert second != pid
        touched.write_text("now")
        service.wait_until_answered("/", lambda: json.loads(service.get("/").body)[0] != second)
        service.wait_for_event("deployed.txt")
