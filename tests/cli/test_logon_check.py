"""`isapy check` on files of users and groups, and on passwords that others may read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.confinement.privileges import may_change_identity
from tests.authentication.hashes import HASHES
from tests.cli.command_line import isapy
from tests.confinement.everybody import open_folder
from tests.sample_site import write_site

pytestmark = pytest.mark.slow

LOCATION = """\
  <location path="Default Web Site/private">
    <system.webServer><security>
      <authentication><anonymousAuthentication enabled="false" />
        <basicAuthentication enabled="true" userFile="%ISAPY_ROOT%/{users}" groupFile="%ISAPY_ROOT%/groups" />
      </authentication>{access}
    </security></system.webServer>
  </location>
</configuration>"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A site that the world may read."""
    with open_folder() as folder:
        write_site(folder)
        (folder / "users").write_text(f"alice:{HASHES['htpasswd -B']}\n")
        (folder / "groups").write_text("staff: alice\n")
        yield folder


def told(folder: Path, users: str = "users", access: str = "", binding: str = "127.0.0.1", identity: str = "") -> str:
    """The warnings at basicAuthentication, a line each."""
    config = folder / "conf/applicationHost.config"
    original = config.read_text()
    text = original.replace("</configuration>", LOCATION.format(users=users, access=access))
    text = text.replace("127.0.0.1:8080", f"{binding}:8080")
    if identity:
        pool = f'<add name="DefaultAppPool"><processModel identityType="{identity}" />'
        text = text.replace('<add name="DefaultAppPool">', pool)
    config.write_text(text)
    result = isapy("check", "--config", config, "--json")
    config.write_text(original)
    assert result.returncode == 0, result.stdout
    found = [one for one in json.loads(result.stdout)["warnings"] if "basicAuthentication" in one["element"]]
    return "\n".join(f"{one['attribute']}: {one['message']} -> {one['remedy']}" for one in found)


def test_good_files_are_not_spoken_of(folder: Path) -> None:
    """Nor is http on this machine's own addresses: a proxy may stand in front."""
    assert told(folder) == ""


def test_a_file_that_is_missing_or_has_bad_lines_is_told(folder: Path) -> None:
    """With the line and what to do."""
    assert "users2 cannot be read: No such file or directory -> make it with: htpasswd -cB" in told(folder, "users2")
    (folder / "bad").write_text("alice:secret\n")
    (folder / "groups").write_text("staff\n")
    text = told(folder, "bad")
    assert "userFile" in text
    assert "bad, line 1 (alice)" in text
    assert "groups, line 1: write group: name name" in text


def test_a_file_that_the_site_shows_is_told(folder: Path) -> None:
    """Its hashes would be read by everybody."""
    (folder / "wwwroot/private").mkdir()
    (folder / "users").rename(folder / "wwwroot/private/users.txt")
    text = told(folder, "wwwroot/private/users.txt")
    assert "lies in a folder that site Default Web Site shows" in text
    assert f"move it out of {folder / 'wwwroot'}" in text


def test_passwords_over_http_are_told(folder: Path) -> None:
    """Until the path is there over TLS only."""
    assert "passwords can be read on their way to *:8080" in told(folder, binding="*")
    assert told(folder, access='<access sslFlags="Ssl" />', binding="*") == ""


@pytest.mark.skipif(not may_change_identity(), reason="needs the right to give pools users of their own")
def test_a_file_that_is_closed_to_the_pools_user_is_told(folder: Path) -> None:
    """The file, or the folder above that stops it."""
    assert told(folder, identity="ApplicationPoolIdentity") == ""
    (folder / "users").chmod(0o600)
    text = told(folder, identity="ApplicationPoolIdentity")
    assert f"pool DefaultAppPool cannot read {folder / 'users'}: {folder / 'users'} is closed to uid" in text
    assert "chmod 640" in text
    assert told(folder) == ""
    (folder / "closed").mkdir(mode=0o700)
    (folder / "users").rename(folder / "closed/users")
    assert f"{folder / 'closed'} is closed to" in told(folder, "closed/users", identity="ApplicationPoolIdentity")
