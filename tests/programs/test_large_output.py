"""Large answers of CGI programs, which the listener reads from the program's pipe itself, in both process models."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from host.admin.client import CommandFailed
from host.admin.commands import Done, RecyclePool
from host.wire.frames import NO_PIPE_LIMIT
from host.worker.lending import LEND_BYTES, bytes_to_lend, may_lend
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_program, write_site

PATTERN = bytes(range(256)) * 256
LARGE = 3_000_001
PROGRAM = """#!/usr/bin/python3 -S
import os, signal, sys, time
size, promised, end = os.environ["QUERY_STRING"].split(",")
type = "text/plain" if "text" in os.environ["SCRIPT_NAME"] else "application/octet-stream"
head = f"Content-Type: {type}\\n".encode()
if promised:
    head += b"Content-Length: " + promised.encode() + b"\\n"
with open(os.path.join(os.environ["DOCUMENT_ROOT"], "pid"), "w") as file:
    file.write(f"{os.getpid()}\\n")
out = memoryview(bytes(range(256)) * 256)
os.write(1, head + b"\\n")
left = int(size)
at = 0
while at < int(size):  # a part of a write may be taken: the pattern goes on where it was
    begin = at % 256
    at += os.write(1, out[begin : begin + min(int(size) - at, len(out) - 256)])
if end == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
elif end == "sleep":
    time.sleep(1000)
"""
INVERTED = bytes(255 - value for value in range(256))
INVERT = """\
from host.api import hookimpl
TABLE = bytes(255 - value for value in range(256))

@hookimpl
def on_send_raw_data(request, data):
    data.data = data.data.translate(TABLE)
"""
LIMITED = """\
  <location path="Default Web Site/cgi-bin/limited.py">
    <system.webServer><cgi outputSizeLimit="1024" idleTimeout="00:00:01" /></system.webServer>
  </location>
  <location path="Default Web Site/shop">
    <system.webServer><isapiFilters><filter name="invert" /></isapiFilters></system.webServer>
  </location>
</configuration>"""


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"large-{request.param}")
    config = write_site(folder, web_server_extra='<urlCompression doDynamicCompression="true" />')
    text = config.read_text().replace("</configuration>", LIMITED)
    config.write_text(text.replace('<filter name="marker" />', '<filter name="marker" /><filter name="compression" />'))
    (folder / "filters/invert.py").write_text(INVERT)
    for name in ("wwwroot/cgi-bin/large.py", "wwwroot/cgi-bin/limited.py", "wwwroot/cgi-bin/text.py", "shop/large.py"):
        write_program(folder / name, PROGRAM)
    with running(folder, config, "--isolation", request.param) as it:
        yield it


def content(size: int) -> bytes:
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


def ask(connection: socket.socket, query: str, *, script: str = "large.py", version: str = "1.1") -> None:
    connection.sendall(f"GET /cgi-bin/{script}?{query} HTTP/{version}\r\nHost: x\r\n\r\n".encode())


def cut_off(connection: socket.socket) -> bytes:
    """What comes of the body of an answer that does not come to its end. The reset takes away what was on its way."""
    data = bytearray()
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    assert not data.endswith(b"\r\n0\r\n\r\n")
    return bytes(data).partition(b"\r\n\r\n")[2]


def program_of(service: RunningService) -> psutil.Process:
    """The program that runs."""
    path = service.folder / "wwwroot/pid"
    text = wait_until(
        lambda: path.exists() and path.read_text().endswith("\n") and path.read_text(), path.parent, "pid"
    )
    return psutil.Process(int(str(text)))


def pipes(pid: int) -> set[str]:
    """The pipes that a process has open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(f"/proc/{pid}/fd/{name}"))
    return {name for name in found if name.startswith("pipe:")}


def test_a_large_answer_comes_whole(service: RunningService) -> None:
    """By its length, in chunks, until the connection ends; more than was promised is cut; HEAD has no body. A length
    that is kept leaves the connection for the next request."""
    with service.connect() as connection:
        for query in (f"{LARGE},{LARGE},", f"{LARGE},,", f"{LARGE + 70_000},{LARGE},"):
            ask(connection, query)
            answer = read_answer(connection)
            assert (answer.status, answer.body == content(LARGE)) == (200, True)
    with service.connect() as connection:
        ask(connection, f"{LARGE},,", version="1.0")
        assert read_answer(connection).body == content(LARGE)
    answer = service.get(f"/cgi-bin/large.py?{LARGE},{LARGE},", method="HEAD")
    assert (answer.headers["content-length"], answer.body) == (str(LARGE), b"")


def test_an_answer_that_breaks_off_does_not_look_complete(service: RunningService) -> None:
    """Less than was promised, and a program that is killed: the connection ends in the middle, and the log says why."""
    with service.connect() as connection:
        ask(connection, f"{LARGE},{LARGE + 1},")
        assert content(LARGE).startswith(cut_off(connection))
    service.wait_for_event("cgi-failed", "large.py", f"{LARGE} of the {LARGE + 1} bytes")
    with service.connect() as connection:
        ask(connection, f"{LARGE},,kill")
        assert cut_off(connection)
    service.wait_for_event("cgi-failed", "large.py", "SIGKILL")


