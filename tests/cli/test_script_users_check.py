"""`isapy check` and `isapy doctor --run-as` on scripts that shall run as the owners of their files."""

from __future__ import annotations

import json
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.confinement.privileges import may_change_identity
from tests.cli.command_line import isapy
from tests.confinement.everybody import open_folder
from tests.sample_site import write_program, write_site

pytestmark = pytest.mark.slow

IS_PRIVILEGED = may_change_identity()
OWNER = pwd.getpwnam("nobody") if IS_PRIVILEGED else pwd.getpwuid(os.geteuid())
LOCATIONS = """\
  <location path="Default Web Site/cgi-bin/own">
    <system.webServer><cgi runAs="FileOwner" /></system.webServer>
  </location>
  <location path="Default Web Site/cgi-bin/own/ghosts">
    <system.webServer><cgi runAs="ghost" /></system.webServer>
  </location>
</configuration>"""


@pytest.fixture
def site() -> Iterator[Path]:
    """Scripts of the owner, one of them open to its group; the folder's configuration."""
    with open_folder() as folder:
        config = write_site(folder)
        config.write_text(config.read_text().replace("</configuration>", LOCATIONS))
        own = folder / "wwwroot/cgi-bin/own"
        for name in ("good.sh", "open.sh", "ghosts/x.sh"):
            write_program(own / name, "#!/bin/sh\n")
        (own / "open.sh").chmod(stat.S_IFREG | 0o775)
        for path in (own, *own.rglob("*")):
            os.chown(path, OWNER.pw_uid, OWNER.pw_gid)
        yield folder


def test_check_tells_which_scripts_would_be_refused(site: Path) -> None:
    """At the line that says runAs, with the check's name and the remedy; so is that isapy may become nobody else."""
    result = isapy("check", "--config", site / "conf/applicationHost.config", "--json")
    assert result.returncode == 0, result.stdout
    warnings = [one for one in json.loads(result.stdout)["warnings"] if one["attribute"] == "runAs"]
    texts = [one["message"] for one in warnings]
    assert any("open.sh" in text and "(check: file-writable)" in text for text in texts)
    assert any("ghosts/x.sh" not in text and 'no user "ghost"' in text for text in texts)
    assert any("no user ghost (check: user-exists)" in text for text in texts)
    assert not any("good.sh" in text or "hello.cgi" in text for text in texts)
    assert any("chmod go-w" in one["remedy"] for one in warnings)
    assert sum("may become nobody else" in text for text in texts) == (0 if IS_PRIVILEGED else 2)


def test_doctor_judges_scripts_for_their_owners(site: Path) -> None:
    """Each of suexec's checks is a rule; a user may be named instead."""
    folder = site / "wwwroot/cgi-bin/own"
    report = json.loads(isapy("doctor", folder, "--run-as", "fileowner", "--json").stdout)
    found = {each["path"]: {one["rule"] for one in each["findings"]} for each in report["scripts"]}
    assert report["user"] == "the owners of their files"
    assert found["good.sh"] == found["ghosts/x.sh"] == set()
    assert found["open.sh"] == {"run-as-file-writable"}
    shown = isapy("doctor", folder, "--run-as", OWNER.pw_name)
    assert shown.returncode == 1
    assert "will not  open.sh" in shown.stdout
    assert f"2 will run as {OWNER.pw_name}" in shown.stderr
    others = json.loads(isapy("doctor", folder, "--run-as", "daemon", "--json").stdout)
    assert all("run-as-file-owner" in {one["rule"] for one in each["findings"]} for each in others["scripts"])
    assert isapy("doctor", folder, "--run-as", "ghost").returncode == 2
