"""The listener's cache in a real service, in both isolation modes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from host.admin.cache_messages import Cache, CacheRow, FlushCache, ListCache
from host.admin.client import CommandFailed
from host.admin.commands import Done, RecyclePool, StopPool
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_site

COUNTED = """\
from host.api import CachePolicy, HandlerMapping, Response, hookimpl

calls = []

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Counted", path="*.counted")]

@hookimpl
def handle(request):
    calls.append(request.path)
    response = Response.text(f"call {len(calls)}")
    response.cache = CachePolicy(seconds=600)
    if "cookie" in request.path:
        response.headers.set("Set-Cookie", "a=b")
    if "vary" in request.path:
        response.headers.set("Vary", "Accept-Language")
    return response
"""
NAMES_USERS = """\
from host.api import ModuleInfo, hookimpl

@hookimpl
def module_info():
    return ModuleInfo(cache_aware=True)

@hookimpl
def authenticate_request(request):
    if "user" in request.path:
        request.user = "anna"
"""


def write_cached_site(folder: Path, mode: str) -> Path:
    """The sample without its filters that know nothing of caches, with a module that does, and a plugin that asks."""
    extra = '<modules><add name="names_users" /></modules>'
    config = write_site(folder, mode=mode, web_server_extra=extra)
    config.write_text(config.read_text().replace('<filter name="marker" />', ""))
    (folder / "extensions" / "counted.py").write_text(COUNTED)
    (folder / "filters" / "names_users.py").write_text(NAMES_USERS)
    return config


def answers(service: RunningService, path: str, count: int = 3) -> list[str]:
    """The bodies of so many requests."""
    return [service.get(path).text for _ in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_answers_come_from_the_cache_until_something_changes(tmp_path: Path, mode: str) -> None:
    """Plugins and files in the front's cache, dllhosts included; what depends on somebody never; file changes, filters
    and recycling take answers out."""
    config = write_cached_site(tmp_path, mode)
    with running(tmp_path, config) as service:
        assert answers(service, "/a.counted") == ["call 1"] * 3
        assert answers(service, "/shop/a.counted") == ["call 1"] * 3  # a dllhost's in IIS 5 mode
        assert service.get("/a.counted", {"Authorization": "Basic eDp5"}).text == "call 2"
        for name in ("cookie", "vary", "user"):
            first = answers(service, f"/{name}.counted")
            assert len(set(first)) == 3, (name, first)
        assert len(set(answers(service, "/a.counted?b"))) == 3
        hits = [row for row in cached(service) if row.url.endswith("/a.counted")]
        assert sorted((row.site, row.hits, row.status) for row in hits) == [("Default Web Site", 2, 200)] * 2
        assert len(service.site_log("/a.counted", count=10)) == 10  # hits have their lines, too

        page = tmp_path / "wwwroot" / "index.html"
        wait_until(lambda: is_cached(service, "/index.html"), tmp_path, "the page in the cache")
        part = service.get("/index.html", {"Range": "bytes=2-4"})
        whole = service.get("/index.html").text
        assert (part.status, part.text, part.headers["content-range"]) == (206, whole[2:5], f"bytes 2-4/{len(whole)}")
        page.write_text("another page\n")
        wait_until(lambda: service.get("/index.html").text == "another page\n", tmp_path, "the other page")

        assert flushed(service, FlushCache(url="/shop/*")) == "1 answer taken out of the cache"
        assert answers(service, "/shop/a.counted") == ["call 2"] * 3
        assert flushed(service, FlushCache(site="1", url="/b.counted")) == "0 answers taken out of the cache"
        with pytest.raises(CommandFailed, match="no site Nobody"):
            service.ask(FlushCache(site="Nobody's"))
        if mode == "WorkerProcess":
            assert isinstance(service.ask(RecyclePool(name="Shop")), Done)
            assert answers(service, "/shop/a.counted") == ["call 1"] * 3  # the new worker's first
        service.ask(FlushCache())
        assert cached(service) == []

        config.write_text(config.read_text().replace("<isapiFilters>", '<isapiFilters><filter name="marker" />'))
        wait_until(lambda: "x-marker" in service.get("/c.counted").headers, tmp_path, "the filter in force")
        assert len(set(answers(service, "/a.counted"))) == 3


SHARING = """\
import os
from host.api import HandlerMapping, Response, hookimpl

calls = []

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Sharing", path="*.shared")]

