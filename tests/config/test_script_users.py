"""Which pools serve scripts that run as other users, and that nobody but the server's file says so."""

from __future__ import annotations

import pytest

from host.config.errors import ConfigErrors
from host.config.store import check_tree, read_source
from tests.config.server_sample import Server, application

LOCATION = '<location path="{}"><system.webServer><cgi runAs="{}" /></system.webServer></location>'


@pytest.mark.parametrize(
    ("path", "who", "pools"),
    [
        ("Default Web Site/a/b", "FileOwner", {"DefaultAppPool"}),
        ("Default Web Site/shop/x", "alice", {"DefaultAppPool", "Shop"}),
        ("Default Web Site", "fileowner", {"DefaultAppPool", "Shop"}),
        ("Other", "FileOwner", {"DefaultAppPool"}),
        ("Default Web Site/a", "pool", set()),
    ],
)
def test_pools_of_the_applications_that_it_concerns_are_marked(
    server: Server, path: str, who: str, pools: set[str]
) -> None:
    """At, above and below the place that says it; a pool that is marked needs a new parent for a change."""
    server.write(LOCATION.format(path, who))
    marked = {pool.name for pool in server.snapshot().pools if pool.confinement.has_script_users}
    assert marked == pools
    assert {pool.name for pool in server.snapshot().pools if pool.confinement.is_made_at_start} == pools


def test_a_web_config_cannot_say_it(server: Server) -> None:
    """It is written by those who are to be told apart; also where the section is open to them."""
    server.write(
        '<location path="Default Web Site" overrideMode="Allow"><system.webServer><cgi /></system.webServer></location>'
    )
    (server.root / "www/web.config").write_text(
        '<configuration><system.webServer><cgi runAs="root" /></system.webServer></configuration>'
    )
    errors, _ = check_tree(read_source(str(server.root / "conf/applicationHost.config")))
    assert any(error.attribute == "runAs" for error in errors)
    configuration = server.configuration()
    with pytest.raises(ConfigErrors):
        configuration.settings_for(application(configuration.snapshot, "/"), "/")


def test_what_the_server_file_says_is_known_without_web_config_files(server: Server) -> None:
    """Broken or not, they are not looked at."""
    server.write(LOCATION.format("Default Web Site/own", "FileOwner"))
    (server.root / "www/web.config").write_text("broken")
    configuration = server.configuration()
    root = application(configuration.snapshot, "/")
    found = {path: settings.cgi.run_as for path, settings in configuration.server_settings_below(root)}
    assert found == {"": "Pool", "/media": "Pool", "/own": "FileOwner"}
    assert dict(configuration.settings_below(root)).keys() == set()
