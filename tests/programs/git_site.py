"""git's own CGI programs on a site, and git as their client."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.one_site import write_one_site

POOL = """
      <environmentVariables>
        <add name="GIT_PROJECT_ROOT" value="{folder}/repositories" />
        <add name="GIT_HTTP_EXPORT_ALL" value="1" />
        <add name="GITWEB_CONFIG" value="{folder}/gitweb.conf" />
        <add name="HOME" value="{folder}/home" />
        <add name="GIT_CONFIG_NOSYSTEM" value="1" />
      </environmentVariables>
    """
WEB_SERVER = """\
    <handlers accessPolicy="Read, Execute">
      <add name="backend" path="/git/git-http-backend/*" verb="GET,POST" modules="CgiModule"
           resourceType="File" requireAccess="Execute" allowPathInfo="true" />
      <add name="scripts" path="*.cgi,*.sh" verb="*" modules="CgiModule"
           resourceType="File" requireAccess="Execute" allowPathInfo="true" />
      <add name="StaticFile" path="*" verb="GET,HEAD" modules="StaticFileModule"
           resourceType="File" requireAccess="Read" />
    </handlers>
    <staticContent followSymbolicLinksOutsideRoot="true" />
    <caching enabled="true" enableKernelCache="true" />
    <security><isapiCgiRestriction notListedCgisAllowed="true" /></security>
"""
IDENTITY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "A"), ("EMAIL", "a@example.org"))
}


def write_git_site(folder: Path, mode: str, *, isolation: str = "Medium", locations: str = "") -> Path:
    """A site with git-http-backend at /git and gitweb at /gitweb, and an empty repository, project.git; gives the path
    of the configuration, in which `locations` (XML) follow <system.webServer>."""
    for name in ("repositories", "home"):
        (folder / name).mkdir()
    (folder / "gitweb.conf").write_text(f'$projectroot = "{folder}/repositories";\n$site_name = "Our git";\n1;\n')
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare_repository(folder)))
    return write_one_site(
        folder,
        WEB_SERVER,
        mode=mode,
        isolation=isolation,
        pool=POOL.format(folder=folder),
        directories={"/git": "/usr/lib/git-core", "/gitweb": "/usr/share/gitweb"},
        locations=locations,
    )


def bare_repository(folder: Path) -> Path:
    """Where the programs find it."""
    return folder / "repositories" / "project.git"


def git(folder: Path, *arguments: str, succeeds: bool = True) -> str:
    """Run git with a home of its own; gives what it prints."""
    environment = {"HOME": str(folder / "home"), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", **IDENTITY}
    done = subprocess.run(
        ["git", *arguments], env=os.environ | environment, capture_output=True, text=True, timeout=200
    )
    assert (done.returncode == 0) == succeeds, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout
