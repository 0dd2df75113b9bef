"""git's own CGI programs, driven by git itself: clone, fetch, a large push, and gitweb's pages."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.programs.git_site import bare_repository, git, write_git_site
from tests.running_service import RunningService, running


@pytest.fixture(scope="module", params=["WorkerProcess", "IIS5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"git-{request.param}")
    config = write_git_site(folder, request.param)
    git(folder, "-C", str(bare_repository(folder)), "config", "http.receivepack", "true")
    with running(folder, config) as started:
        yield started


def test_clone_fetch_and_a_push_of_more_than_20_mebibytes(service: RunningService) -> None:
    """A push in chunks (larger than http.postBuffer), a clone, a fetch with a gzip body, all byte for byte the same."""
    folder = service.folder
    url = f"http://127.0.0.1:{service.port}/git/git-http-backend/project.git"
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
    assert git(folder, "-C", str(bare_repository(folder)), "fsck", "--full") == ""


def test_a_repository_that_is_not_there_is_an_error_of_the_program(service: RunningService) -> None:
    """The status that the program gives reaches the client."""
    answer = service.get("/git/git-http-backend/missing.git/info/refs?service=git-upload-pack")
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
