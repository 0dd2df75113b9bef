"""IIS 5 isolation mode: inetinfo forwards to a dllhost, here two engines joined as the processes join them."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

from host.wire.frames import INITIAL_RESPONSE_WINDOW, Kind, ResponseFlag
from host.worker.engine import Engine
from host.worker.raw_data import RawVerdict
from tests.worker.front import Front, run, until
from tests.worker.site import Site, attach

EXTENSION = """
import asyncio, os
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Out", path="*.out")]

contexts = []
@hookimpl
def load(context): contexts.append(context)

async def pieces():
    yield b"["
    yield FileBody(os.open(FILE, os.O_RDONLY), 2, 4)
    yield b"]"

async def long_one():
    for _ in range(60): yield b"x" * 50000

async def breaks():
    yield b"begun"
    raise LookupError("lost")

@hookimpl
async def handle(request):
    what = request.raw_query
    if what == "facts":
        client = request.connection
        return Response.text("|".join([request.id, request.user, request.auth_type, request.headers.get("X-Filter"),
            str(client.remote_port), str(client.number), str(client.is_secure), request.application.path,
            contexts[0].pool_name]))
    if what == "body": return Response.text(f"{len(await request.body.read())} {request.body.length}")
    if what == "pieces": return Response(body=pieces(), headers=Headers([("X-Own", "1")]))
    if what == "long": return Response(body=long_one())
    if what == "breaks": return Response(body=breaks())
    if what == "error": raise HttpError(403, 14, "in the dllhost")
    if what == "raw": return Response(body=b"raw", raw=True)
    if what == "hang":
        contexts[0].report_event("life", "hangs")
        try: await asyncio.Event().wait()
        finally: contexts[0].report_event("life", "cancelled")
    return Response.text("dllhost", headers={"X-Own": "2"})
"""


class Iis5:
    """inetinfo with a front, and as many dllhosts as are started."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.isolation = "IIS5"
        data = site.folder / "data"
        data.write_bytes(b"0123456789")
        site.extension("out", EXTENSION.replace("FILE,", f"{str(data)!r},"))
        site.filter(
            "note",
            "@hookimpl\ndef on_auth_complete(request):\n    request.user, request.auth_type = 'jörg', 'Test'\n"
            "    request.headers.set('X-Filter', 'seen')\n",
        )
        self.inetinfo: Engine
        self.front: Front
        self.dllhosts: list[Engine] = []

    async def begin(self) -> None:
        self.inetinfo = await self.site.start(slot="inetinfo")
        self.front = attach(self.inetinfo)

    async def start_dllhost(self, *, capacity: int = 8) -> Engine:
        dllhost = await self.site.start(slot="dllhost pooled", runs_filters=False, capacity=capacity)
        stream, its_stream = socket.socketpair()
        side, its_side = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        dllhost.attach(its_stream, its_side)
        self.inetinfo.attach_dllhost("dllhost pooled", stream, side)
        self.dllhosts.append(dllhost)
        return dllhost


