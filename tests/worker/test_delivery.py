"""How a response leaves: whole, in pieces, as files; what filters see of it; promises kept and broken."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from host.api import LogEntry
from host.wire.frames import MAX_DATA_BYTES, Kind, ResponseFlag
from host.worker.log_line import log_changes
from tests.worker.front import run, until
from tests.worker.site import Site

BODIES = """
import asyncio, os, time
closed = []

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Body", path="*.body")]

class Iterator:
    def __init__(self, pieces): self.pieces = iter(pieces)
    def __iter__(self): return self
    def __next__(self): return next(self.pieces)
    def close(self): contexts[0].report_event("life", "closed")

contexts = []
@hookimpl
def load(context): contexts.append(context)

async def asynchronous():
    try:
        yield b"one "
        await asyncio.sleep(0)
        yield b""
        yield bytearray(b"two")
    finally:
        contexts[0].report_event("life", "asynchronous closed")

def endless():
    try:
        while True: yield b"x" * 10000
    finally:
        contexts[0].report_event("life", "endless closed")

def file_piece(offset, length):
    return FileBody(os.open(FILE, os.O_RDONLY), offset, length)

async def files():
    yield b"["
    yield file_piece(0, 3)
    yield file_piece(4, 2)
    yield b"]"

@hookimpl
def handle(request):
    name = request.raw_query
    bodies = {
        "bytes": lambda: b"bytes", "empty": lambda: b"", "bytearray": lambda: bytearray(b"array"),
        "list": lambda: [b"a", b"b"], "iterator": lambda: Iterator([b"1", b"", b"2"]),
        "asynchronous": asynchronous, "endless": endless, "files": files,
        "file": lambda: file_piece(1, 5), "large": lambda: b"L" * 200000,
        "mixed": lambda: [b"<", file_piece(0, 2), b">"], "text": lambda: "text", "number": lambda: 5,
    }
    response = Response(body=bodies[name.partition("&")[0]]())
    if "204" in name: response.status = 204
    if "close" in name: response.close_connection = True
    if "raw" in name: response.raw = True
    return response
