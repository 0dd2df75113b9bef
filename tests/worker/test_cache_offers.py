"""What a worker offers to the listener's cache, and when it takes it back; real frames, real files."""

from __future__ import annotations

import os
import time

from host.api import ClientCertificate, Tls
from host.wire.frames import CacheFlag, CacheFrame, ResponseFlag
from host.worker.cache_offers import SETTLED_SECONDS
from tests.worker.front import Front, run
from tests.worker.site import Site

TLS = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256, 256, "CN=x", "CN=x", ClientCertificate("CN=a", "CN=b", "1", b"der"))
FILE = CacheFrame(CacheFlag.IGNORES_COOKIES, 0)
POLITE = """
@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Polite", path="*.polite")]

@hookimpl
def handle(request):
    response = Response.text("hello")
    response.cache = CachePolicy(seconds=30)
    return response
"""


async def number_offered(front: Front, target: str, expected: CacheFrame = FILE) -> int:
    """Ask until the answer is offered (the file must have settled); the number of that request."""
    while (answer := await front.ask(target)).cache is None:
        pass
    assert answer.cache == expected
    return max(front.answers)


async def offered(front: Front, target: str, times: int = 2, **request: object) -> CacheFrame | None:
    """What is offered with the last of so many requests; nothing before it."""
    for _ in range(times - 1):
        assert (await front.ask(target, **request)).cache is None
    return (await front.ask(target, **request)).cache


def test_a_frequent_file_is_offered_and_taken_back_when_it_changes(site: Site) -> None:
    """With the second request in ten seconds; small ones and those that travel as descriptors; INVALIDATE comes when
    the file changes, is replaced by a rename, goes, or when a web.config on its way says something else."""

    async def main() -> None:
        small, large = site.write("a.txt"), site.write("b.txt", "x" * 100_000)
        third = site.write("c.txt")
        site.write("sub/d.txt")
        front = await site.serve()
        first = await number_offered(front, "/a.txt")
        second = await number_offered(front, "/b.txt")
        assert (len(front.answers[second].body), front.answers[second].files) == (100_000, [])
        gone = await number_offered(front, "/c.txt")
        below = await number_offered(front, "/sub/d.txt")
        assert front.invalidated == []
        again = await number_offered(front, "/b.txt")
        await front.until(lambda: front.invalidated == [second])  # there is one offer for a URL
        small.write_text("other")
        await front.until(lambda: first in front.invalidated)
        os.replace(site.write("e.txt", "x" * 100_000), large)
        await front.until(lambda: again in front.invalidated)
        third.unlink()
        await front.until(lambda: gone in front.invalidated)
        assert below not in front.invalidated
        site.write(
            "sub/web.config",
            '<configuration><system.webServer><caching enabled="false" /></system.webServer></configuration>',
        )
        await front.until(lambda: below in front.invalidated)

    run(main())


def test_a_very_long_url_is_not_offered(site: Site) -> None:
    """A file's path can be spelled at any length; hits of what nobody else asks for are not counted."""

    async def main() -> None:
        site.write("a.txt")
        front = await site.serve()
        await number_offered(front, "/a.txt")  # it has settled
        assert await offered(front, f"{'/.' * 500}/a.txt", times=2) == FILE
        assert await offered(front, f"{'/.' * 600}/a.txt", times=5) is None

    run(main())


def test_each_of_several_listeners_keeps_an_answer_and_hears_when_it_is_out_of_date(site: Site) -> None:
    """What one of them has asked for does not take it away from the other."""

    async def main() -> None:
        file = site.write("a.txt")
        engine = await site.start()
        fronts = Front(), Front()
        for place, front in enumerate(fronts):
            engine.attach(front.link, front.side, place=place, fronts=2)
        numbers = [await number_offered(front, "/a.txt") for front in fronts]
        assert [front.invalidated for front in fronts] == [[], []]
        file.write_text("other")
        for front, number in zip(fronts, numbers, strict=True):
            await front.until(lambda front=front, number=number: front.invalidated == [number])  # type: ignore[misc]

    run(main())