def test_a_medium_handler_runs_in_the_dllhost_with_what_filters_found(site: Site) -> None:
    """The request waits until the dllhost that it demanded is there; id, user and fields arrive with it."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        number = world.front.send("/a.out?facts", flags=1)
        await until(lambda: site.demanded)
        assert site.demanded == ["dllhost pooled"]
        await world.start_dllhost()
        answer = await world.front.answer(number)
        request_id, *rest = answer.text.split("|")
        assert rest == ["jörg", "Test", "seen", "50000", "7", "True", "/", "dllhost pooled"]
        assert "-" in request_id
        assert answer.log is not None
        assert answer.log.user_name == "jörg"

    run(main())


def test_in_process_extensions_and_low_applications_stay_in_inetinfo(site: Site) -> None:
    """Static files need no dllhost; neither does a Low application."""
    low = site.folder / "low"
    low.mkdir()
    site.applications += (
        f'<application path="/low" applicationPool="Pool" isolation="Low">{site.directory("/", low)}</application>'
    )
    site.write("page.txt", "static")

    async def main() -> None:
        world = Iis5(site)
        world.inetinfo = await site.start(("1:/", "1:/low"), slot="inetinfo")
        front = attach(world.inetinfo)
        assert (await front.ask("/page.txt")).text == "static"
        assert (await front.ask("/low/a.out", application="1:/low")).text == "dllhost"
        assert site.demanded == []

    run(main())


def test_bodies_files_and_heads_pass_through(site: Site) -> None:
    """Request bodies under windows, streamed answers, descriptors, raw output."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        await world.start_dllhost()
        front = world.front
        plain = await front.ask("/a.out")
        assert (plain.text, plain.header("X-Own"), plain.credit) == ("dllhost", "2", 1)
        pieces = await front.ask("/a.out?pieces")
        assert (pieces.body, pieces.file_bytes(), pieces.header("X-Own")) == (b"[]", b"2345", "1")
        assert len((await front.ask("/a.out?long")).body) == 3000000
        raw = await front.ask("/a.out?raw")
        assert (raw.text, bool(raw.flags & ResponseFlag.RAW)) == ("raw", True)
        assert (await front.ask("/a.out?body", method="POST", body=b"d" * 60000)).text == "60000 60000"
        number = front.send("/a.out?body", method="POST", body=None)
        for _ in range(20):
            front.say(Kind.BODY, number, b"d" * 10000)
        front.say(Kind.BODY_END, number)
        assert (await front.answer(number)).text == "200000 None"
        head = await front.ask("/a.out?long", method="HEAD")
        assert (head.kinds[-1], head.body) == (Kind.RESPONSE, b"")

    run(main())


def test_refusals_of_the_dllhost_are_its_answers(site: Site) -> None:
    """Its page travels as it made it; a stream that breaks there is cut here."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        await world.start_dllhost()
        refused = await world.front.ask("/a.out?error")
        assert (refused.status, refused.substatus, "in the dllhost" in refused.text) == (403, 14, True)
        broken = await world.front.ask("/a.out?breaks")
        assert (broken.body, broken.kinds[-1]) == (b"begun", Kind.RESET)

    run(main())


def test_a_slow_client_stops_the_dllhost_too(site: Site) -> None:
    """No more than two windows are under way: one to inetinfo, one to the front."""

    async def main() -> None:
        world = Iis5(site)
        world.inetinfo = await site.start(slot="inetinfo")
        front = attach(world.inetinfo, grants=False)
        dllhost = await world.start_dllhost()
        number = front.send("/a.out?long")
        answer = front.answers[number]
        await front.until(lambda: len(answer.body) >= INITIAL_RESPONSE_WINDOW)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(answer.body) == INITIAL_RESPONSE_WINDOW
        assert dllhost.requests_in_hand == 1
        front.open_window(number, 10_000_000)
        assert len((await front.answer(number)).body) == 3000000

    run(main())


def test_a_client_that_leaves_is_told_to_the_dllhost(site: Site) -> None:
    """The handler there is cancelled and the credit comes back."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        dllhost = await world.start_dllhost(capacity=1)
        number = world.front.send("/a.out?hang")
        await until(lambda: site.told("life"))
        world.front.say(Kind.ABORT, number)
        assert (await world.front.answer(number)).kinds == [Kind.RESET]
        await until(lambda: site.told("life") == ["hangs", "cancelled"])
        await until(lambda: dllhost.requests_in_hand == 0)
        assert (await world.front.ask("/a.out")).text == "dllhost"

    run(main())