"""


@pytest.fixture
def bodies(site: Site) -> Site:
    """A site whose `*.body?name` answers with every kind of body."""
    path = site.folder / "data.bin"
    path.write_bytes(b"0123456789")
    site.extension("bodies", BODIES.replace("FILE,", f"{str(path)!r},"))
    return site


@pytest.mark.parametrize(
    ("name", "kinds", "text"),
    [
        ("bytes", [Kind.RESPONSE], "bytes"),
        ("empty", [Kind.RESPONSE], ""),
        ("bytearray", [Kind.RESPONSE], "array"),
        ("list", [Kind.RESPONSE], "ab"),
        ("iterator", [Kind.RESPONSE, Kind.DATA, Kind.DATA, Kind.END], "12"),
        ("asynchronous", [Kind.RESPONSE, Kind.DATA, Kind.DATA, Kind.END], "one two"),
    ],
)
def test_bodies_of_every_kind_arrive(bodies: Site, name: str, kinds: list[Kind], text: str) -> None:
    """Small ones that are known as a whole in one frame; the others as they come."""

    async def main() -> None:
        answer = await (await bodies.serve()).ask(f"/a.body?{name}")
        assert (answer.kinds, answer.text, answer.credit) == (kinds, text, 1)
        assert bool(answer.flags & ResponseFlag.COMPLETE) == (kinds == [Kind.RESPONSE])
        assert answer.header("Content-Length") == ""

    run(main())


def test_iterators_are_closed_when_they_are_done(bodies: Site) -> None:
    """close() of a plain one, aclose() of an asynchronous one."""

    async def main() -> None:
        front = await bodies.serve()
        await front.ask("/a.body?iterator")
        await front.ask("/a.body?asynchronous")
        await until(lambda: len(bodies.told("life")) == 2)
        assert bodies.told("life") == ["closed", "asynchronous closed"]

    run(main())


def test_a_large_body_is_cut_into_pieces_and_its_length_is_told(bodies: Site) -> None:
    """Content-Length is known although the answer is not in one frame."""

    async def main() -> None:
        answer = await (await bodies.serve()).ask("/a.body?large")
        assert answer.header("Content-Length") == "200000"
        assert answer.body == b"L" * 200000
        assert answer.kinds.count(Kind.DATA) == 200000 // MAX_DATA_BYTES + 1

    run(main())


def test_files_are_passed_and_closed(bodies: Site) -> None:
    """A whole answer, pieces of a list, pieces of an iterator: nothing stays open in the worker."""

    async def main() -> None:
        front = await bodies.serve()
        await front.ask("/a.body?bytes")
        before = len(os.listdir("/proc/self/fd"))
        one = await front.ask("/a.body?file")
        assert (one.header("Content-Length"), one.file_bytes()) == ("5", b"12345")
        several = await front.ask("/a.body?files")
        assert (several.body, several.file_bytes()) == (b"[]", b"01245")
        mixed = await front.ask("/a.body?mixed")
        assert (mixed.body, mixed.file_bytes()) == (b"<>", b"01")
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


@pytest.mark.parametrize("name", ["bytes", "file", "iterator", "asynchronous", "files", "large"])
def test_head_gets_the_head_alone(bodies: Site, name: str) -> None:
    """Content-Length stays when it is known; iterators are closed unread, files closed unsent."""

    async def main() -> None:
        front = await bodies.serve()
        before = len(os.listdir("/proc/self/fd"))
        answer = await front.ask(f"/a.body?{name}", method="HEAD")
        assert (answer.kinds, answer.body) == ([Kind.RESPONSE], b"")
        known = {"bytes": "5", "file": "5", "large": "200000"}
        assert answer.header("Content-Length") == known.get(name, "")
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


def test_a_status_without_body_has_none(bodies: Site) -> None:
    """204 drops what a handler gave."""

    async def main() -> None:
        answer = await (await bodies.serve()).ask("/a.body?file&204")
        assert (answer.status, answer.kinds, answer.header("Content-Length")) == (204, [Kind.RESPONSE], "")

    run(main())


def test_raw_output_is_passed_as_it_is(bodies: Site) -> None:
    """nph-: no head, no fields of ours; the connection's fate is a flag."""
    bodies.further = '<httpProtocol><customHeaders><add name="X" value="1" /></customHeaders></httpProtocol>'

    async def main() -> None:
        front = await bodies.serve()
        whole = await front.ask("/a.body?bytes&raw")
        assert (whole.head, whole.text) == (b"", "bytes")
        assert whole.flags & ResponseFlag.RAW
        streamed = await front.ask("/a.body?iterator&raw", method="HEAD")
        assert (streamed.head, streamed.text) == (b"", "12")
        closing = await front.ask("/a.body?bytes&close")
        assert closing.flags & ResponseFlag.CLOSE

    run(main())


@pytest.mark.parametrize(("name", "cause"), [("text", "the body is str"), ("number", "the body is int")])
def test_a_body_of_the_wrong_type_names_the_handler(bodies: Site, name: str, cause: str) -> None:
    """500.0 with the cause; the event says who."""

    async def main() -> None:
        answer = await (await bodies.serve()).ask(f"/a.body?{name}")
        assert (answer.status, cause in answer.text) == (500, True)
        assert cause in bodies.told("plugin-error")[0]
        assert "bodies" in bodies.told("plugin-error")[0]

    run(main())


def test_a_promised_length_is_kept_or_the_connection_is_cut(site: Site) -> None:
    """More is cut, less and an exception are RESET; what a plugin does after the end changes nothing."""
    site.misbehaving("breaks_promises", listed=True)

    async def main() -> None:
        front = await site.serve()
        more = await front.ask("/a.promise?more")
        assert (more.status, more.text, more.kinds[-1]) == (200, "1234567890", Kind.END)
        less = await front.ask("/a.promise?less")
        assert (less.kinds[-1], less.body) == (Kind.RESET, b"123")
        assert "after 3 of the 10 bytes" in less.reset
        failing = await front.ask("/a.promise?failing")
        assert (failing.kinds[-1], failing.body) == (Kind.RESET, b"123")
        assert "the rest is lost" in site.told("plugin-error")[-1]

    run(main())


def test_raw_data_filters_see_every_byte_and_may_change_it(bodies: Site) -> None:
    """Files too, which then pass through the worker; the length is not known any more; high priority comes last."""
    for name, priority in (("high", "HIGH"), ("low", "LOW")):
        bodies.filter(
            name,
            f"""
            @hookimpl
            def filter_info(): return FilterInfo(priority=FilterPriority.{priority})
            @hookimpl
            def on_send_raw_data(request, data): data.data = data.data.upper() + b"{name[0]}"
            """,
        )

    async def main() -> None:
        front = await bodies.serve()
        assert (await front.ask("/a.body?bytes")).text == "BYTESLh"
        file = await front.ask("/a.body?file")
        assert (file.files, file.text, file.header("Content-Length")) == ([], "12345Lh", "")
        assert (await front.ask("/a.body?asynchronous")).text == "ONE LhTWOLh"
        assert (await front.ask("/a.body?empty")).text == ""
        assert len((await front.ask("/a.body?large")).body) == 200002

    run(main())