def test_a_file_that_was_written_just_now_is_not_offered(site: Site) -> None:
    """It may be written again without another time or size: nothing is offered before SETTLED_SECONDS have passed."""

    async def main() -> None:
        path = site.write("a.txt")
        front = await site.serve()
        await number_offered(front, "/a.txt")
        assert time.time() - os.stat(path).st_ctime > SETTLED_SECONDS

    run(main())


def test_a_plugin_says_how_long_its_answer_is_good(site: Site) -> None:
    """With the first request; not for a POST, a query, or a client with cookies or credentials."""

    async def main() -> None:
        site.extension("polite", POLITE)
        front = await site.serve()
        assert (await front.ask("/a.polite")).cache == CacheFrame(0, 30)
        for request in (
            {"method": "POST"},
            {"method": "HEAD"},
            {"fields": b"Host: x\r\nCookie: a=b\r\n"},
            {"fields": b"Host: x\r\nauthorization: Basic eDp5\r\n"},
        ):
            assert (await front.ask("/a.polite", **request)).cache is None
        assert (await front.ask("/a.polite?b")).cache is None

    run(main())


def test_a_filter_or_module_that_is_not_cache_aware_keeps_answers_out(site: Site) -> None:
    """Each alone; the answer says so to the listener, too."""

    async def asked(name: str) -> tuple[CacheFrame | None, bool]:
        front = await site.serve()
        answer = await front.ask(f"/{name}.polite")
        return answer.cache, bool(answer.flags & ResponseFlag.NO_CACHE)

    site.extension("polite", POLITE)
    site.filter("looks", "@hookimpl\ndef on_preproc_headers(request):\n    pass\n")
    assert run(asked("a")) == (None, True)
    site.filters.clear()
    site.module("watches", "@hookimpl\ndef begin_request(request):\n    pass\n")
    assert run(asked("b")) == (None, True)
    site.modules.clear()
    aware = "@hookimpl\ndef module_info():\n    return ModuleInfo(cache_aware=True)\n"
    site.module("knows", aware + "@hookimpl\ndef begin_request(request):\n    pass\n")
    assert run(asked("c")) == (CacheFrame(0, 30), False)


def test_an_answer_for_a_user_is_not_offered(site: Site) -> None:
    """A module that knows about the cache finds out who asks."""
    site.extension("polite", POLITE)
    aware = "@hookimpl\ndef module_info():\n    return ModuleInfo(cache_aware=True)\n"
    site.module("names", aware + "@hookimpl\ndef authenticate_request(request):\n    request.user = 'anna'\n")

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/a.polite")
        assert (answer.cache, answer.flags & ResponseFlag.NO_CACHE) == (None, ResponseFlag.NO_CACHE)

    run(main())


def test_profiles_decide_by_extension(site: Site) -> None:
    """CacheForTimePeriod for frequent URLs, DisableCache also for files and plugins that ask, varyBy never."""
    site.further = """<caching><profiles>
        <add extension=".timed" kernelCachePolicy="CacheForTimePeriod" duration="00:00:07" />
        <add extension=".polite" kernelCachePolicy="DisableCache" />
        <add extension=".varied" kernelCachePolicy="CacheForTimePeriod" varyByQueryString="*" />
        </profiles></caching>"""
    mapping = 'HandlerMapping(name="{0}", path="*.{0}")'
    mappings = ", ".join(mapping.format(name) for name in ("timed", "varied", "silent"))
    site.extension("polite", POLITE)
    code = f"@hookimpl\ndef handler_mappings():\n    return [{mappings}]\n"
    site.extension("says", code + "@hookimpl\ndef handle(request):\n    return Response.text('x')\n")

    async def main() -> None:
        front = await site.serve()
        assert await offered(front, "/a.timed") == CacheFrame(0, 7)
        assert await offered(front, "/a.polite", 3) is None
        assert await offered(front, "/a.varied", 3) is None
        assert await offered(front, "/a.silent", 3) is None

    run(main())


