"""An answer that fails leaves nothing to the garbage collector: crawlers and broken applications make many of them."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from host.testing import PluginTest

PLUGIN = """
from host.api import HandlerMapping, HttpError, Response, hookimpl

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Fails", path="*.fails")]

def pieces():
    yield b"x"
    raise ValueError("late")

@hookimpl
def handle(request):
    how = request.raw_query
    if how == "raises": raise KeyError("x")
    if how == "refuses": raise HttpError(403, 1, "no")
    if how == "status": return Response(status=404)
    if how == "pieces": return Response(body=pieces())
    return 17
"""
APPLICATIONS = """
def wsgi(environ, start_response):
    how = environ["QUERY_STRING"]
    if how == "raises": raise KeyError("x")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    if how == "late": return pieces()
    if how == "fine": return iter([b"1234", b"56789"])
    return None

def pieces():
    yield b"x"
    raise ValueError("late")

async def asgi(scope, receive, send):
    if scope["query_string"] == b"raises": raise KeyError("x")
    if scope["query_string"] == b"late":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        raise ValueError("late")
    if scope["query_string"] == b"fine":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x", "more_body": True})
        await send({"type": "http.response.body", "body": b"y"})
"""
HANDLERS = [
    '<add name="W" path="w/*" verb="*" modules="WsgiModule" scriptProcessor="circles:wsgi" />',
    '<add name="S" path="s/*" verb="*" modules="WsgiModule" scriptProcessor="circles:wsgi" threadingModel="Single" />',
    '<add name="A" path="a/*" verb="*" modules="AsgiModule" scriptProcessor="circles:asgi" />',
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PluginTest]:
    plugin = tmp_path_factory.mktemp("circles") / "fails.py"
    plugin.write_text(PLUGIN)
    with PluginTest(
        plugin, "extensions/wsgi.py", "extensions/asgi.py", handlers=HANDLERS, files={"circles.py": APPLICATIONS}
    ) as made:
        yield made


@pytest.mark.parametrize(
    "target",
    [
        *("/missing.txt", "/%ff", "/circles.py", "/x.fails?raises", "/x.fails?refuses", "/x.fails?status"),
        *("/x.fails?pieces", "/x.fails", "/w/?raises", "/w/?late", "/w/", "/s/?raises", "/s/?late", "/s/"),
        *("/a/?raises", "/a/?late", "/a/", "/a/?fine", "/w/?fine", "/s/?fine"),
    ],
)
def test_an_answer_that_fails_leaves_no_circle(site: PluginTest, target: str) -> None:
    """An exception leads to frames: whoever holds it there, holds itself, the request and its body."""
    site.get(target)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(5):
            site.get(target)
        site.get("/x.fails?status")  # what the last one still held for the next is gone
        gc.collect()
        left = [type(one).__name__ for one in gc.garbage]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left.count("Request") == 0, sorted(left)
