"""The filter in a worker: which answers leave compressed, and what their fields say."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import pytest

from host.compression.copies import SMALL_COPY_BYTES
from host.wire.frames import CacheFlag, CacheFrame, Kind
from tests.compression.private_folder import make_private_folder, settle
from tests.compression.test_encoders import TEXT, decode
from tests.worker.front import Answer, Front, run, until
from tests.worker.site import Site

BROWSER = b"gzip, deflate, br, zstd"
ON = '<httpCompression dynamicCompressionDisableCpuUsage="100" {attributes}>{inner}</httpCompression>'
DYNAMIC = """
import asyncio, os

TEXT = b"a line of text that repeats itself\\n" * 1000
life = []

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Dynamic", path="*.dynamic")]

class Iterator:
    def __init__(self, pieces): self.pieces = iter(pieces)
    def __iter__(self): return self
    def __next__(self): return next(self.pieces)
    def close(self): contexts[0].report_event("life", "closed")

contexts = []
@hookimpl
def load(context): contexts.append(context)

async def events(request):
    try:
        for number in range(3):
            yield b"data: %d\\n\\n" % number
            await gates[number].wait()
    finally:
        contexts[0].report_event("life", "events closed")

async def breaks():
    yield TEXT
    raise RuntimeError("in the middle")

def a_file(): return FileBody(os.open(FILE, os.O_RDONLY), 0, os.path.getsize(FILE))

gates = {}

@hookimpl
async def handle(request):
    name, _, options = request.raw_query.partition("&")
    for number in range(3): gates.setdefault(number, asyncio.Event())
    if name == "open":
        gates[int(options)].set()
        return Response.text("open")
    bodies = {
        "bytes": lambda: TEXT, "small": lambda: b"small", "large": lambda: TEXT * 30, "view": lambda: memoryview(TEXT),
        "list": lambda: [TEXT, TEXT], "iterator": lambda: Iterator([TEXT, b"", TEXT]), "empty": lambda: b"",
        "file": a_file, "mixed": lambda: [b"<", a_file(), b">"], "events": lambda: events(request),
        "random": lambda: os.urandom(1000), "breaks": breaks,
    }
    response = Response(headers=Headers([("Content-Type", "text/plain"), ("ETag", '"tag"')]), body=bodies[name]())
    if name == "events": response.headers.set("Content-Type", "text/event-stream")
    if name == "file": response.headers.set("Content-Length", str(os.path.getsize(FILE)))
    if "cookie" in options: response.headers.set("Vary", "Cookie")
    if "coded" in options: response.headers.set("Content-Encoding", "br")
    if "fixed" in options: response.headers.set("Cache-Control", "no-transform")
    if "image" in options: response.headers.set("Content-Type", "image/png")
    if "part" in options: response.status = 206
    if "missing" in options: response.status = 404
    if "kept" in options: response.cache = CachePolicy(seconds=60)
    return response
"""


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pool's temporary folder."""
    return make_private_folder(tmp_path, monkeypatch)


@pytest.fixture
def compressing(tmp_path: Path, private: Path) -> Site:
    """A site with the filter, files and an extension that answers with every kind of body."""
    site = Site(tmp_path)
    site.filters.append('<filter name="compression" />')
    site.further = ON.format(attributes="", inner="")
    data = site.folder / "data.txt"
    data.write_bytes(TEXT)
    site.extension("dynamic", DYNAMIC.replace("FILE", repr(str(data))))
    site.write("page.txt", TEXT[:40000])
    site.write("large.txt", os.urandom(20000) * 2)
    site.write("small.txt", "small")
    settle(site.write("image.png", TEXT[:40000]))
    return site


async def ask(front: Front, target: str, accepted: bytes = BROWSER, fields: bytes = b"", method: str = "GET") -> Answer:
    encoding = b"Accept-Encoding: " + accepted + b"\r\n" if accepted else b""
    return await front.ask(target, fields=b"Host: localhost\r\n" + encoding + fields, method=method)


def content(answer: Answer) -> bytes:
    """The body as the client reads it."""
    return decode(answer.header("Content-Encoding"), answer.file_bytes() if answer.files else answer.body)


async def ask_until_copied(front: Front, target: str, accepted: bytes = BROWSER) -> Answer:
    """As clients that come again; a copy is made in the background."""
    while True:
        answer = await ask(front, target, accepted)
        if answer.header("Content-Encoding"):
            return answer
        content(answer)


# --- dynamic compression


