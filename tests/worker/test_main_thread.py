"""Plain code on the main thread, because its mapping says threadingModel="Single": plugins, ISAPI, WSGI."""

from __future__ import annotations

import gc
import hashlib
import sys
import threading

import pytest

from host.wire.frames import INITIAL_BODY_WINDOW, Kind
from host.wire.message_rows import Examination
from tests.isapi.proc import write_proc
from tests.worker.front import Front, run, until
from tests.worker.site import Site, attach
from tests.worker.test_examination import ask

PLAIN = """
import asyncio, threading
said = []
def here():
    try:
        asyncio.get_running_loop()
        return f"{threading.current_thread().name} with a loop"
    except RuntimeError:
        return threading.current_thread().name
class Pieces:
    def __init__(self):
        self.left = ["x", "", "y"]
    def __iter__(self): return self
    def __next__(self):
        if not self.left: raise StopIteration
        return (self.left.pop(0) and here() + ";").encode()
    def close(self): said.append(here())
def endless():
    try:
        yield b"first"
        while True: yield b""
    finally:
        said.append("closed")
@hookimpl
def handle(request):
    if request.raw_query == "pieces":
        return Response(body=Pieces())
    if request.raw_query == "nothing":
        return Response(body=iter([b"first", None, b"second"]))
    if request.raw_query == "endless":
        return Response(body=endless())
    if request.raw_query == "closed":
        return Response.text(" ".join(said))
    if request.raw_query == "raise":
        raise LookupError("nowhere")
    return Response.text(f"{here()} {request.body.read_blocking().decode()}")
"""
MAPPINGS = """
<add name="Free" path="*.free" verb="*" modules="plain" />
<add name="Single" path="*.single" verb="*" modules="plain" threadingModel="Single" />
"""


def test_a_plain_handler_is_called_where_its_mapping_says(site: Site) -> None:
    """On the main thread, without a loop to be seen, its pieces and close() as well; a body that is still to come gets
    a thread."""
    site.extension("plain", PLAIN)
    site.handlers = MAPPINGS

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        assert (await front.ask("/a.free")).text.startswith("Pool thread")
        assert (await front.ask("/a.single")).text == "MainThread "
        assert (await front.ask("/a.single", body=b"text")).text == "MainThread text"
        assert (await front.ask("/a.single?pieces")).text == "MainThread;MainThread;"
        assert (await front.ask("/a.single?closed")).text == "MainThread"
        number = front.send("/a.single", body=None, length=4)
        await until(lambda: engine._caller.under_way)
        front.say(Kind.BODY, number, b"text")
        front.say(Kind.BODY_END, number)
        later = await front.answer(number)
        assert later.text.startswith("Pool upload thread")
        assert later.text.endswith(" text")
        for path in ("/a.free?nothing", "/a.single?nothing"):
            cut = await front.ask(path)
            assert (cut.body, cut.kinds[-1]) == (b"first", Kind.RESET)  # no end: what is no piece must not look like it
        failed = await front.ask("/a.single?raise")
        assert failed.status == 500
        assert "LookupError: nowhere" in failed.text

    run(main())


def test_a_stream_from_the_main_thread_ends_with_its_time(site: Site) -> None:
    """requestTimeLimit comes between two pieces; an iterator that has nothing to give holds nobody up."""
    site.pool = '<add name="Pool"><processModel requestTimeLimit="00:00:01" /></add><add name="Other" />'
    site.extension("plain", PLAIN)
    site.handlers = MAPPINGS

    async def main() -> None:
        front = await site.serve()
        stream = front.send("/a.single?endless")
        assert (await front.ask("/a.single")).text == "MainThread "
        answer = await front.answer(stream)
        assert answer.body == b"first"
        assert answer.kinds[-1] is Kind.RESET
        assert "its answer is cut after 1 s" in site.told("request-time-limit")[0]
        assert (await front.ask("/a.single?closed")).text == "closed"

    run(main())


