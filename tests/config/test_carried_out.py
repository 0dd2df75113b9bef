"""Settings that only a filter obeys, where that filter does not run."""

from __future__ import annotations

import pytest

from host.config.carried_out import CARRIED_OUT_BY
from host.config.store import check_tree
from tests.config.server_sample import Server

FILTERING = '<security><requestFiltering><requestLimits maxUrl="100" /></requestFiltering></security>'
HEADERS = '<httpProtocol><customHeaders><add name="X-A" value="1" /></customHeaders></httpProtocol>'
LISTED = '<isapiFilters><filter name="request_filtering" /><filter name="headers" path="{path}" /></isapiFilters>'


def warnings_of(server: Server) -> list[str]:
    errors, warnings = check_tree(server.source())
    assert errors == []
    return [str(warning).replace(str(server.root), "ROOT") for warning in warnings]


def test_settings_without_their_filter_are_warned_of_once(server: Server) -> None:
    """By element and remedy, although three applications inherit them."""
    server.write(f"<system.webServer>{FILTERING}\n{HEADERS}</system.webServer>")
    told = "ROOT/conf/applicationHost.config:{}: {}: nothing obeys it here: the filter {} is not listed; add {}"
    assert warnings_of(server) == [
        told.format(28, "requestFiltering", "request_filtering", '<filter name="request_filtering" /> to isapiFilters'),
        told.format(29, "customHeaders", "custom_headers", '<filter name="custom_headers" /> to isapiFilters'),
    ]


def test_a_listed_filter_keeps_it_quiet_under_any_name(server: Server) -> None:
    """The name or the file tells which filter it is; httpProtocol without customHeaders needs none."""
    (server.root / "filters").mkdir()
    own = server.root / "filters" / "custom_headers.py"
    own.write_text("")
    server.write(f"<system.webServer>{LISTED.format(path=own)}{FILTERING}{HEADERS}</system.webServer>")
    assert warnings_of(server) == []
    server.write("<system.webServer><httpProtocol allowKeepAlive='true' /></system.webServer>")
    assert warnings_of(server) == []


def test_a_filter_that_is_off_obeys_nothing(server: Server) -> None:
    """enabled="false" is as good as not listed."""
    off = '<isapiFilters><filter name="request_filtering" enabled="false" /></isapiFilters>'
    server.write(f"<system.webServer>{off}{FILTERING}</system.webServer>")
    assert len(warnings_of(server)) == 1


def test_a_web_config_is_judged_where_it_stands(server: Server) -> None:
    """The filter is listed for one site only; the other site's web.config is told."""
    server.write(
        '<location path="Default Web Site"><system.webServer><isapiFilters><filter name="custom_headers" />'
        "</isapiFilters></system.webServer></location>"
    )
    server.web_config("www/images", HEADERS)
    server.web_config("other", HEADERS)
    assert [warning.partition(": ")[0] for warning in warnings_of(server)] == ["ROOT/other/web.config:2"]


@pytest.mark.parametrize("name", CARRIED_OUT_BY.values())
def test_the_filters_are_shipped(name: str, server: Server) -> None:
    """The remedy can be followed."""
    server.write(f'<system.webServer><isapiFilters><filter name="{name}" /></isapiFilters></system.webServer>')
    assert warnings_of(server) == []


PHP_HANDLER = '<handlers><add name="P" path="*.php" verb="*" modules="FastCgiModule" scriptProcessor="{}" /></handlers>'


def test_a_fastcgi_program_that_is_not_listed_is_warned_of(server: Server) -> None:
    """Program and arguments must both be those of an entry of fastCgi; the address of a server needs none."""
    handler = PHP_HANDLER.format("/bin/sh|-c x")
    server.write(f"<system.webServer>{handler}</system.webServer>")
    assert [warning.partition(": ")[2] for warning in warnings_of(server)] == [
        "handlers/add/@scriptProcessor: /bin/sh is no application of fastCgi, so nothing is started; "
        'add <application fullPath="/bin/sh" arguments="-c x" /> to fastCgi in applicationHost.config'
    ]
    for listed in ('fullPath="/bin/sh" arguments="-c y"', 'fullPath="/bin/sh"'):
        server.write(f"<system.webServer><fastCgi><application {listed} /></fastCgi>{handler}</system.webServer>")
        assert len(warnings_of(server)) == 1
    listed = '<fastCgi><application fullPath="/bin/sh" arguments="-c x" /></fastCgi>'
    server.write(f"<system.webServer>{listed}{handler}</system.webServer>")
    assert warnings_of(server) == []
    server.write(f"<system.webServer>{PHP_HANDLER.format('unix:/run/php.sock')}</system.webServer>")
    assert warnings_of(server) == []