@pytest.mark.parametrize("accepted", ["br", "zstd", "gzip", "deflate"])
def test_every_coding_carries_the_answer(compressing: Site, accepted: str) -> None:
    """What the client accepts; the fields say so, and the length is the front's to count."""
    schemes = '<clear /><scheme name="zstd" /><scheme name="br" /><scheme name="gzip" /><scheme name="deflate" />'
    compressing.further = ON.format(attributes="", inner=schemes)

    async def main() -> None:
        front = await compressing.serve()
        answer = await ask(front, "/a.dynamic?bytes", accepted.encode())
        assert answer.header("Content-Encoding") == accepted
        assert (answer.header("Vary"), answer.header("ETag")) == ("Accept-Encoding", 'W/"tag"')
        assert (answer.kinds, answer.header("Content-Length")) == ([Kind.RESPONSE], "")
        assert content(answer) == b"a line of text that repeats itself\n" * 1000
        assert len(answer.body) < 1000

    run(main())


@pytest.mark.parametrize(
    ("name", "length"),
    [("large", 30000), ("list", 2000), ("iterator", 2000), ("view", 1000), ("file", 0), ("mixed", 0)],
)
def test_bodies_of_every_kind_are_compressed(compressing: Site, name: str, length: int) -> None:
    """Large ones on a thread, files without their descriptor, iterators piece by piece."""

    async def main() -> None:
        answer = await ask(await compressing.serve(), f"/a.dynamic?{name}")
        expected = b"a line of text that repeats itself\n" * length or TEXT
        assert answer.header("Content-Encoding") == "br"
        assert answer.header("Content-Length") == ""
        assert content(answer) == (b"<" + expected + b">" if name == "mixed" else expected)
        if name == "iterator":
            assert compressing.told("life") == ["closed"]

    run(main())


@pytest.mark.parametrize(
    ("target", "varies"),
    [
        ("bytes&coded", False),
        ("bytes&fixed", False),
        ("bytes&image", False),
        ("bytes&part", False),
        ("small", False),
        ("empty", False),
        ("random", True),
    ],
)
def test_what_stays_as_it_is(compressing: Site, target: str, varies: bool) -> None:
    """Coded already, not to be transformed, not of such a type, a part; too small, or no smaller when compressed."""

    async def main() -> None:
        answer = await ask(await compressing.serve(), f"/a.dynamic?{target}")
        assert answer.header("Content-Encoding") == ("br" if "coded" in target else "")
        assert answer.header("ETag") == '"tag"'
        assert answer.header("Vary") == ("Accept-Encoding" if varies else "")

    run(main())


@pytest.mark.parametrize(
    ("accepted", "fields"), [(b"", b""), (b"identity", b""), (BROWSER, b"Via: 1.1 p\r\n"), (BROWSER, b"Range: x\r\n")]
)
def test_who_gets_everything_as_it_is(compressing: Site, accepted: bytes, fields: bytes) -> None:
    """And is told that others may get something else."""

    async def main() -> None:
        answer = await ask(await compressing.serve(), "/a.dynamic?bytes&cookie", accepted, fields)
        assert (answer.header("Content-Encoding"), answer.header("Vary")) == ("", "Cookie, Accept-Encoding")
        assert answer.body == b"a line of text that repeats itself\n" * 1000

    run(main())


def test_error_pages_are_compressed_too(compressing: Site) -> None:
    """An answer is an answer."""

    async def main() -> None:
        answer = await ask(await compressing.serve(), "/a.dynamic?bytes&missing")
        assert (answer.status, answer.header("Content-Encoding")) == (404, "br")

    run(main())


def test_head_says_what_get_would_say(compressing: Site) -> None:
    """As far as it is known: without a length, and a file that was opened is closed."""

    async def main() -> None:
        front = await compressing.serve()
        for name in ("bytes", "file", "iterator"):
            answer = await ask(front, f"/a.dynamic?{name}", method="HEAD")
            assert (answer.header("Content-Encoding"), answer.header("Content-Length")) == ("br", "")
            assert (answer.header("Vary"), answer.header("ETag"), answer.body) == ("Accept-Encoding", 'W/"tag"', b"")
        assert compressing.told("life") == ["closed"]
        answer = await ask(front, "/a.dynamic?small", method="HEAD")
        assert (answer.header("Content-Encoding"), answer.header("Content-Length")) == ("", "5")

    run(main())