@pytest.mark.parametrize(("model", "thread"), [("FREE", "Pool thread 1"), ("SINGLE", "MainThread")])
def test_an_isapi_proc_is_called_where_its_mapping_says(site: Site, model: str, thread: str) -> None:
    """With a body in lpbData, with what the server is asked, and with what cannot be had without waiting."""
    body = """
    where = threading.current_thread().name
    if ecb.query_string == "pending":
        threading.Thread(target=lambda: (ecb.write_client(b"later"), ecb.done_with_session())).start()
        return HSE_STATUS_PENDING
    if ecb.query_string == "large":
        for _ in range(100):
            ecb.write_client(bytes(65536))
        return HSE_STATUS_SUCCESS
    ecb.write_client(f"{where}|{ecb.available_data.decode()}|{ecb.map_url_to_path('/x')}".encode())
    return HSE_STATUS_SUCCESS
    """
    write_proc(site, body, mapping=f"threading_model=ThreadingModel.{model}")

    async def main() -> None:
        front = await site.serve()
        for sent in (b"", b"a body"):
            answer = await front.ask("/a.proc", body=sent)
            assert answer.text == f"{thread}|{sent.decode()}|{site.root}/x"
        assert (await front.ask("/a.proc?pending")).text == "later"
        assert len((await front.ask("/a.proc?large")).body) == 100 * 65536

    run(main())


TURNS = """
order = []
def application(environ, start_response):
    what = environ["QUERY_STRING"]
    order.append(what)
    if what == "raise":
        raise LookupError("nowhere")
    start_response("200 OK", [])
    if what == "order":
        return [f"{environ['wsgi.multithread']} {' '.join(order)}".encode()]
    return pieces(what) if what.startswith("stream") else [environ["wsgi.input"].read()]
def pieces(what):
    try:
        yield b"one "
        yield b""
        yield b"two"
    finally:
        order.append(f"{what} closed")
"""


