"""What a worker says of answers whose profile has sharedCache; real frames, real files."""

from __future__ import annotations

import pytest

from host.wire.frames import CacheFlag, CacheFrame, Kind, ResponseFlag
from host.worker.shared_answers import MOST_VARIANTS, Variants
from tests.worker.front import run
from tests.worker.site import Site

SHARED = CacheFrame(CacheFlag.SHARED, 0)
OF_FILE = CacheFrame(CacheFlag.SHARED | CacheFlag.IGNORES_COOKIES, 0)
INVALIDATES = CacheFrame(CacheFlag.INVALIDATES, 0)
PROFILES = """<caching><profiles>
    <add extension=".shared" sharedCache="true" />
    <add extension=".txt" sharedCache="true" />
    <add extension=".off" sharedCache="true" kernelCachePolicy="DisableCache" />
    </profiles></caching>"""
SHARES = """
@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Shares", path="*.shared"), HandlerMapping(name="Off", path="*.off")]

@hookimpl
def handle(request):
    if "stream" in request.path:
        return Response(status=200, body=iter([b"in ", b"pieces"]))
    if "raises" in request.path:
        raise HttpError(404)
    if "empty" in request.path:
        return Response(status=204)
    if request.headers.get("If-None-Match") == '"v1"':
        return Response(status=304)
    response = Response.text(request.method)
    if "silent" not in request.path:
        response.headers.set("Cache-Control", "max-age=5")
    if "fails" in request.path:
        response.status = 409
    return response
"""


@pytest.fixture
def sharing(site: Site) -> Site:
    """A site with the plugin and the profiles."""
    site.extension("shares", SHARES)
    site.further = PROFILES
    return site


def test_what_says_how_long_it_is_fresh_is_offered_at_once(sharing: Site) -> None:
    """With a query, cookies or credentials, too: the listener decides by the fields. A 304 as well: the listener may
    have asked."""

    async def main() -> None:
        front = await sharing.serve()
        for fields in (b"", b"Cookie: a=b\r\n", b"Authorization: Basic eDp5\r\n", b"Range: bytes=0-1\r\n"):
            assert (await front.ask("/a.shared?b", fields=b"Host: x\r\n" + fields)).cache == SHARED
        answer = await front.ask("/a.shared", fields=b'Host: x\r\nIf-None-Match: "v1"\r\n')
        assert (answer.status, answer.cache) == (304, SHARED)
        for target, request in (
            ("/silent.shared", {}),
            ("/stream.shared", {}),
            ("/a.off", {}),
            ("/a.shared", {"method": "HEAD"}),
            ("/fails.shared", {"method": "POST"}),
            ("/a.off", {"method": "POST"}),
        ):
            assert (await front.ask(target, **request)).cache is None, (target, request)

    run(main())


def test_an_unsafe_method_that_succeeds_says_that_what_is_stored_is_out_of_date(sharing: Site) -> None:
    """RFC 9111 4.4: before answers in one piece, in several, and without a body; also for somebody who logged in."""
    aware = "@hookimpl\ndef module_info():\n    return ModuleInfo(cache_aware=True)\n"
    names = "@hookimpl\ndef authenticate_request(request):\n    if 'user' in request.path: request.user = 'anna'\n"
    sharing.module("names", aware + names)

    async def main() -> None:
        front = await sharing.serve()
        for target, method, kind in (
            ("/a.shared", "POST", Kind.RESPONSE),
            ("/silent.shared", "DELETE", Kind.RESPONSE),
            ("/stream.shared", "PUT", Kind.END),
            ("/user.shared", "POST", Kind.RESPONSE),
        ):
            answer = await front.ask(target, method=method)
            assert (answer.status, answer.cache, answer.kinds[-1]) == (200, INVALIDATES, kind), target
        assert front.invalidated == []
        assert [(await front.ask("/b.shared")).cache for _ in range(2)] == [SHARED] * 2
        first, second = sorted(front.answers)[-2:]
        assert (await front.ask("/b.shared", method="POST")).cache == INVALIDATES
        assert front.invalidated == [first, second]  # other fronts would have to hear of it, too
        answer = await front.ask("/empty.shared", method="POST")
        assert (answer.status, answer.cache) == (204, INVALIDATES)
        answer = await front.ask("/user.shared")
        assert (answer.cache, answer.flags & ResponseFlag.NO_CACHE) == (None, ResponseFlag.NO_CACHE)

    run(main())


