"""SCGI, with a server that the test plays itself: one rule a test. Real servers: tests/programs/test_php.py."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pluggy
import pytest

from extensions import scgi
from host.api import ApplicationInfo, HandlerMapping, HttpError, PluginContext, Response, hookspecs
from host.config.cgi_settings import Cgi
from host.config.model import PathSettings
from host.worker.missing_launcher import MissingLauncher
from tests.extensions.cgi_rig import Answer, whole_body
from tests.extensions.requests import open_descriptors
from tests.gateway.sample_request import PieceBody, sample_request

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class ScgiRig:
    """Runs a server and asks it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[str] = []
        self.timeout_seconds = 60

    def get(
        self,
        serve: Serve | None,
        fields: Iterable[tuple[str, str]] = (),
        *,
        over_tcp: bool = False,
        processor: str = "",
        patience: float = 90,
        **changes: Any,
    ) -> Answer:
        """The whole answer of a server that does `serve` with each connection; None: there is no server."""

        async def main() -> Answer:
            context = self.load()
            server, address = None, processor or f"unix:{self.folder}/s"
            if serve is not None and over_tcp:
                server = await asyncio.start_server(serve, "127.0.0.1", 0)
                address = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            elif serve is not None:
                server = await asyncio.start_unix_server(serve, self.folder / "s")
            try:
                response = await self.respond(address, fields, **changes)
                return Answer(response, await whole_body(response))
            finally:
                scgi.unload(context)
                if server is not None:
                    server.close()
                    await server.wait_closed()

        return asyncio.run(asyncio.wait_for(main(), patience))

    def load(self) -> PluginContext:
        """Begin the plugin's life."""
        context = PluginContext(
            plugin_name="scgi",
            pool_name="DefaultAppPool",
            worker_number=1,
            isolation_mode="WorkerProcess",
            launcher=MissingLauncher(),
            report_event=lambda kind, text: self.events.append(f"{kind} {text}"),
            report_unhealthy=lambda reason: None,
        )
        scgi.load(context)
        return context

    async def respond(self, address: str, fields: Iterable[tuple[str, str]] = (), **changes: Any) -> Response:
        """What becomes of a request for that server."""
        values: dict[str, Any] = {
            "settings": PathSettings(cgi=Cgi(timeout_seconds=self.timeout_seconds)),
            "application": ApplicationInfo(1, "Default Web Site", "/", str(self.folder), "DefaultAppPool"),
            "mapping": HandlerMapping(name="SCGI", path="*.cgi", modules="ScgiModule", script_processor=address),
        }
        return await scgi.handle(sample_request(fields, **(values | changes)))


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[ScgiRig]:
    asyncio.run(asyncio.sleep(0))
    before = open_descriptors()
    yield ScgiRig(tmp_path)
    assert open_descriptors() <= before, "a descriptor was leaked"  # garbage of an earlier test may go meanwhile


async def read_head(reader: asyncio.StreamReader) -> dict[str, str]:
    """As the specification has it."""
    length = int((await reader.readuntil(b":"))[:-1])
    block = await reader.readexactly(length + 1)
    assert block.endswith(b"\0,")
    texts = block[:-2].decode().split("\0")
    assert texts[0] == "CONTENT_LENGTH"
    return dict(zip(texts[::2], texts[1::2], strict=True))


def printing(output: bytes) -> Serve:
    """A server that reads the request's head and answers so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(output)
        writer.close()

    return serve


def number(error: HttpError) -> str:
    return f"{error.status}.{error.substatus}"


def refused(rig: ScgiRig, serve: Serve | None, **options: Any) -> HttpError:
    with pytest.raises(HttpError) as found:
        rig.get(serve, **options)
    return found.value


def test_it_needs_no_place_of_its_own() -> None:
    """It starts nothing, so it runs where its application does."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(scgi)
    manager.check_pending()
    assert manager.hook.module_names() == [("ScgiModule",)]
    assert manager.hook.in_process_only() == []


def test_a_server_that_is_down_is_one_event_and_another_when_it_is_back(rig: ScgiRig) -> None:
    """Not one for each request; those are counted."""
    address = f"unix:{rig.folder}/s"

    async def main() -> None:
        context = rig.load()
        for _ in range(3):
            with pytest.raises(HttpError, match="No such file"):
                await rig.respond(address)
        assert len(rig.events) == 1
        assert "No such file" in rig.events[0]
        server = await asyncio.start_unix_server(printing(b"Content-Type: a/b\r\n\r\nx"), rig.folder / "s")
        async with server:
            response = await rig.respond(address)
            await whole_body(response)
            assert rig.events[1:] == [f"scgi-failed the SCGI server {address} is reached again; 3 requests got 502.0"]
        scgi.unload(context)

    asyncio.run(asyncio.wait_for(main(), 90))


