"""What `isapy check` says of mappings for the main thread."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from host.config.store import check_tree
from host.config.threading_check import INDIFFERENT_MODULES
from tests.config.server_sample import Server
from tests.running_service import ROOT

_OBEDIENT = {"IsapiModule", "ScriptModule", "WsgiModule"}


def told(server: Server) -> list[str]:
    errors, warnings = check_tree(server.source())
    assert errors == []
    return [str(warning).partition(": ")[2] for warning in warnings if warning.attribute == "threadingModel"]


def handlers(*attributes: str) -> str:
    entries = "".join(
        f'<add name="N{number}" path="*.{number}" verb="*" {further} threadingModel="Single" />'
        for number, further in enumerate(attributes)
    )
    return f"<system.webServer><handlers>{entries}</handlers></system.webServer>"


def test_where_it_has_no_effect_is_told(server: Server) -> None:
    """A module that never calls plain code; a mapping to a library, and a list with one that obeys, are in order."""
    server.write(
        handlers(
            'modules="asgimodule" scriptProcessor="a:b"',
            'scriptProcessor="/x/y.so"',
            'modules="StaticFileModule,WsgiModule" scriptProcessor="a:b"',
        )
    )
    text = "it has no effect on asgimodule; WSGI, ISAPI and plain plugins obey it: take it out here"
    assert told(server) == [f"handlers/add/@threadingModel: {text}"]


def test_a_pool_that_nobody_pings_is_told(server: Server) -> None:
    """A call that never returns would hold its worker for ever; in a web.config as well."""
    pools = '<applicationPoolDefaults><processModel pingingEnabled="false" /></applicationPoolDefaults>'
    server.write("", pools=pools)
    server.web_config(
        "shop", '<handlers><add name="W" path="*.w" verb="*" modules="WsgiModule" threadingModel="Single" /></handlers>'
    )
    (text,) = told(server)
    assert 'pool Shop has pingingEnabled="false": nothing finds a worker' in text


def test_an_application_inside_the_web_server_is_told(server: Server) -> None:
    """IIS 5 isolation mode, Low: who else is in that process stands still as well."""
    server.write(handlers('modules="WsgiModule"'))
    assert told(server) == []
    text = server.file.read_text().replace("<sites>", '<isolation mode="IIS5" /><sites>')
    server.file.write_text(text)
    assert told(server) == []
    server.file.write_text(text.replace('<application path="/shop"', '<application path="/shop" isolation="Low"'))
    (warning,) = told(server)
    assert "runs in inetinfo, where the whole web server stands still" in warning


def test_every_module_of_isapys_own_is_known_to_obey_or_not() -> None:
    """A new one has to be put on one of the two sides."""
    files = [Path(file).stem for file in (ROOT / "extensions").glob("*.py")]
    plugins = [import_module(f"extensions.{name}") for name in files]
    names = {name for plugin in plugins if hasattr(plugin, "module_names") for name in plugin.module_names()}
    assert names == INDIFFERENT_MODULES | _OBEDIENT
