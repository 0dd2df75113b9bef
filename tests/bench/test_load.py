"""What the generators report."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from bench.download import download
from bench.load import LoadFailed, drive, parse_result
from bench.scenarios import Load
from bench.server import Server
from bench.site import MeasuredSite
from tests.bench.tiny_contestant import tiny_contestant

LINE = (
    'wrk-result {"requests": 1000, "duration_us": 2000000, "bytes": 64000, "p50_us": 400, "p99_us": 2000, '
    '"connect_errors": 1, "read_errors": 10, "write_errors": 2, "status_errors": 3, "timeouts": 4}\n'
)


def test_numbers_are_read_from_the_marked_line() -> None:
    """Other output of the generator does not matter."""
    result = parse_result("Running 2s test\n" + LINE + "Requests/sec: 500\n", Load.PLAIN)
    assert (result.requests, result.seconds, result.bytes) == (1000, 2.0, 64000)
    assert (result.p50_seconds, result.p99_seconds) == (0.0004, 0.002)
    assert result.errors == 20


def test_a_connection_closed_after_its_answer_is_no_error_when_that_was_asked_for() -> None:
    """wrk counts it as a failed read."""
    assert parse_result(LINE, Load.CLOSE).errors == 10


def test_a_generator_without_numbers_is_an_error() -> None:
    """Its own words are in the message."""
    with pytest.raises(LoadFailed, match="unable to connect"):
        parse_result("unable to connect to 127.0.0.1:1 Connection refused\n", Load.PLAIN)


@pytest.mark.slow
@pytest.mark.parametrize("load", [Load.PLAIN, Load.BROWSER, Load.CLOSE, Load.POST])
def test_wrk_loads_a_server_with_each_kind_of_request(tmp_path: Path, load: Load) -> None:
    """The script and its report work with the installed wrk."""
    server = Server(tiny_contestant(), tmp_path / "tiny", MeasuredSite(tmp_path))
    try:
        server.start("/")
        result = drive(server.port, "/", load, connections=2, seconds=1)
        assert result.requests > 0
        assert result.bytes > result.requests * 64
        assert result.errors == 0
    finally:
        server.stop()


@pytest.mark.slow
def test_the_browser_sends_thirteen_fields() -> None:
    """Host first, as browsers do, and twelve others."""
    heads: list[bytes] = []
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", heads) as port:
        drive(port, "/", Load.BROWSER, connections=1, seconds=1)
    names = [line.split(b":")[0] for line in heads[0].split(b"\r\n")[1:] if line]
    assert len(names) == 13
    assert names[0] == b"Host"
    assert b"Cookie" in names


def test_a_download_counts_whole_files() -> None:
    """Head and body may come in one piece."""
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", []) as port:
        result = download(port, "/big.bin", seconds=0)
    assert (result.requests, result.bytes, result.errors) == (1, 5, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "no Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "4 of 9 bytes missing"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "closed in the response's head"),
    ],
)
def test_a_wrong_download_is_an_error(answer: bytes, reason: str) -> None:
    """A short file must not look like a fast one."""
    with answering(answer, [], close=True) as port, pytest.raises(LoadFailed, match=reason):
        download(port, "/big.bin", seconds=0)


@contextmanager
def answering(raw_answer: bytes, heads: list[bytes], *, close: bool = False) -> Iterator[int]:
    """A server that gives each request of each connection these bytes, and notes the request's head."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, suppress(ConnectionError):  # a generator does not take leave
                while head := connection.recv(65536):
                    heads.append(head)
                    connection.sendall(raw_answer)
                    if close:
                        break

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()