def test_a_file_that_is_sent_for_the_application(rig: ScgiRig) -> None:
    """X-Sendfile holds for every carrier: 206 for a range of it, 502.2 for one that lies elsewhere."""
    (rig.folder / "files").mkdir()
    (rig.folder / "files/x").write_bytes(b"0123456789" * 10000)
    settings = PathSettings(cgi=Cgi(sendfile_roots=(f"{rig.folder}/files",)))
    head = f"Content-Type: a/b\r\nX-Sendfile: {rig.folder}/".encode()
    error = refused(rig, printing(head + b"s\r\n\r\n"), settings=settings)
    assert number(error) == "502.2"
    assert "sendfileRoots" in error.remedy
    fields = [("Range", "bytes=1-3"), ("Host", "x")]
    answer = rig.get(printing(head + b"files/x\r\n\r\nbody"), fields, settings=settings)
    assert (answer.status, answer.body) == (206, b"123")


@pytest.mark.parametrize("over_tcp", [False, True])
def test_variables_and_answer(rig: ScgiRig, over_tcp: bool) -> None:
    """Those of CGI, and the two of SCGI; over a unix socket and over TCP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await read_head(reader)
        shown = " ".join(found[name] for name in ("SCGI", "CONTENT_LENGTH", "REQUEST_METHOD", "PATH_INFO", "HTTP_X_A"))
        writer.write(f"Status: 201 Made\r\nContent-Type: text/plain\r\n\r\n{shown}".encode())
        writer.close()

    answer = rig.get(serve, [("X-A", "b")], over_tcp=over_tcp, path_info="/more")
    assert (answer.status, answer.body) == (201, b"1 0 GET /more b")


def test_an_application_for_a_folder_is_mounted_there(rig: ScgiRig) -> None:
    """SCRIPT_NAME is the folder, PATH_INFO all behind it, PATH_TRANSLATED below the site's folder."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = await read_head(reader)
        shown = " ".join(found[name] for name in ("SCRIPT_NAME", "PATH_INFO", "PATH_TRANSLATED"))
        writer.write(f"Content-Type: text/plain\n\n{shown}".encode())
        writer.close()

    mapping = HandlerMapping(name="SCGI", path="/app/*", modules="ScgiModule", script_processor=f"unix:{rig.folder}/s")
    answer = rig.get(serve, path="/app/a/b c", mapping=mapping)
    assert answer.body.decode() == f"/app /a/b c {rig.folder}/a/b c"


@pytest.mark.parametrize(("size", "length"), [(5, 5), (65537, 65537), (5_000_000, 5_000_000), (5_000_000, None)])
def test_body_comes_back_as_it_went_in(rig: ScgiRig, size: int, length: int | None) -> None:
    """A server that answers while it reads; a chunked body is counted first."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = int((await read_head(reader))["CONTENT_LENGTH"])
        writer.write(b"Content-Type: a/b\n\n")
        while left:
            piece = await reader.read(min(left, 65536))
            left -= len(piece)
            writer.write(piece)
            await writer.drain()
        writer.close()

    data = os.urandom(size)
    pieces = [data[start : start + 50000] for start in range(0, size, 50000)]
    fields = [] if length is None else [("Content-Length", str(length))]
    assert rig.get(serve, fields, method="POST", body=PieceBody(pieces, length)).body == data


def test_head_rules_are_those_of_cgi(rig: ScgiRig) -> None:
    """A redirect by the server, one by the client, HEAD without a body."""
    assert rig.get(printing(b"Location: /other\n\n")).response.internal_target == "/other"
    assert rig.get(printing(b"Location: http://www.example.com/\n\n")).status == 302
    assert rig.get(printing(b"Content-Type: a/b\nContent-Length: 5\n\nhello"), method="HEAD").body == b""


@pytest.mark.parametrize("output", [b"no header\n\n", b"Content-Type: a/b\n"])
def test_an_answer_that_is_none_is_502_2(rig: ScgiRig, output: bytes) -> None:
    """No header, no end of the headers; page and event name the server, and no program, for none of ours runs."""
    error = refused(rig, printing(output))
    assert number(error) == "502.2"
    assert f"the SCGI server unix:{rig.folder}/s did not return a complete set" in error.detail
    assert "running" not in error.detail
    assert "by hand" not in error.remedy
    assert "8000000a-0001" in rig.events[0]
    assert f"the SCGI server unix:{rig.folder}/s" in rig.events[0]


@pytest.mark.parametrize("over_tcp", [False, True])
def test_a_server_that_hangs_up_without_a_word_is_502_0(rig: ScgiRig, over_tcp: bool) -> None:
    """It has not answered badly, it has not answered; the event names server and request."""
    error = refused(rig, printing(b""), over_tcp=over_tcp)
    assert number(error) == "502.0"
    assert "closed the connection without an answer" in error.detail
    assert "8000000a-0001" in rig.events[0]
    assert ("the SCGI server tcp://127.0.0.1:" if over_tcp else f"the SCGI server unix:{rig.folder}/s") in rig.events[0]


def test_less_than_promised_is_no_whole_answer(rig: ScgiRig) -> None:
    """The connection's end says nothing: Content-Length does."""
    error = refused(rig, printing(b"Content-Type: a/b\nContent-Length: 5\n\nhel"))
    assert "3 of the 5 bytes" in error.detail


