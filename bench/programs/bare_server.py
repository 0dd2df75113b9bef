"""The least that a Python web server can do on uvloop and httptools: parse, and write an answer that is there already.

Usage: bare_server.py PORT
"""

import asyncio
import sys

import httptools
import uvloop

HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: bare\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
    b"Content-Type: %b\r\nContent-Length: %d\r\n\r\n"
)
PAGE = b"Hello, World!\n"
FILE = b"0123456789abcdef" * 64
ANSWERS = {
    b"/hello": HEAD % (b"text/plain", len(PAGE)) + PAGE,
    b"/small.bin": HEAD % (b"application/octet-stream", len(FILE)) + FILE,
}


class Connection(asyncio.Protocol):
    """A client."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.answer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.answer = ANSWERS[url]

    def on_message_complete(self) -> None:
        self.transport.write(self.answer)  # type: ignore[attr-defined]
        if not self.parser.should_keep_alive():
            self.transport.close()


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


uvloop.run(serve(int(sys.argv[1])))
