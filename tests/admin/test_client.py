"""The caller's end of the control socket: every failure says what to do."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host.admin.client import CommandFailed, ControlError, ServiceNotRunning, call
from host.admin.commands import LENGTH, Done, Failed, GetStatus, RecyclePool, encode
from host.admin.unix_socket import listen
from tests.admin.running_server import running_server


@contextmanager
def odd_service(path: Path, behave: Callable[[socket.socket], object]) -> Iterator[None]:
    """Accepts one connection and does with it what the test says."""
    with listen(path) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                behave(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(60)


def test_no_service(tmp_path: Path) -> None:
    """The remedy is what to type."""
    with pytest.raises(ServiceNotRunning, match="no isapy service is running") as caught:
        call(tmp_path / "no.sock", GetStatus())
    assert caught.value.remedy == "start it with: isapy run --config FILE"


def test_a_dead_service(tmp_path: Path) -> None:
    """Its socket is still there, nobody answers."""
    listen(tmp_path / "dead.sock").close()
    with pytest.raises(ServiceNotRunning):
        call(tmp_path / "dead.sock", GetStatus())


def test_the_answer_is_returned(tmp_path: Path) -> None:
    """A reply as a value."""
    with running_server(tmp_path / "a.sock", lambda command: Done(text="fine")):
        assert call(tmp_path / "a.sock", GetStatus()) == Done(text="fine")


def test_what_the_service_waits_for_is_told_before_the_answer(tmp_path: Path) -> None:
    """In order; a caller who does not want it gets the answer alone."""
    news: list[str] = []
    with running_server(tmp_path / "a.sock", lambda command: Done(text="fine"), news=["one", "two"]):
        assert call(tmp_path / "a.sock", GetStatus(), on_progress=news.append) == Done(text="fine")
        assert news == ["one", "two"]
        assert call(tmp_path / "a.sock", GetStatus()) == Done(text="fine")


def test_a_refusal_carries_message_and_remedy(tmp_path: Path) -> None:
    """Failed becomes CommandFailed."""
    with running_server(tmp_path / "a.sock", lambda command: Failed(message="no pool X", remedy="isapy list pools")):
        with pytest.raises(CommandFailed, match="no pool X") as caught:
            call(tmp_path / "a.sock", GetStatus())
        assert caught.value.remedy == "isapy list pools"


def test_a_service_that_says_nothing(tmp_path: Path) -> None:
    """The time-out names its length."""
    asked = threading.Event()
    with odd_service(tmp_path / "a.sock", lambda connection: asked.wait(60)):
        with pytest.raises(ControlError, match=r"did not answer within 0\.1 seconds"):
            call(tmp_path / "a.sock", GetStatus(), timeout=0.1)
        asked.set()


@pytest.mark.parametrize(
    ("raw_answer", "message"),
    [
        (b"", "without an answer"),
        (LENGTH.pack(10) + b"half", "without an answer"),
        (LENGTH.pack(1) + b"\xc1", "not a reply"),
        (b"\xff\xff\xff\xff", "the limit is"),
    ],
)
def test_an_answer_that_is_none(tmp_path: Path, raw_answer: bytes, message: str) -> None:
    """Truncated, senseless and oversized replies are errors with a reason."""

    def behave(connection: socket.socket) -> None:
        connection.recv(100)
        connection.sendall(raw_answer)

    with odd_service(tmp_path / "a.sock", behave), pytest.raises(ControlError, match=message):
        call(tmp_path / "a.sock", GetStatus(), timeout=60)


def test_a_refusal_that_came_before_the_command_was_sent_is_heard(tmp_path: Path) -> None:
    """The service closes without reading; the caller is told why, not that its pipe broke."""
    refusal = encode(Failed(message="only root may command it", remedy="use sudo"))
    too_long_for_a_buffer = RecyclePool(name="x" * 8_000_000)
    with (
        odd_service(tmp_path / "a.sock", lambda connection: connection.sendall(refusal)),
        pytest.raises(CommandFailed, match="only root may command it"),
    ):
        call(tmp_path / "a.sock", too_long_for_a_buffer)