def test_errors_of_a_handler_are_offered_those_of_isapy_are_not(sharing: Site) -> None:
    """Not the page of a refusal, which may be the request's fault alone, though all answers say max-age; and no error
    that a local client was told: it may name causes."""
    headers = '<customHeaders><add name="Cache-Control" value="max-age=5" /></customHeaders>'
    sharing.further += f"<httpProtocol>{headers}</httpProtocol>"

    async def main() -> None:
        front = await sharing.serve()
        assert (await front.ask("/fails.shared", remote="192.0.2.1")).cache == SHARED
        assert (await front.ask("/fails.shared")).cache is None
        for fields in (b"", b"Cache-Control: only-if-cached\r\n"):
            target = "/a.shared" if fields else "/raises.shared"
            answer = await front.ask(target, fields=b"Host: x\r\n" + fields, remote="192.0.2.1")
            assert (answer.status, answer.cache) == (504 if fields else 404, None)
            assert "max-age=5" in answer.header("Cache-Control")

    run(main())


def test_a_filter_that_is_not_cache_aware_keeps_them_out(sharing: Site) -> None:
    """As all others."""
    sharing.filter("looks", "@hookimpl\ndef on_preproc_headers(request):\n    pass\n")

    async def main() -> None:
        front = await sharing.serve()
        answer = await front.ask("/a.shared")
        assert (answer.cache, answer.flags & ResponseFlag.NO_CACHE) == (None, ResponseFlag.NO_CACHE)

    run(main())


def test_only_if_cached_is_refused_by_whoever_would_have_to_answer(sharing: Site) -> None:
    """RFC 9111 5.2.1.7: 504, and the handler is not asked; without the profile the directive means nothing."""

    async def main() -> None:
        front = await sharing.serve()
        for control in (b"only-if-cached", b"max-stale, Only-If-Cached"):
            fields = b"Host: x\r\nCache-Control: " + control + b"\r\n"
            assert (await front.ask("/stream.shared", fields=fields)).status == 504
            assert (await front.ask("/a.shared", fields=fields, method="POST")).status == 200
            assert (await front.ask("/a.off", fields=fields)).status == 200

    run(main())


def test_all_variants_are_taken_back_when_the_settings_change(sharing: Site) -> None:
    """Of a URL there may be several; one that is offered anew takes back none of them."""
    sharing.write("sub/a.shared")

    async def main() -> None:
        front = await sharing.serve()
        for _ in range(3):
            assert (await front.ask("/sub/a.shared")).cache == SHARED
        assert front.invalidated == []
        sharing.write(
            "sub/web.config", "<configuration><system.webServer><caching /></system.webServer></configuration>"
        )
        await front.until(lambda: len(front.invalidated) == 3)
        assert sorted(front.invalidated) == [1, 2, 3]

    run(main())


def test_a_file_that_changes_takes_its_answer_back(sharing: Site) -> None:
    """It is watched as without sharedCache, and for longer than its max-age; also after it was found unchanged."""
    client_cache = '<staticContent><clientCache cacheControlMode="UseMaxAge" /></staticContent>'
    sharing.further += client_cache
    path = sharing.write("a.txt")

    async def main() -> None:
        front = await sharing.serve()
        while (answer := await front.ask("/a.txt")).cache is None:  # it must settle
            pass
        assert answer.cache == OF_FILE
        first = max(front.answers)
        tag = answer.header("ETag").encode()
        answer = await front.ask("/a.txt", fields=b"Host: localhost\r\nIf-None-Match: " + tag + b"\r\n")
        assert answer.status == 304
        assert answer.cache is not None
        assert answer.cache.flags & CacheFlag.SHARED
        second = max(front.answers)
        path.write_text("another")
        await front.until(lambda: {first, second} <= set(front.invalidated))

    run(main())


def test_one_variant_too_many_takes_back_the_oldest() -> None:
    """A client that invents variants makes nobody remember them all."""
    variants, taken_back = Variants(), list[int]()
    for number in range(MOST_VARIANTS + 2):
        variants.add(lambda number=number: taken_back.append(number))  # type: ignore[misc]
    assert taken_back == [0, 1]
    variants()
    assert taken_back == list(range(MOST_VARIANTS + 2))