def test_a_server_that_is_not_there_is_502_0(rig: ScgiRig) -> None:
    """With the reason and the remedy."""
    error = refused(rig, None)
    assert number(error) == "502.0"
    assert "No such file" in error.detail
    assert len(rig.events) == 1


def test_a_server_that_is_too_slow_is_504_0(rig: ScgiRig) -> None:
    """cgi/@timeout; the server sees its connection close."""
    rig.timeout_seconds = 1

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        assert await reader.read() == b""
        writer.close()

    error = refused(rig, serve)
    assert number(error) == "504.0"
    assert "the timeout of <cgi>" in error.detail


@pytest.mark.parametrize("processor", ["/usr/bin/app", "tcp://nowhere", "unix:relative"])
def test_what_is_no_address_is_a_configuration_error(rig: ScgiRig, processor: str) -> None:
    """500.19 with the form."""
    assert number(refused(rig, None, processor=processor)) == "500.19"


def impatient_server(listening: socket.socket, answer: bytes, *, breaks_off: bool) -> None:
    """Takes one connection, reads a little of the body, answers, and closes with the rest unread or on its way."""
    with listening, listening.accept()[0] as connection:
        left = 100_000
        while left > 0:
            left -= len(connection.recv(left))
        connection.sendall(answer)
        if breaks_off:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("over_tcp", [False, True])
def test_an_answer_to_a_body_that_nobody_reads_arrives(rig: ScgiRig, over_tcp: bool) -> None:
    """Whether our writing fails before or after the answer is read: many times, since the kernel decides."""
    answer = b"Content-Type: text/plain\n\n" + b"enough " * 1000
    for turn in range(20):
        assert ask_impatient(rig, turn, answer, over_tcp=over_tcp).body == b"enough " * 1000
    assert rig.events == []


def test_an_answer_that_is_broken_off_is_not_whole(rig: ScgiRig) -> None:
    """A reset without an end before it; a unix socket has none."""
    for turn in range(10):
        with pytest.raises(HttpError, match="broken the connection"):
            ask_impatient(rig, turn, b"Content-Type: text/plain\n\nhalf", over_tcp=True, breaks_off=True)


def ask_impatient(rig: ScgiRig, turn: int, answer: bytes, *, over_tcp: bool, breaks_off: bool = False) -> Answer:
    """POST five megabytes to it."""
    path = f"{rig.folder}/{turn}"
    listening = socket.create_server(("127.0.0.1", 0)) if over_tcp else socket.socket(socket.AF_UNIX)
    if not over_tcp:
        listening.bind(path)
        listening.listen()
    port = listening.getsockname()[1] if over_tcp else 0
    server = threading.Thread(target=impatient_server, args=(listening, answer), kwargs={"breaks_off": breaks_off})
    server.start()
    try:
        processor = f"tcp://127.0.0.1:{port}" if over_tcp else f"unix:{path}"
        return rig.get(None, processor=processor, method="POST", body=PieceBody([b"x" * 50_000] * 100, 5_000_000))
    finally:
        server.join()