def test_an_endless_answer_ends_with_its_client(bodies: Site) -> None:
    """The generator is closed, on its thread."""

    async def main() -> None:
        front = await bodies.serve()
        number = front.send("/a.body?endless")
        await front.until(lambda: len(front.answers[number].body) > 100000)
        front.say(Kind.ABORT, number)
        assert (await front.answer(number)).kinds[-1] is Kind.RESET
        await until(lambda: bodies.told("life"))
        assert bodies.told("life") == ["endless closed"]

    run(main())


def test_what_on_send_response_replaces_is_closed(bodies: Site) -> None:
    """The file of the dropped response does not stay open."""
    bodies.filter("instead", "@hookimpl\ndef on_send_response(request, response): return Response.text('instead')")

    async def main() -> None:
        front = await bodies.serve()
        await front.ask("/a.body?bytes")
        before = len(os.listdir("/proc/self/fd"))
        assert (await front.ask("/a.body?file")).text == "instead"
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


def test_a_file_that_shrinks_while_it_is_read_cuts_the_connection(site: Site, tmp_path: Path) -> None:
    """With a raw-data filter the worker reads it itself and notices."""
    path = tmp_path / "short"
    path.write_bytes(b"abc")
    site.extension(
        "short",
        f"""
        import os
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="S", path="*.s")]
        @hookimpl
        def handle(request): return Response(body=FileBody(os.open({str(path)!r}, os.O_RDONLY), 0, 100))
        """,
    )
    site.filter("see", "@hookimpl\ndef on_send_raw_data(request, data): pass")

    async def main() -> None:
        answer = await (await site.serve()).ask("/a.s")
        assert answer.kinds[-1] is Kind.RESET
        assert "became shorter" in answer.reset

    run(main())


def test_only_changed_fields_of_the_log_line_travel() -> None:
    """An emptied text is a dash; the user travels in any case."""
    before = LogEntry("client", "user", "server", "GET", "/a", "q=1", 200, 0)
    assert log_changes(before, LogEntry("client", "user", "server", "GET", "/a", "q=1", 200, 0), "") == (
        *("", "", "", "", "", "", ""),
    )
    after = LogEntry("", "other", "server", "POST", "/b", "q=1", 404, 5)
    assert log_changes(before, after, "user") == ("other", "-", "", "POST", "/b?q=1", "404", "5")
    same_user = LogEntry("client", "user", "server", "GET", "/a", "q=1", 200, 0)
    assert log_changes(before, same_user, "user").user_name == "user"


def test_many_answers_at_once_do_not_mix(bodies: Site) -> None:
    """Streams of many requests over one link keep their bytes apart."""

    async def main() -> None:
        front = await bodies.serve()
        names = ["bytes", "iterator", "asynchronous", "large", "list"] * 8
        answers = await asyncio.gather(*(front.ask(f"/a.body?{name}") for name in names))
        expected = {"bytes": 5, "iterator": 2, "asynchronous": 7, "large": 200000, "list": 2}
        assert [len(answer.body) for answer in answers] == [expected[name] for name in names]

    run(main())


@pytest.mark.parametrize(
    ("settings", "logged"),
    [
        ("", ["bytes", "iterator", "204", "missing"]),
        ('dontLog="true"', []),
        ('selectiveLogging="LogSuccessful"', ["bytes", "iterator", "204"]),
        ('selectiveLogging="LogError"', ["missing"]),
    ],
)
def test_http_logging_decides_by_the_status(bodies: Site, settings: str, logged: list[str]) -> None:
    """Whole answers on the quick way, those in pieces, those without a body, and refusals."""
    bodies.further = f"<httpLogging {settings} />" if settings else ""

    async def main() -> None:
        front = await bodies.serve()
        urls = {"bytes": "/a.body?bytes", "iterator": "/a.body?iterator", "204": "/a.body?empty&204", "missing": "/b"}
        answers = {name: await front.ask(url) for name, url in urls.items()}
        assert [name for name, answer in answers.items() if not answer.flags & ResponseFlag.NO_LOG] == logged

    run(main())