def test_limits_are_kept_whoever_reads(service: RunningService) -> None:
    """outputSizeLimit and idleTimeout end the program in the middle of its answer; the other side of each does not."""
    with service.connect() as connection:
        ask(connection, f"{LARGE},,", script="limited.py")
        assert len(cut_off(connection)) < 1024 * 1024 + 10_000
    service.wait_for_event("cgi-failed", "limited.py", "printed more than 1024 kilobytes")
    with service.connect() as connection:
        ask(connection, f"{1000 * 1024},,", script="limited.py")
        assert read_answer(connection).body == content(1000 * 1024)
        ask(connection, f"{1000 * 1024},,sleep", script="limited.py")
        assert cut_off(connection)
    service.wait_for_event("cgi-timeout", "limited.py", "printed nothing more for 1 seconds")


def test_what_is_compressed_or_filtered_goes_through_the_hands_that_do_it(service: RunningService) -> None:
    """Nobody who has to see the bytes is passed by, however large the answer is."""
    plain = service.get(f"/cgi-bin/text.py?{LARGE},,")
    packed = service.get(f"/cgi-bin/text.py?{LARGE},,", headers={"Accept-Encoding": "gzip"})
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert plain.body == gzip.decompress(packed.body) == content(LARGE)
    for promised in ("", str(LARGE)):
        assert service.get(f"/shop/large.py?{LARGE},{promised},").body == content(LARGE).translate(INVERTED)


def test_a_recycle_waits_for_a_pipe_that_is_lent(service: RunningService) -> None:
    """The old worker stays until the answer is out, beside one that serves already; nothing of it is lost. inetinfo
    cannot be recycled, and the answer comes as well."""
    is_pooled = "listener" in service.titles()
    front = service.pid_of("listener" if is_pooled else "inetinfo")
    (service.folder / "wwwroot/pid").unlink(missing_ok=True)
    size = 10 * LARGE  # more than all buffers hold

    def pid() -> int:
        return int(json.loads(service.get("/a.where").body)["pid"])

    with service.connect() as connection, ThreadPoolExecutor(1) as elsewhere:
        old = pid()
        ask(connection, f"{size},{size},")
        pipe = os.readlink(f"/proc/{program_of(service).pid}/fd/1")
        wait_until(lambda: pipe in pipes(front), service.folder / "wwwroot", "the loan")
        recycle = elsewhere.submit(service.ask, RecyclePool(name="DefaultAppPool"))  # answers when the old one is gone
        if is_pooled:
            wait_until(lambda: pid() != old, service.folder / "wwwroot", "another worker")
        assert pipe in pipes(old)
        assert read_answer(connection).body == content(size)
        if is_pooled:
            assert isinstance(recycle.result(90), Done)
        else:
            with pytest.raises(CommandFailed, match="no application pools"):
                recycle.result(90)
        assert psutil.pid_exists(old) is not is_pooled


def test_a_client_that_leaves_ends_the_program(service: RunningService) -> None:
    """The listener holds the pipe of a client that takes nothing, the program waits; when the client has left, the
    program is dead and nobody holds its pipe."""
    front = service.pid_of(next(title for title in service.titles() if title in ("listener", "inetinfo")))
    worker = service.pid_of(next(title for title in service.titles() if "worker" in title or title == "inetinfo"))
    (service.folder / "wwwroot/pid").unlink(missing_ok=True)
    before = pipes(front), pipes(worker)
    with service.connect() as connection:
        ask(connection, "1000000000000,,")
        program = program_of(service)
        pipe = os.readlink(f"/proc/{program.pid}/fd/1")
        wait_until(lambda: pipe in pipes(front) and pipe in pipes(worker), service.folder / "wwwroot", "the loan")
    program.wait(90)
    wait_until(lambda: (pipes(front), pipes(worker)) == before, service.folder / "wwwroot", "closed pipes")


@pytest.mark.parametrize(
    ("facts", "may"),
    [
        ((True, False, True), True),
        ((False, False, True), False),
        ((True, True, True), False),
        ((True, False, False), False),
    ],
)
def test_only_what_nobody_else_looks_at_is_lent(facts: tuple[bool, bool, bool], may: bool) -> None:
    """The program's own output, no filter of the response's bytes, a front that reads pipes."""
    is_lendable, has_data_filters, takes_pipes = facts
    assert may_lend(is_lendable=is_lendable, has_data_filters=has_data_filters, takes_pipes=takes_pipes) is may


@pytest.mark.parametrize(
    ("sent", "promised", "most"),
    [
        (0, -1, 0),
        (LEND_BYTES - 1, -1, 0),
        (LEND_BYTES, -1, NO_PIPE_LIMIT),
        (0, LEND_BYTES - 1, 0),
        (0, LEND_BYTES, LEND_BYTES),
        (LEND_BYTES, 2 * LEND_BYTES - 1, 0),
        (5, 10**12, 10**12 - 5),
    ],
)
def test_only_what_is_large_is_lent(sent: int, promised: int, most: int) -> None:
    """At once when the head says so, else when it has become so."""
    assert bytes_to_lend(sent, promised) == most