@hookimpl
def handle(request):
    calls.append(request.path)
    if os.path.exists(os.path.join(os.path.dirname(__file__), "broken")):
        os.kill(os.getpid(), 9)
    if request.headers.get("If-None-Match") == '"v1"':
        return Response(status=304)
    response = Response.text(f"{len(calls)} {request.headers.get('Accept-Language', '')}")
    fields = {"Cache-Control": "max-age=600", "Vary": "Accept-Language"}
    if "checked" in request.path:
        fields = {"Cache-Control": "no-cache", "ETag": '"v1"'}
    if "meanwhile" in request.path:
        fields = {"Cache-Control": "max-age=0, stale-while-revalidate=600", "ETag": '"v1"'}
    if "covered" in request.path:
        fields = {"Cache-Control": "max-age=0, stale-if-error=600", "ETag": '"v1"'}
    if "secret" in request.path:
        fields["Cache-Control"] += ", no-store"
    for name, value in fields.items():
        response.headers.set(name, value)
    return response
"""


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["WorkerProcess", "IIS5"])
def test_a_profile_with_shared_cache_follows_rfc_9111(tmp_path: Path, mode: str) -> None:
    """In the front and in dllhosts: Age, variants, no-store, validation, only-if-cached, POST; and in the list. What is
    stale is used while its worker is asked, and when it has died or its pool is stopped."""
    config = write_cached_site(tmp_path, mode)
    (tmp_path / "extensions" / "sharing.py").write_text(SHARING)
    profile = '<caching><profiles><add extension=".shared" sharedCache="true" /></profiles></caching>'
    config.write_text(config.read_text().replace("<isapiFilters>", f"{profile}<isapiFilters>"))
    german, french = {"Accept-Language": "de"}, {"Accept-Language": "fr"}
    with running(tmp_path, config) as service:
        for folder in ("", "/shop"):  # a dllhost's in IIS 5 mode
            url = f"{folder}/a.shared?x=1"
            only = service.get(url, {"Cache-Control": "only-if-cached"})
            assert (only.status, "age" in only.headers) == (504, False)
            first = service.get(url, german)
            assert (first.text, "age" in first.headers) == ("1 de", False)
            assert service.get(url, french).text == "2 fr"
            again = service.get(url, german)
            assert (again.text, again.headers["date"]) == ("1 de", first.headers["date"])
            assert int(again.headers["age"]) >= 0
            assert service.get(url, {**french, "Cache-Control": "only-if-cached"}).text == "2 fr"
            found = sorted(row.variant for row in cached(service) if row.url.endswith(url))
            assert found == ["accept-language: de", "accept-language: fr"]
            assert service.get(url, {**german, "Cache-Control": "no-cache"}).text == "3 de"
            assert service.get(url, german).text == "3 de"

            checked = service.get(f"{folder}/checked.shared").text
            assert checked == "4 "
            assert service.get(f"{folder}/checked.shared").text == "4 "  # the handler was asked, and said 304
            assert service.get(f"{folder}/checked.shared").text == "4 "
            assert [service.get(f"{folder}/secret.shared").text for _ in range(2)] == ["7 ", "8 "]

            assert service.get(url, method="POST", body=b"x").status == 200
            assert service.get(url, german).text == "10 de"
            assert service.get(url, french).text == "11 fr"

            meanwhile = [service.get(f"{folder}/meanwhile.shared").text for _ in range(3)]
            assert meanwhile == ["12 "] * 3
            is_asked = partial(has_been_asked, service, f"{folder}/secret.shared", itertools.count(13))
            wait_until(is_asked, tmp_path, "a question that nobody waits for")

        covered, secret = "/shop/covered.shared", "/shop/secret.shared"
        text = service.get(covered).text
        (tmp_path / "extensions" / "broken").touch()  # whoever is asked dies: twice, since a GET is asked again
        answer = service.get(covered)
        assert (answer.status, answer.text, "age" in answer.headers) == (200, text, True)
        assert service.get(secret).status == 502
        (tmp_path / "extensions" / "broken").unlink()
        assert service.get(covered).text == text
        if mode == "WorkerProcess":
            assert isinstance(service.ask(StopPool(name="Shop")), Done)
            assert service.get(secret).status == 503
            assert service.get(covered).text == text


def has_been_asked(service: RunningService, url: str, own: Iterator[int]) -> bool:
    """Whether the handler has had more calls than our own ones, the next of which is this."""
    return int(service.get(url).text) > next(own)


def cached(service: RunningService) -> list[CacheRow]:
    """What `isapy list cache` shows."""
    reply = service.ask(ListCache())
    assert isinstance(reply, Cache), reply
    return reply.rows


def is_cached(service: RunningService, path: str) -> bool:
    """Whether the listener has it; asks for it, so that it becomes frequent."""
    service.get(path)
    return any(row.url.endswith(path) for row in cached(service))


def flushed(service: RunningService, command: FlushCache) -> str:
    """What the service says it has done."""
    reply = service.ask(command)
    assert isinstance(reply, Done), reply
    return reply.text