def test_each_event_reaches_the_client_at_once(compressing: Site) -> None:
    """The next one does not come before the client has read the last: nothing may wait in the encoder."""
    reader_of_gzip = zlib.decompressobj(31)

    async def main() -> None:
        front = await compressing.serve()
        number = front.send("/a.dynamic?events", fields=b"Host: x\r\nAccept-Encoding: gzip\r\n")
        answer, read, taken = front.answers[number], b"", 0
        for event in range(3):
            while b"data: %d\n\n" % event not in read:
                await front.until(lambda: len(answer.body) > taken)  # noqa: B023
                read += reader_of_gzip.decompress(answer.body[taken:])
                taken = len(answer.body)
            await front.ask(f"/a.dynamic?open&{event}")
        await front.answer(number)
        assert answer.header("Content-Encoding") == "gzip"
        assert read + reader_of_gzip.decompress(answer.body[taken:]) == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert compressing.told("life") == ["events closed"]

    run(main())


def test_a_body_that_breaks_off_is_cut(compressing: Site) -> None:
    """The client must not take a part for the whole: no end of the coded stream is written."""

    async def main() -> None:
        answer = await ask(await compressing.serve(), "/a.dynamic?breaks", b"gzip")
        assert answer.kinds[-1] is Kind.RESET
        with pytest.raises(EOFError):
            decode("gzip", answer.body)

    run(main())


def test_a_client_that_leaves_closes_the_body(compressing: Site) -> None:
    """What the compressed body holds is closed with it."""

    async def main() -> None:
        front = await compressing.serve()
        number = front.send("/a.dynamic?events", fields=b"Host: x\r\nAccept-Encoding: gzip\r\n")
        await front.until(lambda: bool(front.answers[number].body))
        front.say(Kind.ABORT, number)
        await until(lambda: compressing.told("life"))

    run(main())


def test_what_varies_is_not_offered_to_the_listeners_cache(compressing: Site) -> None:
    """An answer of another type is, as before."""

    async def main() -> None:
        front = await compressing.serve()
        assert (await ask(front, "/a.dynamic?bytes&kept")).cache is None
        assert (await ask(front, "/image.png")).cache is None
        assert (await ask(front, "/image.png")).cache is None  # it is not two seconds old

    run(main())


def test_a_shared_cache_is_offered_each_coding(compressing: Site) -> None:
    """sharedCache: what is compressed, and what came plain, both say that they vary by Accept-Encoding."""
    compressing.further += """<caching><profiles><add extension="*" sharedCache="true" /></profiles></caching>
        <httpProtocol><customHeaders><add name="Cache-Control" value="max-age=5" /></customHeaders></httpProtocol>"""

    async def main() -> None:
        front = await compressing.serve()
        for accepted, coding in ((BROWSER, "br"), (b"gzip", "gzip"), (b"", "")):
            answer = await ask(front, "/a.dynamic?bytes", accepted)
            assert (answer.header("Content-Encoding"), answer.header("Vary")) == (coding, "Accept-Encoding")
            assert answer.cache == CacheFrame(CacheFlag.SHARED, 0)

    run(main())


@pytest.mark.parametrize(("attribute", "target"), [("doDynamic", "/a.dynamic?bytes"), ("doStatic", "/page.txt")])
def test_a_url_may_do_without(compressing: Site, attribute: str, target: str) -> None:
    """urlCompression: neither coded nor varying."""
    compressing.further = ON.format(attributes='staticCompressionIgnoreHitFrequency="true"', inner="")
    compressing.further += f'<urlCompression {attribute}Compression="false" />'

    async def main() -> None:
        front = await compressing.serve()
        for _ in range(3):
            answer = await ask(front, target)
            assert (answer.header("Content-Encoding"), answer.header("Vary")) == ("", "")
            content(answer)

    run(main())


# --- static compression


def test_a_file_is_compressed_when_it_is_asked_for_often(compressing: Site) -> None:
    """The first answers go out as they are, later ones are the copy; each coding has its own."""

    async def main() -> None:
        front = await compressing.serve()
        first = await ask(front, "/page.txt")
        assert (first.header("Content-Encoding"), first.header("Vary")) == ("", "Accept-Encoding")
        assert content(first) == TEXT[:40000]
        for accepted in (BROWSER, b"gzip"):
            answer = await ask_until_copied(front, "/page.txt", accepted)
            assert content(answer) == TEXT[:40000]
            assert answer.header("ETag") == "W/" + first.header("ETag")
            assert answer.header("Last-Modified") == first.header("Last-Modified")
            assert (answer.header("Vary"), answer.header("Accept-Ranges")) == ("Accept-Encoding", "")
            assert answer.kinds == [Kind.RESPONSE]
        assert content(await ask(front, "/page.txt", b"")) == TEXT[:40000]

    run(main())