def test_a_default_document_is_not_the_file_that_was_named(site: Site) -> None:
    """IIS: what `/` answers with is not cached; the document's own URL is."""

    async def main() -> None:
        site.further = (
            '<defaultDocument enabled="true"><files><clear /><add value="i.html" /></files></defaultDocument>'
        )
        site.write("i.html")
        front = await site.serve()
        await number_offered(front, "/i.html")
        for _ in range(3):  # it is frequent, too
            answer = await front.ask("/")
            assert (answer.cache, answer.body) == (None, b"content")

    run(main())


def test_what_a_script_leads_to_is_not_the_scripts_answer(site: Site) -> None:
    """It may lead the next client elsewhere: it may have looked at its cookies, or at its address."""
    site.extension(
        "leading",
        """
        @hookimpl
        def handler_mappings():
            return [HandlerMapping(name="Leading", path="*.lead")]

        @hookimpl
        def handle(request):
            return Response(internal_target="/i.html")
        """,
    )
    profile = '<add extension=".lead" policy="CacheUntilChange" kernelCachePolicy="CacheUntilChange" />'
    shared = '<add extension=".lead" sharedCache="true" /><add extension=".html" sharedCache="true" />'

    async def main() -> None:
        site.write("i.html")
        site.write("a.lead")
        for further in ("", f"<caching><profiles>{profile}</profiles></caching>", shared_profiles):
            site.further = further
            front = await site.serve()
            if not further:
                await number_offered(front, "/i.html")
            for _ in range(3):
                answer = await front.ask("/a.lead")
                assert (answer.cache, answer.body) == (None, b"content")

    shared_profiles = f"<caching><profiles>{shared}</profiles></caching>"
    run(main())


def test_caching_can_be_switched_off(site: Site) -> None:
    """caching/@enabled; frequentHitThreshold moves what frequent means."""

    async def main() -> None:
        site.further = '<caching enabled="false" />'
        site.extension("polite", POLITE)
        front = await site.serve()
        assert (await front.ask("/a.polite")).cache is None
        profile = '<add extension=".polite" kernelCachePolicy="CacheForTimePeriod" />'
        site.further = f'<serverRuntime frequentHitThreshold="3" /><caching><profiles>{profile}</profiles></caching>'
        front = await site.serve()
        assert await offered(front, "/a.polite", 3) == CacheFrame(0, 30)

    run(main())


def test_what_a_connection_must_show_is_not_asked_by_the_cache(site: Site) -> None:
    """It knows TLS from none, and nothing of ciphers and client certificates: with such a demand nothing is offered."""

    async def offer(flags: str) -> CacheFrame | None:
        site.further = f'<security><access sslFlags="{flags}" /></security>'
        front = await site.serve()
        answer = await front.ask("/a.polite", tls=TLS)
        assert answer.status == 200
        return answer.cache

    async def main() -> None:
        site.extension("polite", POLITE)
        assert await offer("Ssl") == CacheFrame(0, 30)
        for flags in ("Ssl, SslRequireCert", "SslNegotiateCert", "Ssl, Ssl128"):
            assert await offer(flags) is None

    run(main())


def test_what_is_for_this_machine_alone_is_not_offered(site: Site) -> None:
    """The cache does not ask where a client is."""

    async def main() -> None:
        site.extension("polite", POLITE)
        assert (await (await site.serve()).ask("/a.polite")).cache == CacheFrame(0, 30)
        for kind in ("Read", "Script", "Execute", "Write"):
            site.access = f"Read, Script, NoRemote{kind}"
            answer = await (await site.serve()).ask("/a.polite")
            assert (answer.status, answer.cache) == (200, None)

    run(main())
