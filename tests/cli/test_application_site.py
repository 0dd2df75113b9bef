"""The configuration of `isapy run --app`."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.cli.application_site import (
    application_configuration,
    application_configuration_path,
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
        application_configuration_path("shop/wsgi.py", tmp_path)
    assert "isapy run --app shop.wsgi:application" in caught.value.remedies[0]
    with pytest.raises(CommandLineError, match="is no folder"):
        application_configuration_path("shop:app", tmp_path / "missing")