def test_a_large_copy_goes_by_descriptor(compressing: Site, private: Path) -> None:
    """As files do; its length is known, and a copy that was cleared away costs no request."""

    async def main() -> None:
        front = await compressing.serve()
        original = (compressing.root / "large.txt").read_bytes()
        answer = await ask_until_copied(front, "/large.txt")
        ((_, offset, length),) = answer.files
        assert (offset, str(length)) == (0, answer.header("Content-Length"))
        assert SMALL_COPY_BYTES < length < len(original)
        assert content(answer) == original
        for path in (private / "compressed-copies").iterdir():
            path.unlink()
        assert content(await ask(front, "/large.txt")) == original
        assert content(await ask_until_copied(front, "/large.txt")) == original

    run(main())


def test_a_changed_file_is_never_answered_by_its_old_copy(compressing: Site) -> None:
    """The stamp of the original decides with each request."""

    async def main() -> None:
        front = await compressing.serve()
        await ask_until_copied(front, "/page.txt")
        compressing.write("page.txt", TEXT[:50000])
        assert content(await ask(front, "/page.txt")) == TEXT[:50000]
        assert content(await ask_until_copied(front, "/page.txt")) == TEXT[:50000]

    run(main())


def test_conditions_and_ranges_of_a_compressed_file(compressing: Site) -> None:
    """Either tag is answered by a 304 that carries the copy's; ranges are those of the file, and never of the copy."""

    async def main() -> None:
        front = await compressing.serve()
        strong = (await ask(front, "/page.txt", b"")).header("ETag")
        weak = (await ask_until_copied(front, "/page.txt")).header("ETag")
        for tag in (strong, weak):
            answer = await ask(front, "/page.txt", fields=f"If-None-Match: {tag}\r\n".encode())
            assert (answer.status, answer.header("ETag"), answer.header("Vary")) == (304, weak, "Accept-Encoding")
            assert answer.header("Content-Encoding") == ""
        part = await ask(front, "/page.txt", fields=b"Range: bytes=10-19\r\n")
        assert (part.status, content(part), part.header("Content-Encoding")) == (206, TEXT[10:20], "")
        assert (part.header("ETag"), part.header("Vary")) == (strong, "Accept-Encoding")
        whole = await ask(front, "/page.txt", fields=f"Range: bytes=10-19\r\nIf-Range: {weak}\r\n".encode())
        assert (whole.status, content(whole)) == (200, TEXT[:40000])

    run(main())


def test_head_of_a_compressed_file_is_that_of_get(compressing: Site) -> None:
    """With its length: the copy is there."""

    async def main() -> None:
        front = await compressing.serve()
        got = await ask_until_copied(front, "/large.txt")
        content(got)
        told = await ask(front, "/large.txt", method="HEAD")
        for name in ("Content-Encoding", "Content-Length", "ETag", "Vary", "Content-Type"):
            assert told.header(name) == got.header(name) != ""
        assert (told.body, told.files) == (b"", [])

    run(main())


@pytest.mark.parametrize("name", ["small.txt", "image.png"])
def test_files_that_are_not_worth_it(compressing: Site, name: str) -> None:
    """Below minFileSizeForComp, or of a type that is compressed already."""
    compressing.further = ON.format(attributes='staticCompressionIgnoreHitFrequency="true"', inner="")

    async def main() -> None:
        front = await compressing.serve()
        for _ in range(3):
            answer = await ask(front, f"/{name}")
            assert (answer.header("Content-Encoding"), answer.header("Vary")) == ("", "")
            content(answer)

    run(main())


def test_the_first_hit_may_be_enough(compressing: Site, private: Path) -> None:
    """staticCompressionIgnoreHitFrequency; and sendCacheHeaders goes with what is compressed."""
    attributes = 'staticCompressionIgnoreHitFrequency="true" sendCacheHeaders="true" cacheControlHeader="max-age=7"'
    compressing.further = ON.format(attributes=attributes, inner="")

    async def main() -> None:
        front = await compressing.serve()
        first = await ask(front, "/page.txt")
        assert first.header("Cache-Control") == ""
        await until(lambda: list(private.rglob("compressed-copies/" + "?" * 64)))
        answer = await ask_until_copied(front, "/page.txt")
        assert (answer.header("Cache-Control"), answer.header("Expires")) == (
            "max-age=7",
            "Wed, 01 Jan 1997 12:00:00 GMT",
        )

    run(main())
