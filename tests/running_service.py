"""A real isapy for a test: its own configuration, ports and folders; started, asked, killed at, and always ended."""

from __future__ import annotations

import atexit
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import psutil
from watchfiles import watch

from bench import ports
from host.admin.client import call
from host.admin.commands import Command, GetStatus, ListRequests, Reply, Requests, Status
from host.admin.location import control_socket

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 90.0
WAIT_SECONDS = 90.0
"""Bounds of failure only: nothing that is demanded depends on them, and a loaded machine takes its time."""
T = TypeVar("T")


def free_port() -> int:
    """A port for a server that a test starts; nobody else gets it, here or in another run of the tests."""
    return ports.free_port()


@dataclass(slots=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(slots=True)
class RunningService:
    """A started service. `folder` holds conf/, wwwroot/, state/."""

    folder: Path
    config: Path
    port: int
    process: subprocess.Popen[bytes]
    environment: dict[str, str]
    output: list[str] = field(default_factory=list)
    reader: threading.Thread = field(default_factory=threading.Thread)
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    # --- asking it ----------------------------------------------------------------------------------------------

    def get(
        self, path: str, headers: dict[str, str] | None = None, *, method: str = "GET", body: bytes | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=WAIT_SECONDS)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def get_on(self, connection: socket.socket, path: str, host: str = "x") -> Answer:
        """One request on a connection that stays open, and its answer."""
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return read_answer(connection)

    def connect(self, client: str = "127.0.0.1") -> socket.socket:
        """A raw connection; `client` is the address it comes from, one of the loopback's."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS, source_address=(client, 0))

    def ask(self, command: Command) -> Reply:
        """A command over the control socket."""
        return call(control_socket(self.config, self.environment), command, timeout=WAIT_SECONDS)

    def status(self) -> Status:
        """What `isapy status` knows."""
        reply = self.ask(GetStatus())
        assert isinstance(reply, Status), reply
        return reply

    def pid_of(self, title: str) -> int:
        """Process id of the running process with that title (without `isapy: `)."""
        found = [row.pid for row in self.status().processes if row.title == title]
        assert found, f"no {title} among {[row.title for row in self.status().processes]}"
        return found[0]

    def titles(self) -> list[str]:
        """Titles of the running processes."""
        return [row.title for row in self.status().processes]

    def tree(self) -> list[psutil.Process]:
        """Every process below the service."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.seen.update((child.pid, child) for child in children)
        return children

    def kill(self, pid: int) -> None:
        """SIGKILL, and wait until the process is gone: until then it may still take a connection or answer."""
        process = psutil.Process(pid)
        process.kill()
        psutil.wait_procs([process], timeout=WAIT_SECONDS)
        assert not process.is_running(), f"process {pid} survives SIGKILL"

    def wait_for_requests(self, count: int) -> None:
        """Wait until so many requests are in a worker's hands."""

        def in_hand() -> bool:
            reply = self.ask(ListRequests())
            return isinstance(reply, Requests) and len([row for row in reply.rows if row.worker]) >= count

        wait_until(in_hand, self.folder, f"{count} requests in hand")

    def wait_for_process(self, name: str) -> psutil.Process:
        """Wait until a process of that name runs below the service."""

        def found() -> psutil.Process | None:
            return next((child for child in self.tree() if _name_of(child) == name), None)

        process = wait_until(found, self.folder, f"a process {name}")
        assert process is not None
        return process

    def wait_until_answered(self, path: str, condition: Callable[[], bool]) -> None:
        """Ask for `path` until the condition holds."""

        def asked() -> bool:
            self.get(path)
            return condition()

        wait_until(asked, self.folder, f"something that a request for {path} brings about")

    # --- events -------------------------------------------------------------------------------------------------

    @property
    def logs(self) -> Path:
        return self.folder / "state" / "logs"

    def log_lines(self, files: str) -> list[str]:
        """Lines of all log files of that pattern so far; one that is being written just now is none yet."""
        texts = [file.read_bytes().decode(errors="replace") for file in sorted(self.logs.rglob(files))]
        return [line for text in texts for line in text.split("\n")[:-1]]

    def events(self) -> list[str]:
        """Lines of the event log so far."""
        return self.log_lines("events.log")

    def has_event(self, *words: str) -> bool:
        """Whether a line of the event log holds all the words."""
        return any(all(word in line for word in words) for line in self.events())

    def wait_for_event(self, *words: str, count: int = 1) -> str:
        """Wait until `count` event lines hold all the words; gives the last of them."""

        def enough() -> str:
            found = [line for line in self.events() if all(word in line for word in words)]
            return found[count - 1] if len(found) >= count else ""

        return wait_until(enough, self.logs, f"event {' '.join(words)}; there are: {self.events()[-15:]}")

    def site_log(self, *words: str, count: int = 1) -> list[str]:
        """Wait until `count` lines of the site logs hold all the words; gives them."""

        def found() -> list[str]:
            hits = [line for line in self.log_lines("W3SVC*/*.log") if all(word in line for word in words)]
            return hits if len(hits) >= count else []

        return wait_until(found, self.logs, f"site log line {' '.join(words)}")

    def httperr(self, *words: str) -> list[str]:
        """Wait until a line of HTTPERR holds all the words; gives those lines."""

        def found() -> list[str]:
            return [line for line in self.log_lines("HTTPERR/*.log") if all(word in line for word in words)]

        return wait_until(found, self.logs, f"HTTPERR line {' '.join(words)}")

    # --- the end ------------------------------------------------------------------------------------------------

    def wait_until_all_gone(self) -> None:
        """Wait until no process of isapy is left that this service, or a successor of it, has started: until the last
        one has closed the standard error that they all share."""
        self.reader.join(WAIT_SECONDS)
        assert not self.reader.is_alive(), f"isapy still runs after {WAIT_SECONDS:.0f} s: {self.output[-5:]}"

    def stop(self) -> int:
        """Ctrl-C, and everything must be gone; gives the exit status."""
        self.tree()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(WAIT_SECONDS)
            raise
        finally:
            self.assert_nothing_left()

    def kill_if_left(self) -> None:
        """End a service that its test has not ended: what it has started ends with it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def stop_at_once(self) -> int:
        """SIGTERM, again and again as an impatient administrator sends it; gives the exit status."""

        def has_ended() -> bool:
            self.process.send_signal(signal.SIGTERM)  # nothing, when it has ended
            return self.process.poll() is not None

        wait_until(has_ended, self.folder, "the end of the service")
        return self.process.wait()

    def assert_nothing_left(self) -> None:
        """No process that was ever seen below the service is alive, whatever it was: CGI programs count, too."""
        left = [process for process in self.seen.values() if _is_alive(process)]
        words = [f"{process.pid} {_name_of(process)}" for process in left]
        for process in left:
            process.kill()
        assert not words, f"processes survived their service: {words}"


def read_answer(connection: socket.socket) -> Answer:
    """The next answer on that connection, to its end, in however many pieces it comes."""
    response = http.client.HTTPResponse(connection, method="GET")
    response.begin()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def _is_alive(process: psutil.Process) -> bool:
    """Whether it is the same process still (a number may be given again) and no zombie that waits for its parent."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _name_of(process: psutil.Process) -> str:
    """Its name; empty when it has just ended."""
    try:
        return process.name()
    except psutil.Error:
        return ""


def wait_until(condition: Callable[[], T], folder: Path, what: str) -> T:
    """Wait until `condition` gives something true; it is asked again whenever a file below `folder` has changed."""
    folder.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + WAIT_SECONDS
    for _ in watch(folder, step=10, debounce=20, rust_timeout=250, yield_on_timeout=True):
        if result := condition():
            return result
        if time.monotonic() > end:
            break
    raise AssertionError(f"waited {WAIT_SECONDS:.0f} s for {what}")


def start_service(
    folder: Path,
    config: Path,
    *arguments: str,
    port: int | None = None,
    environment: dict[str, str] | None = None,
    expect_start: bool = True,
    current_folder: Path = ROOT,
    wrapper: Sequence[str] = (),
    descriptors: Sequence[int] = (),
    python: str = sys.executable,
    user: int | None = None,
) -> RunningService:
    """Start isapy on that configuration and wait for its banner (or, if that is expected, for its end).

    `wrapper` is put before the command, `descriptors` are inherited. `user`: the number of the user (and group) that
    it shall run as, where the test itself runs as root.
    """
    port = port or free_port()
    full = {
        **os.environ,
        "ISAPY_STATE": str(folder / "state"),
        "ISAPY_CONTROL": str(folder / "control"),
        **(environment or {}),
    }
    command = [python, "-m", "host.processes", "service", "--config", str(config), "--port", str(port)]
    if arguments[:1] == ("command",):  # as typed: isapy run --config FILE
        command, arguments = [python, "-m", "host", "run", *command[4:]], arguments[1:]
    elif arguments[:1] == ("run-folder",):  # isapy run FOLDER
        command = [python, "-m", "host", "run", str(config), "--port", str(port)]
        arguments = arguments[1:]
    elif arguments[:1] == ("run-samples",):  # isapy run, where no configuration lies
        command, arguments = [python, "-m", "host", "run", "--port", str(port)], arguments[1:]
    process = subprocess.Popen(
        [*wrapper, *command, *arguments],
        cwd=current_folder,
        env=full,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        pass_fds=descriptors,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    service = RunningService(folder, config, port, process, full)
    words = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        with process.stderr:
            for raw_line in process.stderr:
                service.output.append(raw_line.decode(errors="replace").rstrip())
                if "Ctrl-C" in service.output[-1]:
                    words.set()
        words.set()

    service.reader = threading.Thread(target=read, daemon=True)
    service.reader.start()
    atexit.register(service.kill_if_left)  # a test that ends it itself may fail before it does
    has_spoken = words.wait(START_SECONDS)
    if not has_spoken:
        service.kill_if_left()
    assert has_spoken, f"isapy did not start: {service.output}"
    if expect_start:
        assert any("Ctrl-C" in line for line in service.output), f"isapy ended: {service.output}"
    return service


@contextmanager
def started(folder: Path, config: Path, *arguments: str, wrapper: Sequence[str] = ()) -> Iterator[RunningService]:
    """As start_service, for a test that ends it itself: killed when the test fails before that."""
    service = start_service(folder, config, *arguments, wrapper=wrapper)
    try:
        yield service
    finally:
        service.kill_if_left()


@contextmanager
def running(
    folder: Path, config: Path, *arguments: str, port: int | None = None, environment: dict[str, str] | None = None
) -> Iterator[RunningService]:
    """As start_service, and ended afterwards with nothing left over."""
    service = start_service(folder, config, *arguments, port=port, environment=environment)
    try:
        yield service
    finally:
        service.stop()