def test_an_unloaded_dllhost_finishes_what_it_has_and_gets_nothing_more(site: Site) -> None:
    """What waits for its credit goes to the next one, which is demanded at once."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        old = await world.start_dllhost(capacity=1)
        held = world.front.send("/a.out?hang")
        await until(lambda: site.told("life"))
        waiting = [world.front.send("/a.out?facts") for _ in range(3)]
        await until(lambda: world.inetinfo.requests_in_hand == 4)
        site.demanded.clear()
        world.inetinfo.detach_dllhost("dllhost pooled")
        await until(lambda: site.demanded)
        old.end_when_idle()
        assert not old.drained.done()
        new = await world.start_dllhost(capacity=1)
        for number in waiting:
            assert (await world.front.answer(number)).text
        assert (new.requests_served, old.requests_served) == (3, 0)
        world.front.say(Kind.ABORT, held)
        await old.drained
        world.inetinfo.detach_dllhost("nobody")  # none of that name ever ran

    run(main())


def test_requests_wait_for_the_dllhosts_credit(site: Site) -> None:
    """With room for one at a time all are answered, one after the other."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        await world.start_dllhost(capacity=1)
        answers = await asyncio.gather(*(world.front.ask("/a.out") for _ in range(10)))
        assert {answer.text for answer in answers} == {"dllhost"}
        abandoned = [world.front.send("/a.out?hang") for _ in range(3)]
        await until(lambda: site.told("life"))
        for number in reversed(abandoned):
            world.front.say(Kind.ABORT, number)
            await world.front.answer(number)
        assert (await world.front.ask("/a.out")).text == "dllhost"

    run(main())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_dllhost_that_dies_costs_what_may_not_be_repeated(site: Site, method: str) -> None:
    """502.3 for a POST; a GET is given to the next dllhost, which it demands."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        first = await world.start_dllhost()
        number = world.front.send("/a.out?hang", method=method)
        await until(lambda: site.told("life"))
        await first.close()
        if method == "POST":
            answer = await world.front.answer(number)
            assert (answer.status, answer.substatus) == (502, 3)
            assert "dllhost" in answer.text
        else:
            await until(lambda: site.demanded)
            await world.start_dllhost()
            await until(lambda: site.told("life").count("hangs") == 2)

    run(main())


def test_nothing_stays_open_when_a_dllhost_dies_in_a_stream(site: Site) -> None:
    """The client's connection is cut; descriptors of pieces that nobody will read are closed."""

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        front = world.front
        await front.ask("/missing.txt")
        before = len(os.listdir("/proc/self/fd"))
        dllhost = await world.start_dllhost()
        front.grants = False
        number = front.send("/a.out?long")
        await front.until(lambda: len(front.answers[number].body) >= INITIAL_RESPONSE_WINDOW)
        await dllhost.close()
        front.open_window(number, 10_000_000)
        answer = await front.answer(number)
        assert answer.kinds[-1] is Kind.RESET
        assert len(os.listdir("/proc/self/fd")) == before

    run(main())


def test_raw_data_filters_see_bytes_in_inetinfo(site: Site) -> None:
    """They may replace them; one that fails is an event and ends its connection. A site's filter is refused."""
    site.filter(
        "raw",
        """
        @hookimpl
        def on_read_raw_data(connection, data):
            if data.data == b"fail": raise LookupError("no")
            if data.data == b"wrong": data.data = "text"
            else: data.data = data.data.replace(b"a", b"A") + str(connection.number).encode()
        """,
    )
    site.filter("second", "@hookimpl\ndef on_read_raw_data(connection, data): data.data += b'.'")

    async def main() -> None:
        world = Iis5(site)
        await world.begin()
        facts = b"127.0.0.1\x0050000\x00127.0.0.1\x008080\x0042"
        assert world.inetinfo.read_raw_data(facts, b"abc") == RawVerdict(b"Abc42.")
        for data in (b"fail", b"wrong"):
            verdict = world.inetinfo.read_raw_data(facts, data)
            assert (verdict.data, verdict.is_end) == (b"", True)
            assert "raw.on_read_raw_data" in verdict.error
        assert len(site.told("plugin-error")) == 2

    run(main())


def test_a_client_cannot_send_the_facts_that_inetinfo_forwards(site: Site) -> None:
    """Pseudo fields count on a dllhost's link only; inetinfo takes them for fields like any others."""

    async def main() -> None:
        world = Iis5(site)
        world.inetinfo = await site.start(slot="inetinfo")
        site.filters.clear()
        front = attach(world.inetinfo)
        await world.start_dllhost()
        answer = await front.ask("/a.out?facts", fields=b":user: mallory\r\nHost: a\r\n")
        assert "mallory" not in answer.text

    run(main())
