"""Routes: what a URL decides, remembered, and decided anew when the settings change."""

from __future__ import annotations

import pytest

from host.api import HttpError
from host.config.model import Pool
from host.worker.routes import Routes
from host.worker.served_application import ServedApplication
from tests.kept_memory import kept_bytes
from tests.worker.front import run, until
from tests.worker.site import Site

WEB_CONFIG = '<configuration><system.webServer><directoryBrowse enabled="{}" /></system.webServer></configuration>'


class Clock:
    """Time that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def routes_of(site: Site, clock: Clock, *keys: str) -> Routes:
    configuration = site.configuration()
    snapshot = configuration.snapshot
    served = {key: ServedApplication(snapshot.application(key), Pool(name="Pool")) for key in keys}
    sites = {one.id: one.applications for one in snapshot.sites}
    limits = {one.id: one.limits.max_url_segments for one in snapshot.sites}
    return Routes(configuration, served, sites, max_segments=limits, brought=list, find=lambda _name: None, clock=clock)


def test_a_route_is_found_once_and_kept(site: Site) -> None:
    """The same object for the same raw path, whatever the query; the query is handed back."""
    routes = routes_of(site, Clock(), "1:/")
    first, query = routes.find(1, "/a%20b/c.txt?x=1")
    again, other = routes.find(1, "/a%20b/c.txt?x=2")
    assert first is again
    assert (query, other) == ("x=1", "x=2")
    assert (first.path, first.physical_path) == ("/a b/c.txt", f"{site.root}/a b/c.txt")
    absolute, query = routes.find(1, "http://host/a%20b/c.txt?q")
    assert absolute is first
    assert query == "q"
    with pytest.raises(HttpError):
        routes.find(1, "/../x")


def test_long_paths_are_not_kept(site: Site) -> None:
    """Four thousand of 16 KB were 130 MB in a worker, and stayed: neither the route nor its settings are."""
    routes = routes_of(site, Clock(), "1:/")
    assert kept_bytes(lambda text: routes.find(1, "/" + text)) < 500_000
    assert routes.find(1, "/" + "a" * 2000)[0].settings is not None


def test_where_no_file_is_needed_the_folders_rules_are_found_in_any_case_of_letters(site: Site) -> None:
    """Those of a folder that is made later, too; a file's URL goes by its own spelling; broken rules let nobody in."""
    site.handlers = '<add name="Api" path="api/*" verb="*" modules="Nothing" />' + site.handlers
    clock = Clock()
    routes = routes_of(site, clock, "1:/")

    def lists(target: str) -> bool:
        clock.now += 1000
        return routes.find(1, target)[0].settings_in_force.directory_browse_enabled

    targets = ("/api/x", "/API/x", "/Api/", "/api")
    assert not any(map(lists, targets))
    (site.root / "api").mkdir()
    location = '</system.webServer><location path="Site/API"><system.webServer><directoryBrowse enabled="true" />'
    site.further = f"{location}</system.webServer></location><system.webServer>"
    routes = routes_of(site, clock, "1:/")
    assert list(map(lists, targets)) == [False, True, False, False]  # as it is spelled, since the folder says nothing
    site.further = ""
    site.write("api/web.config", WEB_CONFIG.format("true"))
    site.write("Docs/web.config", WEB_CONFIG.format("true"))
    routes = routes_of(site, clock, "1:/")
    assert list(map(lists, targets)) == [True] * 4
    assert list(map(lists, ("/Docs/x", "/docs/x"))) == [True, False]
    site.write("api/web.config", WEB_CONFIG.format("false"))
    routes = routes_of(site, clock, "1:/")
    assert not any(map(lists, targets))
    site.write("api/web.config", "<configuration>")
    routes = routes_of(site, clock, "1:/")
    for target in (*targets, *targets):
        with pytest.raises(HttpError):
            routes.find(1, target)


def test_what_the_first_request_looks_up_can_be_foreseen(site: Site) -> None:
    """The application's own path is known then, and a path beside it has the same settings; a broken web.config and a
    path that is none are met by requests only."""
    routes = routes_of(site, Clock(), "1:/")
    application = ServedApplication(site.configuration().snapshot.application("1:/"), Pool(name="Pool"))
    routes.foresee(application)
    foreseen, _ = routes.find(1, "/")
    later, _ = routes.find(1, "/page")
    assert foreseen.checked_at == later.checked_at == Clock.now
    assert foreseen.settings is later.settings is not None
    (site.root / "web.config").write_text("<configuration>")
    broken = routes_of(site, Clock(), "1:/")
    broken.foresee(application)
    with pytest.raises(HttpError):
        broken.find(1, "/page")


def test_the_decoded_path_decides_which_application_owns_it(site: Site) -> None:
    """A URL that only looks like the root's is the application's; another pool's application is 403.18."""
    app = site.folder / "app"
    app.mkdir()
    site.applications += f'<application path="/app" applicationPool="Pool">{site.directory("/", app)}</application>'
    clock = Clock()
    both = routes_of(site, clock, "1:/", "1:/app")
    for target in ("/app/x", "/%61pp/x", "/APP/x", "/other/../app/x"):
        route, _ = both.find(1, target)
        assert (route.application.model.path, route.physical_path) == ("/app", f"{app}/x")
    with pytest.raises(HttpError) as refused:
        routes_of(site, clock, "1:/").find(1, "/%61pp/x")
    assert (refused.value.status, refused.value.substatus) == (403, 18)


@pytest.mark.slow
def test_changed_settings_reach_a_remembered_route(site: Site) -> None:
    """A saved web.config is in force at the next look; a broken one keeps the last good settings."""
    web_config = site.write("folder/web.config", WEB_CONFIG.format("false"))

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/folder/")).status == 403
        web_config.write_text(WEB_CONFIG.format("true"))
        statuses: list[int] = []

        async def ask() -> None:
            statuses.append((await front.ask("/folder/")).status)

        while statuses[-1:] != [200]:
            await ask()
        web_config.write_text("<configuration>")
        await ask()
        assert statuses[-1] == 200

    run(main())


@pytest.mark.slow
def test_a_broken_web_config_that_never_was_good_is_500_19(site: Site) -> None:
    """The page names file and line; the rest of the site answers; corrected, so does the folder."""
    web_config = site.write("broken/web.config", "<configuration>\n<nonsense/>\n</configuration>")
    site.write("broken/page.txt", "now it works")
    site.write("page.txt", "fine")

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/broken/page.txt")
        assert (answer.status, answer.substatus) == (500, 19)
        assert f"{web_config}:2" in answer.text
        assert (await front.ask("/page.txt")).text == "fine"
        web_config.write_text("<configuration />")
        answers: list[str] = []

        async def ask() -> None:
            answers.append((await front.ask("/broken/page.txt")).text)

        while answers[-1:] != ["now it works"]:
            await ask()
        await until(lambda: answers)

    run(main())
