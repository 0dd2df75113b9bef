"""`isapy run` up to the moment when it becomes the service."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from host.admin.commands import Command, Done, Reply
from host.admin.location import control_socket
from host.cli.folder_site import folder_configuration_path
from tests.admin.running_server import running_server
from tests.cli.command_line import CHECKOUT, isapy
from tests.running_service import free_port, wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """State and control sockets of the test's own, for this process too."""
    values = {"ISAPY_STATE": str(tmp_path / "state"), "ISAPY_CONTROL": str(tmp_path / "run")}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


def test_a_broken_configuration_starts_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    """Every error with file and line, status 1."""
    config = tmp_path / "applicationHost.config"
    config.write_text('<configuration>\n<system.applicationHost>\n<isolation mode="Sideways" />\n<x/>\n')
    result = isapy("run", "--config", config, environment=environment)
    assert result.returncode == 1
    assert f"{config}:" in result.stderr
    assert "nothing was started" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["run", ".", "--config", "x"], "exclude each other"),
        (["run", "--bind", "0.0.0.0"], "--bind needs FOLDER"),
        (["run", ".", "--app", "x:y"], "exclude each other"),
        (["run", "--app-dir", "."], "need --app"),
        (["run", "--venv", "."], "need --app"),
        (["run", "--app", "x:y", "--venv", "/nonexistent"], "is no folder"),
        (["run", "--interface", "asgi"], "need --app"),
        (["run", "--app", "not a module"], "names no module"),
        (["run", "--app", "x:y", "--app-dir", "/nonexistent"], "is no folder"),
        (["run", "--app", "nowhere:app"], "there is no module nowhere"),
        (["run", "/nonexistent"], "is no folder"),
        (["run", "shop.wsgi:app"], "a Python application: isapy run --app shop.wsgi:app"),
        (["run", f"{CHECKOUT}/bench/sites/hello_wsgi.py"], "isapy run --app hello_wsgi:application"),
        (["run", f"{CHECKOUT}/conf/applicationHost.config"], f"isapy run --config {CHECKOUT}/conf/"),
        (["run", ".", "--bind", "nowhere"], "is no IP address"),
        (["run", "--config", "/nonexistent.config"], "there is no file"),
    ],
)
def test_arguments_that_make_no_sense(environment: dict[str, str], arguments: list[str], reason: str) -> None:
    """Refused before anything is written."""
    result = isapy(*arguments, environment=environment)
    assert result.returncode in (1, 2)
    assert reason in result.stderr
    assert not Path(environment["ISAPY_STATE"]).exists()


def test_a_folder_that_is_served_already_is_left_alone(tmp_path: Path, environment: dict[str, str]) -> None:
    """The running service's configuration is not written over."""
    folder = tmp_path / "site"
    folder.mkdir()
    path = folder_configuration_path(folder)

    def answer(command: Command) -> Reply:
        return Done(text="")

    with running_server(control_socket(path), answer):
        result = isapy("run", folder, "--port", "9999", environment=environment)
    assert result.returncode == 1
    assert "already" in result.stderr
    assert f"isapy stop --config {path}" in result.stderr
    assert not path.exists()


def test_run_folder_says_what_it_serves_and_becomes_the_service(tmp_path: Path, environment: dict[str, str]) -> None:
    """The service takes over and, its port being taken, says so and ends. A file of the folder shadows no module."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "host.py").write_text("raise SystemExit('shadowed')")
    (folder / "signal.py").write_text("raise SystemExit('shadowed')")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = isapy("run", folder, "--port", port, environment=environment, folder=folder)
    assert result.returncode == 1, result
    assert f"serving {folder}" in result.stderr
    assert "shadowed" not in result.stderr
    assert str(port) in result.stderr.split("\n")[-2]
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("isolation", ["workerprocess", "iis5"])
@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_run_app_serves_an_application_of_either_kind(
    tmp_path: Path, environment: dict[str, str], kind: str, isolation: str
) -> None:
    """Found out by its signature, served for every URL, with the folder as the current one; nothing shows files."""
    sample = CHECKOUT / "bench" / "sites" / f"hello_{kind}.py"
    folder = tmp_path / "application"
    folder.mkdir()
    (folder / "page.py").write_text(sample.read_text())
    port = free_port()
    words = ["run", "--app", "page:application", "--app-dir", folder, "--port", port, "--isolation", isolation]
    with (tmp_path / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "host", *map(str, words)],
            stdout=output,
            stderr=output,
            cwd=tmp_path,
            env={**os.environ, **environment, "PYTHONPATH": str(CHECKOUT)},
        )
    try:

        def answers() -> bool:
            assert process.poll() is None, (tmp_path / "output.txt").read_text()
            try:
                return ask(port, "/") == (200, b"Hello, World!\n")
            except OSError:
                return False

        wait_until(answers, tmp_path, "an answer of the application")
        assert ask(port, "/page.py") == (200, b"Hello, World!\n")
        assert ask(port, "/any.hello") == (200, b"Hello, World!\n")
    finally:
        process.terminate()
        process.wait(90)
    assert process.returncode == 0


def ask(port: int, path: str) -> tuple[int, bytes]:
    """Status and body of one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
