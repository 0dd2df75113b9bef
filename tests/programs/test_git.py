"""git's own CGI programs, driven by git itself: clone, fetch, a large push, and gitweb's pages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running_service import RunningService, running

CONFIG = """\
<configuration>
  <system.applicationHost>
    <isolation mode="{mode}" />
    <applicationPools>
      <add name="Git">
        <environmentVariables>
          <add name="GIT_PROJECT_ROOT" value="{folder}/repositories" />
          <add name="GIT_HTTP_EXPORT_ALL" value="1" />
          <add name="GITWEB_CONFIG" value="{folder}/gitweb.conf" />
          <add name="HOME" value="{folder}/home" />
          <add name="GIT_CONFIG_NOSYSTEM" value="1" />
        </environmentVariables>
      </add>
    </applicationPools>
    <sites>
      <site name="git" id="1">
        <application path="/" applicationPool="Git" isolation="Medium">
          <virtualDirectory path="/" physicalPath="/usr/lib/git-core" />
          <virtualDirectory path="/gitweb" physicalPath="/usr/share/gitweb" />
        </application>
        <bindings><binding protocol="http" bindingInformation="127.0.0.1:8080:" /></bindings>
      </site>
    </sites>
  </system.applicationHost>
  <system.webServer>
    <handlers accessPolicy="Read, Execute">
      <add name="backend" path="/git-http-backend/*" verb="GET,POST" modules="CgiModule"
           resourceType="File" requireAccess="Execute" allowPathInfo="true" />
      <add name="gitweb" path="*.cgi" verb="GET,HEAD,POST" modules="CgiModule"
           resourceType="File" requireAccess="Execute" allowPathInfo="true" />
      <add name="StaticFile" path="*" verb="GET,HEAD" modules="StaticFileModule"
           resourceType="File" requireAccess="Read" />
    </handlers>
    <staticContent followSymbolicLinksOutsideRoot="true" />
    <security><isapiCgiRestriction notListedCgisAllowed="true" /></security>
  </system.webServer>
</configuration>
"""


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"git-{request.param}")
    for name in ("conf", "repositories", "home"):
        (folder / name).mkdir()
    (folder / "gitweb.conf").write_text(f'$projectroot = "{folder}/repositories";\n$site_name = "Our git";\n1;\n')
    config = folder / "conf" / "applicationHost.config"
    config.write_text(CONFIG.format(mode=request.param, folder=folder))
    bare = folder / "repositories" / "project.git"
    git(folder, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(folder, "-C", str(bare), "config", "http.receivepack", "true")
    with running(folder, config) as started:
        yield started


def git(folder: Path, *arguments: str) -> str:
    """Run git with a home of its own."""
    environment = {
        **os.environ,
        "HOME": str(folder / "home"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    done = subprocess.run(["git", *arguments], env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def test_clone_fetch_and_a_push_of_more_than_20_mebibytes(service: RunningService) -> None:
    """A push in chunks (larger than http.postBuffer), a clone, a fetch with a gzip body, all byte for byte the same."""
    folder = service.folder
    url = f"http://127.0.0.1:{service.port}/git-http-backend/project.git"
    first, second = folder / "first", folder / "second"
    git(folder, "clone", "--quiet", url, str(first))
    (first / "large.bin").write_bytes(os.urandom(21 * 1024 * 1024))
    (first / "small.txt").write_text("one\n")
    git(folder, "-C", str(first), "add", ".")
    git(folder, "-C", str(first), "commit", "--quiet", "-m", "large")
    git(folder, "-C", str(first), "-c", "http.postBuffer=65536", "push", "--quiet", "origin", "HEAD:main")

    git(folder, "clone", "--quiet", url, str(second))
    assert (second / "large.bin").read_bytes() == (first / "large.bin").read_bytes()

    # many wants and haves make the fetch's request larger than 1 KiB, which git then compresses with gzip
    for number in range(40):
        (first / "small.txt").write_text(f"{number}\n")
        git(folder, "-C", str(first), "commit", "--quiet", "-am", f"change {number}")
        git(folder, "-C", str(first), "tag", f"t{number}")
    git(folder, "-C", str(first), "push", "--quiet", "--tags", "origin", "HEAD:main")
    for number in range(40):
        git(folder, "-C", str(second), "commit", "--quiet", "--allow-empty", "-m", f"own {number}")
    git(folder, "-C", str(second), "fetch", "--quiet", "--tags", "origin")
    head = git(folder, "-C", str(first), "rev-parse", "HEAD")
    assert git(folder, "-C", str(second), "rev-parse", "origin/main") == head
    bare = folder / "repositories" / "project.git"
    assert git(folder, "-C", str(bare), "fsck", "--full") == ""


def test_a_repository_that_is_not_there_is_an_error_of_the_program(service: RunningService) -> None:
    """The status that the program gives reaches the client."""
    answer = service.get("/git-http-backend/missing.git/info/refs?service=git-upload-pack")
    assert answer.status == 404
    assert "expires" in answer.headers


def test_gitweb_shows_its_pages(service: RunningService) -> None:
    """The list of projects, a summary, and the style sheet beside the program."""
    index = service.get("/gitweb/gitweb.cgi")
    assert index.status == 200
    assert "Our git" in index.text
    assert "project.git" in index.text
    summary = service.get("/gitweb/gitweb.cgi?p=project.git;a=summary")
    assert summary.status == 200
    assert "owner" in summary.text
    path_info = service.get("/gitweb/gitweb.cgi/project.git")
    assert (path_info.status, "project.git" in path_info.text) == (200, True)
    assert service.get("/gitweb/static/gitweb.css").headers["content-type"].startswith("text/css")
    assert service.get("/gitweb/gitweb.cgi?p=missing.git;a=summary").status == 404
