"""From the server's file to folders, and from a script to the rule that holds for it."""

from __future__ import annotations

from pathlib import Path

from host.script_users.rules import FolderRule, folder_rules, rule_for
from tests.config.server_sample import Server

LOCATIONS = """\
<location path="Default Web Site"><system.webServer>
  <cgi openFilesLimit="9"><languages><add name="perl" path="/opt/perl" /></languages></cgi>
  <handlers><add name="x" path="*.x" verb="*" modules="CgiModule" scriptProcessor="/bin/x" /></handlers>
</system.webServer></location>
<location path="Default Web Site/own"><system.webServer>
  <cgi runAs="FileOwner" privateTemp="true" />
</system.webServer></location>
<location path="Default Web Site/media/y.cgi"><system.webServer><cgi runAs="bob" /></system.webServer></location>
"""


def test_a_rule_has_the_folder_and_all_that_the_server_file_says(tmp_path: Path) -> None:
    """Virtual directories and locations below them; the variables are the pool's."""
    variables = '<environmentVariables><add name="A" value="b" /></environmentVariables>'
    server = Server(tmp_path)
    server.write(LOCATIONS)
    config = server.root / "conf/applicationHost.config"
    config.write_text(
        config.read_text().replace('<add name="DefaultAppPool" />', f'<add name="DefaultAppPool">{variables}</add>')
    )
    configuration = server.configuration()
    keys = [one.key for one in configuration.snapshot.sites[0].applications]
    rules = {rule.path: rule for rule in folder_rules(configuration, keys)}
    root = str(server.root)
    assert {path: (rule.root, rule.run_as) for path, rule in rules.items()} == {
        f"{root}/www": (f"{root}/www", "Pool"),
        f"{root}/www/own": (f"{root}/www", "FileOwner"),
        f"{root}/media": (f"{root}/media", "Pool"),
        f"{root}/media/y.cgi": (f"{root}/media", "bob"),
        f"{root}/shop": (f"{root}/shop", "Pool"),
    }
    own = rules[f"{root}/www/own"]
    assert (own.processors, own.languages, own.limits.open_files) == (("/bin/x",), {"perl": "/opt/perl"}, 9)
    assert (own.environment, own.has_private_temp) == ({b"A": b"b"}, True)
    assert rules[f"{root}/shop"].environment == {}


def made(root: str, path: str, run_as: str) -> FolderRule:
    return FolderRule(root=root, path=path, run_as=run_as)


def test_the_deepest_rule_of_a_virtual_directory_speaks() -> None:
    """By whole names; a folder that two virtual directories show belongs to the one that names another user."""
    rules = [
        made("/srv", "/srv", "Pool"),
        made("/srv", "/srv/own", "FileOwner"),
        made("/srv", "/srv/own/pool", "Pool"),
        made("/srv", "/srv/one.cgi", "bob"),
        made("/srv/own/deep", "/srv/own/deep", "alice"),
        made("/srv/plain", "/srv/plain", "Pool"),
    ]
    expected = {
        "/srv/own/x.cgi": "FileOwner",
        "/srv/owner/x.cgi": None,
        "/srv/own/pool/x.cgi": None,
        "/srv/one.cgi": "bob",
        "/srv/one.cgi.bak": None,
        "/srv/own/deep/x.cgi": "alice",
        "/srv/plain/x.cgi": None,
        "/elsewhere/x.cgi": None,
    }
    found = {script: rule_for(rules, script) for script in expected}
    assert {script: rule.run_as if rule else None for script, rule in found.items()} == expected
