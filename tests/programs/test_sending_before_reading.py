"""A client that sends its whole body before it reads, and what writes while it reads: no deadlock, in no place."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from tests.processes.test_https import https
from tests.running_service import Answer, RunningService, free_port, read_answer, running
from tests.sample_site import write_program, write_site
from tests.tls import client_context, connect, server_pair

pytestmark = pytest.mark.slow

LARGE = '<requestFiltering><requestLimits maxAllowedContentLength="200000000" /></requestFiltering>'
SCRIPTS = {
    "echo.sh": "printf 'Content-Type: application/octet-stream\\n\\n'; exec cat\n",
    "first.sh": "printf 'Content-Type: application/octet-stream\\n\\n'; head -c 20000000 /dev/zero; exec cat\n",
}
BODY = bytes(range(250)) * 120_000  # 30 MB


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The file tls_port in its folder says where it speaks TLS."""
    folder = tmp_path_factory.mktemp(f"sending-{request.param}")
    config = write_site(folder)
    port = free_port()
    binding = https(port, server_pair(folder, "localhost"))
    text = config.read_text().replace("</bindings>", binding + "</bindings>")
    config.write_text(text.replace("<isapiCgiRestriction", f"{LARGE}<isapiCgiRestriction"))
    for name, script in SCRIPTS.items():
        write_program(folder / "wwwroot/cgi-bin" / name, f"#!/bin/sh\n{script}")
    (folder / "tls_port").write_text(str(port))
    with running(folder, config, "--isolation", request.param) as it:
        yield it


def post_and_read(service: RunningService, path: str, *, is_secure: bool, chunk: int = 0) -> Answer:
    """Send all of BODY, then read. What the client's machine takes for it is little: what waits, waits on ours."""
    if is_secure:
        connection: socket.socket = connect(int((service.folder / "tls_port").read_text()), client_context(None))
    else:
        connection = service.connect()
    with connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        length = "Transfer-Encoding: chunked" if chunk else f"Content-Length: {len(BODY)}"
        connection.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{length}\r\n\r\n".encode())
        if chunk:
            for at in range(0, len(BODY), chunk):
                piece = BODY[at : at + chunk]
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")
        else:
            connection.sendall(BODY)
        return read_answer(connection)


@pytest.mark.parametrize("is_secure", [False, True])
@pytest.mark.parametrize(("script", "before"), [("echo.sh", 0), ("first.sh", 20_000_000)])
def test_a_script_that_writes_while_it_reads(
    service: RunningService, script: str, before: int, is_secure: bool
) -> None:
    """Past the worker into its pipe, or through the worker (TLS); and one that writes 20 MB before it reads."""
    answer = post_and_read(service, f"/cgi-bin/{script}", is_secure=is_secure)
    assert answer.status == 200
    assert answer.body == bytes(before) + BODY


@pytest.mark.parametrize("chunk", [0, 100_000])
def test_an_application_that_writes_while_it_reads(service: RunningService, chunk: int) -> None:
    """In the worker, which reads the body itself; its length announced or not."""
    answer = post_and_read(service, "/a.echo", is_secure=False, chunk=chunk)
    assert answer.status == 200
    assert answer.body == BODY
