"""Pages that are requested before the first client: which, how, and what becomes of those that fail."""

from __future__ import annotations

import re

from tests.worker.front import run
from tests.worker.site import Site, attach

SEEN = """
import asyncio
seen = []
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Seen", path="*.seen"), HandlerMapping(name="Root", path="*")]
@hookimpl
async def handle(request):
    facts = (request.raw_target, request.headers.get("Host"), request.headers.get("User-Agent"))
    seen.append((*facts, bool(request.context.get("warm_up")), request.connection.is_local))
    if "status" in request.query:
        raise HttpError(int(request.query["status"]), 3, "as told")
    if "hang" in request.query:
        await asyncio.Event().wait()
    if "body" in request.query:
        async def pieces():
            for _ in range(100):
                yield bytes(40000)
        return Response(body=pieces())
    return Response.text("seen")
"""
SECTION = '<applicationInitialization doAppInitAfterRestart="{at_start}">{pages}</applicationInitialization>'


def page(path: str, host: str = "") -> str:
    name = f' hostName="{host}"' if host else ""
    return f'<add initializationPage="{path}"{name} />'


def prepare(site: Site, *pages: str, at_start: str = "true", preload: str = "false", path: str = "/") -> None:
    site.extension("seen", SEEN)
    site.handlers = ""
    site.further = SECTION.format(at_start=at_start, pages="".join(pages)) if pages else ""
    site.applications = (
        f'<application path="{path}" applicationPool="Pool" preloadEnabled="{preload}">'
        f"{site.directory('/', site.root)}</application>"
    )
    if path != "/":
        site.applications += (
            f'<application path="/" applicationPool="Other">{site.directory("/", site.root)}</application>'
        )


def warmed(site: Site, key: str = "1:/") -> list[tuple[str, str, str, bool, bool]]:
    """What the handler saw before the worker would say that it is ready."""

    async def main() -> list[tuple[str, str, str, bool, bool]]:
        engine = await site.start((key,))
        await engine.warm_up()
        code = engine._plugins.extension("seen").code  # type: ignore[union-attr]
        await engine.close()
        seen: list[tuple[str, str, str, bool, bool]] = code.seen
        return seen

    return run(main())


def test_listed_pages_are_requested_in_order_with_their_hosts(site: Site) -> None:
    """As requests of this machine that say what they are; a large body is taken to its end."""
    prepare(site, page("/a.seen?body=1"), page("/b.seen?x=%20y", "www.example.org"))
    agent = "IIS Application Initialization Warmup"
    assert warmed(site) == [
        ("/a.seen?body=1", "localhost:8080", agent, True, True),
        ("/b.seen?x=%20y", "www.example.org:8080", agent, True, True),
    ]
    assert [text.partition(" after")[0] for text in site.told("warm-up-page")] == [
        "/a.seen?body=1 answered 200",
        "/b.seen?x=%20y answered 200",
    ]
    assert site.told("warm-up-failed") == []


def test_a_path_without_a_slash_belongs_to_the_application(site: Site) -> None:
    """`list.seen` of /shop is /shop/list.seen."""
    prepare(site, page("list.seen"), path="/shop")
    assert [facts[0] for facts in warmed(site, "1:/shop")] == ["/shop/list.seen"]


def test_preload_without_pages_requests_the_root(site: Site) -> None:
    """preloadEnabled alone: IIS sends one request to the application; a refusal there is no failure."""
    prepare(site, preload="true", path="/shop")
    assert [(facts[0], facts[2]) for facts in warmed(site, "1:/shop")] == [
        ("/shop/", "IIS Application Initialization Preload")
    ]


def test_failures_are_events_and_the_next_page_is_requested(site: Site) -> None:
    """A refusal, a path that is none, one that belongs to another pool: each says why."""
    pages = (page("/a.seen?status=503"), page("/with blank.seen"), page("/other.seen"), page("/shop/last.seen"))
    prepare(site, *pages, path="/shop")
    site.further = site.further.replace("/a.seen", "/shop/a.seen")
    assert [facts[0] for facts in warmed(site, "1:/shop")] == ["/shop/a.seen?status=503", "/shop/last.seen"]
    told = site.told("warm-up-failed")
    assert len(told) == 3
    assert told[0].startswith("the page /shop/a.seen?status=503 of the warm-up: it answered 503.3 (")
    assert "'/with blank.seen' is no URL path" in told[1]
    assert told[2].startswith("the page /other.seen of the warm-up: it answered 403.18 ")
    assert told[2].endswith("(The URL cannot run in this application pool)")


def test_a_page_that_hangs_is_given_up_before_the_start_up_limit(site: Site) -> None:
    """The event names plugin and line; what stands behind it is named too; the worker can start."""
    site.pool = '<add name="Pool"><processModel startupTimeLimit="00:00:01" /></add><add name="Other" />'
    prepare(site, page("/a.seen?hang=1"), page("/b.seen"))
    assert len(warmed(site)) == 1
    hanging, behind = site.told("warm-up-failed")
    assert re.search(
        r"/a\.seen\?hang=1 of the warm-up: it is given up after [1-9]\d* s \(startupTimeLimit\); "
        r"it is in extension seen\.py",
        hanging,
    ), hanging
    assert "it was not requested: the pages before it took too long" in behind


def test_otherwise_pages_are_requested_with_the_first_request(site: Site) -> None:
    """Neither doAppInitAfterRestart nor preloadEnabled: the application's first client begins it, once."""
    prepare(site, page("/warm.seen"), at_start="false")

    async def main() -> None:
        engine = await site.start()
        await engine.warm_up()
        code = engine._plugins.extension("seen").code  # type: ignore[union-attr]
        assert code.seen == []
        engine._served["1:/"].plan_checked_at = float("-inf")  # as a quarter of a second later
        front = attach(engine)
        assert (await front.ask("/first.seen")).status == 200
        while len(code.seen) < 2:
            await engine.probe()
        engine._served["1:/"].plan_checked_at = float("-inf")
        assert (await front.ask("/second.seen")).status == 200
        await engine.probe()
        assert sorted(facts[0] for facts in code.seen) == ["/first.seen", "/second.seen", "/warm.seen"]
        await engine.close()

    run(main())
