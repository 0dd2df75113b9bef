"""`isapy trace`: the walk of one request, in both process models; nobody else can have one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.admin.commands import BeginTrace, TraceToken
from tests.cli.command_line import isapy
from tests.managed.test_pipeline_page import write_sample
from tests.running_service import running

REWRITES = """from host.api import hookimpl

@hookimpl
def begin_request(request):
    if request.raw_target == "/old.order?n=2":
        request.set_url("/new.order?n=2")
"""


def write_site(folder: Path, mode: str) -> Path:
    """The managed sample, and a module that rewrites."""
    config = write_sample(folder, mode, "Integrated", "High")
    (folder / "filters").mkdir()
    (folder / "filters" / "rewrites.py").write_text(REWRITES)
    listed = '<system.webServer><modules><add name="rewrites" /></modules></system.webServer></configuration>'
    config.write_text(config.read_text().replace("</configuration>", listed))
    return config


@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_walk_shows_who_was_called_what_was_mapped_and_the_status(tmp_path: Path, mode: str) -> None:
    """In IIS 5 isolation mode the handler is one step: it runs in a dllhost. The first request starts the worker."""
    with running(tmp_path, write_site(tmp_path, mode)) as service:
        url = f"http://127.0.0.1:{service.port}/old.order?n=2"
        shown = isapy(
            "trace", url, "--header", "X-Who: ada", "--config", str(service.config), environment=service.environment
        )
        assert shown.returncode == 0, shown.stderr
        assert "GET /old.order?n=2 was answered with 200 by " in shown.stdout
        assert "rewrote /old.order?n=2 to /new.order?n=2" in shown.stdout
        found = isapy("trace", url, "--json", "--config", str(service.config), environment=service.environment)
        steps = json.loads(found.stdout)
        events = [(step["event"], step["by"]) for step in steps]
        assert events[0][0] == "map path"
        assert ("begin_request", "rewrites") in events
        if mode == "WorkerProcess":
            assert events.index(("begin_request", "rewrites")) < events.index(("begin_request", "Who"))
            assert ("handle", "managed") in events
        else:
            assert any(event == "handle" and by.startswith("dllhost ") for event, by in events)
            assert not any("dllhost dllhost" in by for _, by in events)
        assert next(step for step in steps if step["event"] == "sent")["outcome"] == "200.0"
        assert [step["at"] for step in steps] == sorted(step["at"] for step in steps)
        assert service.has_event("request-traced")


def test_a_client_that_invents_a_token_is_not_traced_and_a_token_counts_once(tmp_path: Path) -> None:
    """The field means nothing to a worker that was not asked, and is taken out of the one request that it is for."""
    echo = "from host.api import *\n\n@hookimpl\ndef handler_mappings():\n    return "
    echo += "[HandlerMapping(name='Echo', path='*.echo')]\n\n@hookimpl\ndef handle(request):\n"
    echo += "    return Response.text(request.headers.get('X-Isapy-Trace-Token', 'none'))\n"
    config = write_site(tmp_path, "WorkerProcess")
    (tmp_path / "extensions").mkdir()
    (tmp_path / "extensions" / "echo.py").write_text(echo)
    with running(tmp_path, config) as service:
        assert service.get("/a.echo", {"X-Isapy-Trace-Token": "guessed"}).text == "guessed"
        reply = service.ask(BeginTrace())
        assert isinstance(reply, TraceToken)
        assert service.get("/a.echo", {"X-Isapy-Trace-Token": "guessed"}).text == "guessed"
        assert service.get("/a.echo", {"X-Isapy-Trace-Token": reply.token}).text == "none"
        assert service.get("/a.echo", {"X-Isapy-Trace-Token": reply.token}).text == reply.token
        service.wait_for_event("request-traced")
        refused = isapy("trace", "shop", "--config", str(config), environment=service.environment)
        assert "neither a URL nor a path: shop" in refused.stderr


def test_a_body_that_cannot_be_read_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    """A sentence that names the file, no traceback; no service is needed to see it."""
    for file, cause in ((tmp_path / "gone", "No such file or directory"), (tmp_path, "Is a directory")):
        shown = isapy("trace", "http://127.0.0.1:1/", "--method", "POST", "--data", str(file))
        assert shown.returncode == 2
        assert shown.stderr == f"isapy: {file} cannot be read: {cause}\n       --data names a file\n"
