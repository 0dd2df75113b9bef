"""Slow uploads of any length hold up nobody else, whoever reads them: half of a worker's places are for others, and all
of its everyday threads."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from host.admin.commands import ListRequests, Requests
from tests.one_site import write_one_site
from tests.running_service import RunningService, running, wait_until
from tests.sample_site import write_program

pytestmark = pytest.mark.slow

PLACES = 160
SLOW = PLACES + 10
"""More than a worker takes at a time; half of its places are more than it has threads for what blocks (64)."""

HEADS = (
    "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nbegin",
    "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n",
)

WEB_SERVER = """\
    <handlers accessPolicy="Read, Script, Execute">
      <add name="CGI" path="*.cgi" verb="*" modules="CgiModule" resourceType="File" requireAccess="Execute" />
      <add name="ISAPI" path="*.isapi" verb="*" modules="IsapiModule" scriptProcessor="{folder}/lib/count.py" />
      <add name="WSGI" path="*.wsgi" verb="*" modules="WsgiModule" scriptProcessor="applications:wsgi" />
      <add name="ASGI" path="*.asgi" verb="*" modules="AsgiModule" scriptProcessor="applications:asgi" />
    </handlers>
    <security><isapiCgiRestriction notListedCgisAllowed="true" notListedIsapisAllowed="true" /></security>
"""

PLAIN = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Plain", path="*.plain")]

@hookimpl
def handle(request):
    return Response.text(str(len(request.body.read_blocking())))
"""

ASYNCHRONOUS = """\
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Asynchronous", path="*.async")]

@hookimpl
async def handle(request):
    return Response.text(str(len(await request.body.read())))
"""

ISAPI = """\
def http_extension_proc(ecb):
    count = len(ecb.available_data)
    while data := ecb.read_client(65536):
        count += len(data)
    ecb.write_client(str(count))
    return 1
"""

APPLICATIONS = """\
def wsgi(environ, start_response):
    count = 0
    while data := environ["wsgi.input"].read(65536):
        count += len(data)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(count).encode()]

async def asgi(scope, receive, send):
    count, more = 0, True
    while more:
        message = await receive()
        count += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})
"""

CGI = """\
#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
wc -c
"""

PATHS = ("/count.plain", "/count.async", "/count.cgi", "/count.isapi", "/count.wsgi", "/count.asgi")


def write_site(folder: Path, mode: str, isolation: str) -> Path:
    """All readers in one application."""
    for name in ("wwwroot", "extensions", "lib"):
        (folder / name).mkdir(parents=True)
    (folder / "extensions" / "plain.py").write_text(PLAIN)
    (folder / "extensions" / "asynchronous.py").write_text(ASYNCHRONOUS)
    (folder / "lib" / "count.py").write_text(ISAPI)
    (folder / "wwwroot" / "applications.py").write_text(APPLICATIONS)
    write_program(folder / "wwwroot" / "count.cgi", CGI)
    pool = f'<processModel maxConcurrentRequests="{PLACES}" />'
    text = WEB_SERVER.format(folder=folder)
    return write_one_site(folder, text, mode=mode, isolation=isolation, pool=pool, most_requests=PLACES)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("mode", "isolation"), [("WorkerProcess", "Low"), ("IIS5", "Low"), ("IIS5", "High")], ids=["IIS6", "low", "high"]
)
def test_others_are_served_while_slow_uploads_come(tmp_path: Path, mode: str, isolation: str, path: str) -> None:
    """Whoever sends nothing, or all of it at once: a short body and a long one, with a length and in chunks."""
    with running(tmp_path, write_site(tmp_path, mode, isolation)) as service, contextlib.ExitStack() as clients:
        assert count(service, path, b"abc") == 3
        for number in range(SLOW):
            connection = clients.enter_context(service.connect())
            connection.sendall(HEADS[number % 2].format(path=path).encode())
        wait_until(lambda: in_hand(service) == PLACES // 2, tmp_path, "as many of them as workers take")
        for other in (path, *(PATHS[:3])):
            assert count(service, other, b"abc") == 3
            assert count(service, other, b"") == 0
            assert count(service, other, b"x" * 300_000) == 300_000
        with service.connect() as connection:
            send_chunks(connection, path, 500_000)
            assert connection.recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: in_hand(service) == PLACES // 2, tmp_path, "the end of the others")


def count(service: RunningService, path: str, body: bytes) -> int:
    """How many bytes were read of what was sent."""
    answer = service.get(path, method="POST", body=body)
    assert answer.status == 200, answer
    return int(answer.text)


def in_hand(service: RunningService) -> int:
    """Requests that workers have."""
    reply = service.ask(ListRequests())
    assert isinstance(reply, Requests)
    return sum(bool(row.worker) for row in reply.rows) if len(reply.rows) == SLOW else -1


def send_chunks(connection: socket.socket, path: str, size: int) -> None:
    """A body whose length nobody knows before its end."""
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size))
