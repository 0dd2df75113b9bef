"""The configuration of `isapy run --app`."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.cli.application_site import (
    application_configuration,
    application_configuration_path,
    place_of_modules,
    write_application_configuration,
)
from host.cli.failures import CommandLineError
from host.config.store import ServerConfiguration, Source
from host.python_apps.interface import Interface


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder is the test's own."""
    monkeypatch.setenv("ISAPY_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.mark.parametrize("interface", list(Interface))
@pytest.mark.parametrize("name", ["shop:app", "main:create_app('a & <b>', mode=\"c\")"])
def test_it_is_valid_and_serves_the_application(tmp_path: Path, name: str, interface: Interface) -> None:
    """No warning; the first mapping is the application's, for every URL, and its worker starts at once."""
    folder = tmp_path / "an & odd folder"
    folder.mkdir()
    text = application_configuration(name, folder, interface, "::1", 8081)
    server = ServerConfiguration(Source("/x/conf/y.config", text.encode()), 1)
    assert server.snapshot.warnings == ()
    (site,) = server.snapshot.sites
    (application,) = site.applications
    assert [binding.endpoint for binding in site.bindings] == ["[::1]:8081"]
    assert (application.physical_path, application.preload_enabled) == (str(folder), True)
    first = server.settings_for(application, "/any/path.hello").handlers[0]
    assert (first.path, first.modules, first.script_processor) == ("/*", interface.value, name)


def test_each_application_of_a_folder_has_a_configuration_of_its_own(tmp_path: Path, state: Path) -> None:
    """By its folder and its name; written anew each time."""
    one = write_application_configuration("shop:one", tmp_path, Interface.WSGI, "127.0.0.1", 8080)
    assert one == application_configuration_path("shop:one", tmp_path / "x" / "..")
    assert one != application_configuration_path("shop:two", tmp_path)
    assert one.parent.parent.parent == state / "applications"
    write_application_configuration("shop:one", tmp_path, Interface.ASGI, "127.0.0.1", 9090)
    assert '"127.0.0.1:9090:"' in one.read_text()


def test_what_is_no_name_is_refused(tmp_path: Path, state: Path) -> None:
    """With an example; so is a folder that does not exist."""
    with pytest.raises(CommandLineError, match="names no module") as caught:
        application_configuration_path("shop/wsgi", tmp_path)
    assert "isapy run --app shop.wsgi:application" in caught.value.remedies[0]
    with pytest.raises(CommandLineError, match="is no folder"):
        application_configuration_path("shop:app", tmp_path / "missing")


@pytest.mark.parametrize(
    ("named", "remedy"),
    [
        ("shop.py", "isapy run --app shop:application"),
        ("shop.py:app", "isapy run --app shop:app"),
        ("inner/cart.py:app", "isapy run --app-dir {folder}/inner --app cart:app"),
        ("uwsgi.ini", 'a file of another server? docs/python-applications.md, "Coming from"'),
    ],
)
def test_a_file_in_the_place_of_a_module_is_told(tmp_path: Path, state: Path, named: str, remedy: str) -> None:
    """With what to type; uWSGI and others take files there."""
    (tmp_path / "inner").mkdir()
    for name in ("shop.py", "inner/cart.py", "uwsgi.ini"):
        (tmp_path / name).write_text("")
    with pytest.raises(CommandLineError, match="is a file; an application is named by its module") as caught:
        application_configuration_path(named, tmp_path)
    assert caught.value.remedies[0].startswith(remedy.format(folder=tmp_path))


def test_modules_are_looked_for_where_the_service_will(tmp_path: Path, state: Path) -> None:
    """What a web.config says of the environment and the working directory is said before the start, too."""
    place = place_of_modules("shop:app", tmp_path, "")
    assert (place.folder, place.environment) == (tmp_path, "")
    assert place_of_modules("shop:app", tmp_path, "/srv/venv").environment == "/srv/venv"
    element = '<pythonApplication virtualEnvironment="venv" workingDirectory="src" />'
    config = tmp_path / "web.config"
    config.write_text(f"<configuration><system.webServer>{element}</system.webServer></configuration>")
    place = place_of_modules("shop:app", tmp_path, "")
    assert (place.folder, place.environment) == (tmp_path / "src", str(tmp_path / "venv"))
    with pytest.raises(CommandLineError, match=f"--venv is /srv/venv, and a web.config in .* says {tmp_path}/venv"):
        place_of_modules("shop:app", tmp_path, "/srv/venv")
    config.write_text("<configuration>")
    assert place_of_modules("shop:app", tmp_path, "").environment == ""
