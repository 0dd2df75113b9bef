"""Which rules a pool gets of its configuration, and what a rehearsal finds out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from host.config.confinement import EXECUTE, READ, WRITE, Sandbox, SandboxRule
from host.config.store import ServerConfiguration, read_source
from host.confinement.landlock import landlock_abi
from host.confinement.reach import stopping_folder, unreadable
from host.confinement.rules import is_allowed, own_rules, python_folders, sandbox_rules
from tests.confinement.child import run_child
from tests.sample_site import write_site

ROOT_KEY = "1:/"
SHOP_KEY = "1:/shop"

EXTRA = """
<httpErrors><error statusCode="404" path="{folder}/pages/missing.htm" responseMode="File" /></httpErrors>
"""
LOCATION = """
<location path="Default Web Site/media/tools"><system.webServer>
  <handlers accessPolicy="Read, Execute">
    <add name="Tool" path="*.tool" verb="*" modules="CgiModule" scriptProcessor="{folder}/bin/tool -x|%s" />
  </handlers>
</system.webServer></location>
"""

REHEARSE = """
from host.config.confinement import SandboxRule
from host.confinement.errors import ConfinementError
from host.confinement.rehearsal import rehearse
from host.confinement.rules import SYSTEM_PROGRAMS, python_folders
folder = sys.argv[1]
system = [SandboxRule(path=path, access=("Read", "Execute")) for path in (*SYSTEM_PROGRAMS, *python_folders())]
wanted = [SandboxRule(path=folder + "/site", access=("Read", "Execute")), SandboxRule(path=folder + "/lone.txt")]
try:
    result = [
        rehearse([*system, SandboxRule(path=folder)], wanted),
        rehearse([*system, SandboxRule(path=folder + "/site", access=("Read", "Execute"))], wanted),
        open(folder + "/lone.txt").read(),
        len(os.listdir("/proc/self/fd")),
    ]
except ConfinementError as error:
    result = str(error)
"""


def configuration(folder: Path) -> ServerConfiguration:
    """The sample site, where only /media/tools executes programs; its program exists."""
    config = write_site(folder, web_server_extra=EXTRA.format(folder=folder))
    text = config.read_text().replace('accessPolicy="Read, Script, Execute"', 'accessPolicy="Read, Script"')
    config.write_text(text.replace("</configuration>", LOCATION.format(folder=folder) + "</configuration>"))
    (folder / "bin").mkdir()
    (folder / "bin" / "tool").write_text("#!/bin/sh\n")
    return ServerConfiguration(read_source(str(config)), 1)


def test_a_pool_reads_what_its_configuration_names_and_nothing_of_its_neighbours(tmp_path: Path) -> None:
    """Folders of its sites, plugins, error pages, programs of mappings; programs only where Execute is allowed."""
    rules = own_rules(configuration(tmp_path), [ROOT_KEY])
    expected = {
        f"{tmp_path}/wwwroot": (READ,),
        f"{tmp_path}/media": (READ, EXECUTE),  # for /media/tools
        f"{tmp_path}/extensions": (READ,),
        f"{tmp_path}/filters": (READ,),
        f"{tmp_path}/pages/missing.htm": (READ,),
        f"{tmp_path}/bin/tool": (READ, EXECUTE),
    }
    found = {rule.path: rule.access for rule in rules if rule.path.startswith(str(tmp_path))}
    assert found == expected
    assert not is_allowed(f"{tmp_path}/shop/index.html", READ, rules)
    shop = own_rules(configuration_again(tmp_path), [SHOP_KEY])
    assert is_allowed(f"{tmp_path}/shop/index.html", READ, shop)
    assert not is_allowed(f"{tmp_path}/wwwroot/index.html", READ, shop)


def configuration_again(folder: Path) -> ServerConfiguration:
    return ServerConfiguration(read_source(str(folder / "conf" / "applicationHost.config")), 1)


def test_the_rules_of_every_pool_leave_secrets_and_homes_out(tmp_path: Path) -> None:
    """What programs and Python need is there; the configured entries and the temporary folder come on top."""
    sandbox = Sandbox(mode="Enforce", rules=(SandboxRule(path="/var/lib/shop", access=(READ, WRITE)),))
    rules = sandbox_rules(configuration(tmp_path), [ROOT_KEY], sandbox, str(tmp_path / "private"))
    for path, access in [
        (os.path.realpath(sys.executable), EXECUTE),
        (os.__file__, READ),
        ("/bin/sh", EXECUTE),
        ("/dev/null", WRITE),
        ("/etc/passwd", READ),
        ("/var/lib/shop/db", WRITE),
        (str(tmp_path / "private" / "x"), WRITE),
    ]:
        assert is_allowed(path, access, rules), path
    for path, access in [
        ("/etc/shadow", READ),
        ("/etc/sudoers", READ),
        ("/root/.ssh", READ),
        ("/var/lib/other", READ),
        ("/tmp/x", WRITE),
        ("/usr/bin/x", WRITE),
        (f"{tmp_path}/wwwroot/index.html", WRITE),
        (f"{tmp_path}/conf/applicationHost.config", READ),
    ]:
        assert not is_allowed(path, access, rules), path


def test_the_current_folder_is_no_part_of_python(tmp_path: Path) -> None:
    """It stands on the search path, and may be / itself."""
    found = run_child(
        """
        from host.confinement.rules import python_folders
        os.chdir(sys.argv[1])
        sys.path.insert(0, "")
        sys.path.insert(0, sys.argv[1])
        result = python_folders()
        """,
        str(tmp_path),
    )
    assert str(tmp_path) not in found
    assert "/" not in found
    assert found
    assert all(os.path.isabs(folder) for folder in python_folders())


def test_a_rehearsal_tells_what_would_be_refused_and_enforces_nothing(tmp_path: Path) -> None:
    """A link that leads out, a file beside the rules, programs without the right to execute; no descriptor is left."""
    (tmp_path / "site" / "deep").mkdir(parents=True)
    (tmp_path / "site" / "deep" / "a.html").write_text("a")
    (tmp_path / "lone.txt").write_text("still readable")
    (tmp_path / "site" / "link.txt").symlink_to(tmp_path / "lone.txt")
    (tmp_path / "site" / "dangling").symlink_to("/nowhere")
    found = run_child(REHEARSE, str(tmp_path))
    if not landlock_abi():
        assert "no Landlock" in found
        return
    executing, refused, content, descriptors = found
    assert executing == f"{tmp_path}/site (to execute what is in it)"
    assert refused == f"{tmp_path}/site/link.txt, {tmp_path}/lone.txt"
    assert (content, descriptors) == ("still readable", 4)


def test_a_folder_that_cannot_be_read_is_named_with_the_one_that_closes_it(tmp_path: Path) -> None:
    """As another user sees it; root sees everything."""
    config = configuration(tmp_path)
    assert unreadable(config, [ROOT_KEY]) == []
    closed = tmp_path / "closed" / "below"
    closed.mkdir(parents=True)
    (tmp_path / "closed").chmod(0)
    try:
        expected = "" if os.geteuid() == 0 else str(tmp_path / "closed")
        assert stopping_folder(str(closed)) == expected
    finally:
        (tmp_path / "closed").chmod(0o700)
