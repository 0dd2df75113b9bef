"""What a handler may ask of the host for its request."""

from __future__ import annotations

import pytest

from tests.worker.front import run
from tests.worker.site import STATIC, Site

ASKS = """
import asyncio, threading
from contextlib import aclosing
from host.api import Headers

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Asks", path="*.asks"), HandlerMapping(name="Echo", path="*.echo")]

async def told(request, response):
    body = b""
    async with aclosing(request.host.pieces(response)) as pieces:
        async for piece in pieces:
            if not isinstance(piece, bytes):
                import os
                piece = os.pread(piece.descriptor, piece.length, piece.offset)
            body += piece
    return f"{response.status} {body.decode()}"

@hookimpl
async def handle(request):
    if request.path.endswith(".echo"):
        body = await request.body.read()
        return Response.text(f"{request.method} {request.headers.get('X-Child')} {body.decode()} {request.path_info}")
    host, what = request.host, request.query.get("what")
    if what == "file":
        return Response.text(await told(request, await host.execute("/note.txt")))
    if what == "child":
        child = await host.execute("/a.echo", method="PUT", headers=Headers([("X-Child", "yes")]), body=b"data")
        return Response.text(await told(request, child))
    if what == "inherits":
        return Response.text(await told(request, await host.execute("/a.echo")))
    if what == "passed":
        return Response.text(await told(request, await host.execute("/b.asks?what=file", passed_over=("Asks",))))
    if what == "forever":
        return await host.execute(request.raw_target)
    if what == "map":
        place = await host.map_url("/media/%41/../b.txt?x=1")
        facts = (place.path, place.physical_path, place.physical_root, place.url_root, str(place.access))
        return Response.text(" ".join(facts))
    if what == "elsewhere":
        return await host.execute("/other/x.txt")
    if what == "pages":
        error = HttpError(404, 0, "the detail")
        shown = await told(request, await host.error_page(error))
        return Response.text(f"{await host.configured_error_page(error)} {'the detail' in shown}")
    if what == "thread":
        name = await host.run_on_thread("asks", "thing", lambda text: threading.current_thread().name + text, "!")
        return Response.text(f"{name} {host.is_connected}")
    if what == "drop":
        import os
        before = len(os.listdir("/proc/self/fd"))
        response = await host.execute("/big.txt")
        gained = len(os.listdir("/proc/self/fd")) - before
        await host.discard(response)
        closed = []
        class Pieces:
            def __iter__(self): return iter(())
            def close(self): closed.append(threading.current_thread().name)
        await host.discard(Response(body=Pieces()))
        await host.discard(Response.text("nothing to close"))
        return Response.text(f"{gained} {len(os.listdir('/proc/self/fd')) - before} {closed}")
    if what == "log":
        host.append_to_log("|one")
        host.append_to_log("|two")
        host.set_log_status(299)
        return Response.text("logged")
"""


@pytest.mark.parametrize(
    ("query", "method", "body", "expected"),
    [
        ("file", "GET", b"", "200 the note"),
        ("child", "GET", b"", "200 PUT yes data "),
        ("inherits", "POST", b"from the parent", "200 POST  from the parent "),
        ("thread", "GET", b"", "Pool thread 1! True"),
        ("pages", "GET", b"", "None True"),
        ("drop", "GET", b"", "1 0 ['Pool thread 1']"),
    ],
)
def test_the_host_runs_urls_and_functions_for_a_handler(
    site: Site, query: str, method: str, body: bytes, expected: str
) -> None:
    """Another URL of the site with what is inherited and what is given, error pages, a thread, what is not sent."""
    site.extension("asks", ASKS)
    site.write("note.txt", "the note")
    site.write("big.txt", b"x" * 1_000_000)  # sent from its descriptor

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask(f"/a.asks?what={query}", method=method, body=body)
        assert (answer.status, answer.text) == (200, expected)

    run(main())


def test_a_url_is_mapped_as_a_request_for_it_would_be(site: Site) -> None:
    """Normalised, to its virtual directory, with the access policy's bits."""
    site.extension("asks", ASKS)
    media = site.folder / "media"
    media.mkdir()
    site.applications = (
        f'<application path="/" applicationPool="Pool">{site.directory("/", site.root)}'
        f"{site.directory('/media', media)}</application>"
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.asks?what=map")).text == f"/media/b.txt {media}/b.txt {media} /media 513"

    run(main())


def test_nesting_ends_and_other_pools_are_closed(site: Site) -> None:
    """Ten requests in each other, 500.0; 403.18 for an application that other processes serve."""
    site.extension("asks", ASKS)
    site.applications += (
        f'<application path="/other" applicationPool="Other">{site.directory("/", site.root)}</application>'
    )
    site.handlers = '<add name="Mine" path="*.mine" verb="*" modules="asks" />' + STATIC

    async def main() -> None:
        front = await site.serve()
        forever = await front.ask("/a.asks?what=forever")
        assert (forever.status, forever.substatus) == (500, 0)
        elsewhere = await front.ask("/a.asks?what=elsewhere")
        assert (elsewhere.status, elsewhere.substatus) == (403, 18)
        passed = await front.ask("/a.asks?what=passed")
        assert (passed.status, passed.substatus) == (404, 0)  # the static file handler has no b.asks

    run(main())


def test_a_handler_adds_to_its_log_line(site: Site) -> None:
    """Text behind the query, and another status than the client's."""
    site.extension("asks", ASKS)

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/a.asks?what=log")
        assert answer.log is not None
        assert (answer.status, answer.log.target, answer.log.status) == (200, "/a.asks?what=log|one|two", "299")

    run(main())