@pytest.mark.parametrize("model", ["Free", "Single"])
def test_pieces_that_are_empty_are_passed_over_wherever_a_call_is_made(site: Site, model: str) -> None:
    """Whatever they are: applications that were written for other servers yield None or an empty text for them."""
    name = f"empty_{model.lower()}"
    (site.root / f"{name}.py").write_text(
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return iter([None, b'one ', None, '', b'two', b''])\n"
    )
    site.handlers = (
        f'<add name="Empty" path="*" verb="*" modules="WsgiModule" scriptProcessor="{name}:application" '
        f'threadingModel="{model}" />'
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/")).body == b"one two"

    run(main())


@pytest.mark.parametrize("model", ["Free", "Single"])
def test_a_call_leaves_nothing_for_the_collector(site: Site, model: str) -> None:
    """Everything that belongs to a request goes with it: what holds itself costs every worker a search."""
    name = f"left_{model.lower()}"  # a process has one module of a name
    (site.root / f"{name}.py").write_text(TURNS)
    site.handlers = (
        f'<add name="Turns" path="*" verb="*" modules="WsgiModule" scriptProcessor="{name}:application" '
        f'threadingModel="{model}" />'
    )

    async def main() -> None:
        front = await site.serve()
        for path in ("/?one", "/?stream"):
            await front.ask(path)
        gc.collect()
        gc.disable()
        try:
            for path in ("/?one", "/?one", "/?stream"):
                assert (await front.ask(path)).status == 200
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            found = {type(one).__name__ for one in gc.garbage}
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
        assert found.isdisjoint({"MainThreadCall", "ThreadCall", "ErrorStream", "InputStream", "Request", "Response"})

    run(main())


def test_one_call_at_a_time_is_kept_on_the_main_thread(site: Site) -> None:
    """multithread="false" beside it: a stream has the turn until it is closed, and a call that fails gives it back."""
    (site.root / "turns.py").write_text(TURNS)
    site.further = '<pythonApplication multithread="false" />'
    site.handlers = (
        '<add name="Turns" path="*" verb="*" modules="WsgiModule" scriptProcessor="turns:application" '
        'threadingModel="Single" />'
    )

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        await front.ask("/?first")
        streams = [front.send(f"/?stream-{number}") for number in range(2)]
        later = front.send("/", method="POST", body=None, length=4)
        failing = front.send("/?raise")
        front.say(Kind.BODY, later, b"text")
        front.say(Kind.BODY_END, later)
        assert [(await front.answer(stream)).body for stream in streams] == [b"one two"] * 2
        assert (await front.answer(later)).body == b"text"
        assert (await front.answer(failing)).status == 500
        order = (await front.ask("/?order")).text
        assert order == "False first stream-0 stream-0 closed stream-1 stream-1 closed  raise order"

    run(main())


async def send_all(front: Front, number: int, data: bytes) -> None:
    """The whole body, as the worker takes it."""
    sent = 0
    while sent < len(data):
        room = INITIAL_BODY_WINDOW + front.body_window.get(number, 0) - sent
        if room <= 0:
            await front.changed()
            continue
        piece = data[sent : sent + min(room, 60000)]
        front.say(Kind.BODY, number, piece)
        sent += len(piece)
    front.say(Kind.BODY_END, number)


@pytest.mark.parametrize("model", ["Free", "Single"])
@pytest.mark.parametrize("length", [4, 3 << 20, -1], ids=["short", "long", "in chunks"])
def test_a_client_that_still_sends_does_not_have_the_only_turn(site: Site, model: str, length: int) -> None:
    """multithread="false": others are served meanwhile, and the body is whole when the application is called."""
    name = f"collected_{model.lower()}_{abs(length)}"  # a process has one module of a name
    (site.root / f"{name}.py").write_text(
        "import hashlib\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    data = environ['wsgi.input'].read()\n"
        "    return [f'{len(data)} {hashlib.sha256(data).hexdigest()}'.encode()]\n"
    )
    site.further = '<pythonApplication multithread="false" />'
    site.handlers = (
        f'<add name="Turns" path="*" verb="*" modules="WsgiModule" scriptProcessor="{name}:application" '
        f'threadingModel="{model}" />'
    )
    data = b"text" * (max(length, 4096) // 4 if length != 4 else 1)

    async def main() -> None:
        front = await site.serve()
        slow = front.send("/", method="POST", body=None, length=length)
        left = front.send("/", method="POST", body=None, length=length)
        assert (await front.ask("/")).text == f"0 {hashlib.sha256(b'').hexdigest()}"
        front.say(Kind.ABORT, left)
        await send_all(front, slow, data)
        assert (await front.answer(slow)).text == f"{len(data)} {hashlib.sha256(data).hexdigest()}"
        assert (await front.ask("/")).status == 200

    run(main())


def test_an_application_that_holds_the_main_thread_is_found(site: Site) -> None:
    """Which request holds it, although what is at work is the application's code and no plugin's."""
    (site.root / "held.py").write_text(
        "import threading\nentered, gate = threading.Event(), threading.Event()\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    if environ['QUERY_STRING'] == 'hold':\n        entered.set()\n        gate.wait(90)\n"
        "    return [b'free']\n"
    )
    site.handlers = (
        '<add name="Held" path="*" verb="*" modules="WsgiModule" scriptProcessor="held:application" '
        'threadingModel="Single" />'
    )

    async def main() -> None:
        engine = await site.start()
        front = attach(engine)
        assert (await front.ask("/")).text == "free"
        held = sys.modules["held"]
        found: list[Examination] = []

        def look() -> None:
            held.entered.wait(90)
            found.append(ask(engine))
            held.gate.set()

        thread = threading.Thread(target=look)
        thread.start()
        number = front.send("/page?hold")
        assert (await front.answer(number)).text == "free"
        thread.join()
        assert found[0].culprits == [number]
        assert (found[0].plugin, found[0].url) == ("wsgi", "/page?hold")
        assert "gate.wait(90)" in found[0].stacks

    run(main())
