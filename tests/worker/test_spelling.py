"""caseInsensitivePaths: a URL finds its file, and no spelling leads around a rule."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.worker.spelling import Spelling
from tests.worker.front import run
from tests.worker.site import Site
from tests.worker.test_routes import Clock, routes_of

DENIED = '<configuration><system.webServer><handlers accessPolicy="None" /></system.webServer></configuration>'


@pytest.fixture
def moved(site: Site) -> Site:
    """A site as it comes from Windows."""
    site.applications = site.applications.replace("<virtualDirectory", '<virtualDirectory caseInsensitivePaths="true"')
    return site


def settle(folder: Path) -> None:
    """As if it had last been changed a while ago."""
    os.utime(folder, (1000000000, 1000000000))


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("/Docs/Read Me.HTM", "/Docs/Read Me.HTM"),
        ("/DOCS/read me.htm", "/Docs/Read Me.HTM"),
        ("/docs/", "/Docs/"),
        ("/docs/CGI.PL/More/Info", "/Docs/cgi.pl/More/Info"),
        ("/docs/missing/X", "/Docs/missing/X"),
        ("/ÄRGER", "/ärger"),
        ("/docs/TWO", "/Docs/TWO"),
        ("/docs/two", "/Docs/Two"),
        ("/", "/"),
    ],
)
def test_a_path_is_spelled_as_on_disk(tmp_path: Path, asked: str, found: str) -> None:
    """Folder by folder; what is not there, and what follows a file, keeps its letters; an exact name goes first."""
    (tmp_path / "Docs").mkdir()
    for name in ("Docs/Read Me.HTM", "Docs/cgi.pl", "ärger", "Docs/TWO", "Docs/Two"):
        (tmp_path / name).touch()
    if asked == "/docs/two":
        (tmp_path / "Docs/TWO").unlink()
    spelling = Spelling()
    for _ in range(2):
        assert spelling.on_disk(str(tmp_path), asked) == found


def test_a_folder_that_changes_is_read_again(tmp_path: Path) -> None:
    """A new file, and one that is gone; a folder that is not there has no names."""
    spelling = Spelling()
    settle(tmp_path)
    assert spelling.on_disk(str(tmp_path), "/X.HTM") == "/X.HTM"
    (tmp_path / "x.htm").touch()
    assert spelling.on_disk(str(tmp_path), "/X.HTM") == "/x.htm"
    (tmp_path / "x.htm").rename(tmp_path / "x.Htm")
    assert spelling.on_disk(str(tmp_path), "/X.HTM") == "/x.Htm"
    assert spelling.on_disk(str(tmp_path / "nowhere"), "/X") == "/X"


def test_with_patience_a_folder_that_changes_all_the_time_is_read_now_and_then(tmp_path: Path) -> None:
    """What was read is good for a while, whatever has changed; files are not looked for."""
    patient = Spelling(patience_seconds=3600)
    assert patient.on_disk(str(tmp_path), "/API/x") == "/API/x"
    (tmp_path / "api").mkdir()
    (tmp_path / "api/x").touch()
    assert patient.on_disk(str(tmp_path), "/API/x") == "/API/x"
    assert Spelling(patience_seconds=1e-9).on_disk(str(tmp_path), "/API/X") == "/api/X"  # folders alone


def test_more_folders_than_are_kept(tmp_path: Path) -> None:
    """All are found; a client that walks through a large tree fills no memory."""
    spelling = Spelling()
    for number in range(300):
        (tmp_path / f"f{number}").mkdir()
        (tmp_path / f"f{number}/x").touch()
        settle(tmp_path / f"f{number}")
    assert {spelling.on_disk(str(tmp_path), f"/F{number}/X") for number in range(300)} == {
        f"/f{number}/x" for number in range(300)
    }


def test_every_rule_sees_the_disks_spelling(moved: Site) -> None:
    """The web.config of a folder holds for it however it is spelled; the route's two paths agree; backslashes too."""
    (moved.root / "Secret").mkdir()
    (moved.root / "Secret/web.config").write_text(DENIED)
    (moved.root / "Secret/Note.txt").touch()
    routes = routes_of(moved, Clock(), "1:/")
    policies = set()
    for target in ("/Secret/Note.txt", "/SECRET/NOTE.TXT", "/secret%5cnote.txt", "/%53ecret/note.txt"):
        route, _ = routes.find(1, target)
        assert (route.path, route.physical_path) == ("/Secret/Note.txt", f"{moved.root}/Secret/Note.txt")
        policies.add(route.settings_in_force.access_policy)
    assert len(policies) == 1
    assert policies != {routes.find(1, "/")[0].settings_in_force.access_policy}


def test_a_file_that_comes_later_is_found(moved: Site) -> None:
    """A remembered route is spelled anew when its time to be looked at has come."""
    clock = Clock()
    routes = routes_of(moved, clock, "1:/")
    assert routes.find(1, "/PAGE.HTM?q")[0].path == "/PAGE.HTM"
    (moved.root / "page.htm").touch()
    clock.now += 1
    route, query = routes.find(1, "/PAGE.HTM?q")
    assert (route.path, query) == ("/page.htm", "q")
    clock.now += 1
    assert routes.find(1, "/PAGE.HTM")[0] is route


def test_files_default_documents_and_the_guard(moved: Site) -> None:
    """Whole answers: a file, a folder's default document under another case, hidden names, links that lead out."""
    outside = moved.folder / "outside.txt"
    outside.write_text("outside")
    (moved.root / "Link.txt").symlink_to(outside)
    (moved.root / "Docs").mkdir()
    (moved.root / "Docs/DEFAULT.htm").write_text("the document")
    (moved.root / "Page.Htm").write_text("the page")
    (moved.root / "Web.Config").write_text("<configuration />")

    async def main() -> None:
        front = await moved.serve()
        for target, expected in (
            ("/PAGE.HTM", (200, "the page")),
            ("/docs/", (200, "the document")),
            ("/DOCS\\default.HTM", (200, "the document")),
        ):
            answer = await front.ask(target)
            assert (answer.status, answer.text) == expected, target
        assert (await front.ask("/LINK.TXT")).status == 404
        assert (await front.ask("/web.config")).status == 404
        assert (await front.ask("/no.htm")).status == 404

    run(main())


def test_elsewhere_case_counts(site: Site) -> None:
    """The default is Linux's."""
    (site.root / "Page.htm").touch()
    assert routes_of(site, Clock(), "1:/").find(1, "/PAGE.HTM")[0].path == "/PAGE.HTM"
