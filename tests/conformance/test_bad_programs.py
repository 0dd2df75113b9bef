"""CGI programs that fail in every way known, under both process models: the client gets an answer, the server keeps its
memory, the log has the cause, and no process is left.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.running_service import WAIT_SECONDS, Answer, RunningService, running, wait_until
from tests.sample_site import write_program, write_site

MODES = ("workerprocess", "iis5")
MEGABYTE = 1024 * 1024
FLAT_BYTES = 24 * MEGABYTE
"""What a process may gain while 100 MB pass through it."""
LARGE = 100 * MEGABYTE
ENDED_SECONDS = 90

HURRY = """\
<location path="Default Web Site/hurry">
    <system.webServer><cgi timeout="00:00:04" /></system.webServer>
  </location>
</configuration>"""

BEGIN = "#!/bin/sh\n"
HEAD = "printf 'Content-Type: text/plain\\n\\n'\n"

PROGRAMS: dict[str, str] = {
    "silent.cgi": "exit 0\n",
    "silent-failing.cgi": "echo 'cannot open the ledger' >&2; exit 3\n",
    "garbage.cgi": "echo 'garbage without a colon'; echo; echo text\n",
    "binary.cgi": "head -c 300000 /dev/zero | tr '\\0' '\\377'\n",
    "cut-head.cgi": "printf 'Content-Type: text/pl'\n",
    "no-type.cgi": "printf 'X-Only: this\\n\\ntext'\n",
    "bad-status.cgi": "printf 'Status: fine\\nContent-Type: text/plain\\n\\ntext'\n",
    "two-lengths.cgi": "printf 'Content-Type: text/plain\\nContent-Length: 4\\nContent-Length: 5\\n\\ntext'\n",
    "splitting.cgi": "printf 'Content-Type: text/plain\\nX-A: b\\rSet-Cookie: c=d\\n\\ntext'\n",
    "endless-head.cgi": "yes 'X-More: and more'\n",
    "signal.cgi": "echo 'about to fall' >&2; kill -SEGV $$\n",
    "signal-in-body.cgi": HEAD + "head -c 200000 /dev/zero; kill -KILL $$\n",
    "promises-more.cgi": "printf 'Content-Type: text/plain\\nContent-Length: 100\\n\\nshort'\n",
    "ignores-body.cgi": HEAD + "echo answered\n",
    "noisy.cgi": "head -c 10000000 /dev/zero | tr '\\0' 'e' | fold -w 100 >&2\n" + HEAD + "echo answered\n",
    "large.cgi": HEAD + f"exec head -c {LARGE} /dev/zero\n",
    "endless.cgi": HEAD + 'echo $$ > "$0.pids"; exec yes\n',
    "quiet.cgi": 'sleep 600 & echo $$ $! > "$0.pids"; wait\n',
    "daemon.cgi": 'sleep 600 & echo $! > "$0.pids"\n' + HEAD + "echo answered\n",
    "daemon-with-length.cgi": 'sleep 600 & echo $! > "$0.pids"\n'
    "printf 'Content-Type: text/plain\\nContent-Length: 9\\n\\nanswered\\n'\n",
    "hurry/sleeper.cgi": 'sleep 600 & one=$!; setsid sleep 600 & two=$!\necho $$ $one $two > "$0.pids"; wait\n',
    "hurry/stubborn.cgi": "trap '' TERM INT HUP; echo $$ > $0.pids\n"
    "setsid setsid sh -c 'echo $$ >> $0.pids; exec sleep 600' $0 &\nwhile :; do sleep 600; done\n",
    "hurry/endless.cgi": HEAD + 'echo $$ > "$0.pids"; while :; do echo more; sleep 0.1; done\n',
}


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Ended in the end with every process that a program has left behind."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_site(folder)
    config.write_text(config.read_text().replace("</configuration>", HURRY))
    for name, text in PROGRAMS.items():
        write_program(folder / "wwwroot" / name, BEGIN + text)
    with running(folder, config, "--isolation", request.param) as started:
        yield started
    left = [pid for file in folder.rglob("*.pids") for pid in file.read_text().split() if is_running(int(pid))]
    assert left == []


def is_running(pid: int) -> bool:
    """Whether a process of one of these programs is still there (and not somebody else's with its number)."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process.name() in ("sleep", "sh", "dash", "yes") and process.status() != psutil.STATUS_ZOMBIE
    return False


def pids_of(service: RunningService, name: str, count: int = 1) -> list[int]:
    """Wait until the program and what it starts have said who they are."""
    file = service.folder / "wwwroot" / f"{name}.pids"

    def said() -> list[int]:
        pids = [int(pid) for pid in file.read_text().split()] if file.exists() else []
        return pids if len(pids) >= count else []

    return wait_until(said, file.parent, f"{count} processes of {name}")


def assert_ended(pids: list[int]) -> None:
    """Every one of them ends and is reaped."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            psutil.Process(pid).wait(ENDED_SECONDS)


def serving(service: RunningService) -> dict[str, psutil.Process]:
    """The processes that bytes pass through."""
    rows = service.status().processes
    names = ("listener", "inetinfo", "worker DefaultAppPool")
    return {row.title: psutil.Process(row.pid) for row in rows if row.title.startswith(names)}


def stream(service: RunningService, path: str) -> http.client.HTTPResponse:
    """A response whose body has still to be read; its connection ends with it."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=WAIT_SECONDS)
    connection.request("GET", path, headers={"Connection": "close"})
    return connection.getresponse()


BROKEN_OUTPUT: dict[str, list[str]] = {
    "silent.cgi": ["exited with status 0"],
    "silent-failing.cgi": ["exited with status 3", "cannot open the ledger"],
    "garbage.cgi": ["garbage without a colon"],
    "binary.cgi": [],
    "cut-head.cgi": ["Content-Type: text/pl"],
    "bad-status.cgi": ["Status: fine"],
    "splitting.cgi": ["X-A: b"],
    "endless-head.cgi": ["X-More: and more"],
    "signal.cgi": ["SIGSEGV", "about to fall"],
}


@pytest.mark.parametrize("name", BROKEN_OUTPUT)
def test_output_that_is_no_response_is_502_2_with_the_cause(service: RunningService, name: str) -> None:
    """The page for a local client, the event with the request's id, the log with the substatus; the site serves on."""
    answer = service.get(f"/{name}")
    assert (answer.status, "502.2" in answer.text) == (502, True), answer
    assert [word for word in [*BROKEN_OUTPUT[name], name] if word not in answer.text] == []
    assert service.get("/").status == 200
    event = service.wait_for_event("cgi-failed", f"/{name} ")
    assert re.search(r"\(request [^ )]+\)", event)
    assert [line for line in service.site_log(f" /{name} ") if " 502 2 " not in line] == []


@pytest.mark.parametrize("name", ["no-type.cgi", "two-lengths.cgi"])
def test_a_head_that_other_servers_accept_is_accepted(service: RunningService, name: str) -> None:
    """Without a type, or with lengths that contradict one another: the page arrives, framed by its real length."""
    answer = service.get(f"/{name}")
    assert (answer.status, answer.text) == (200, "text")
    assert answer.headers["content-length"] == "4"
    assert service.get("/").status == 200


def test_a_program_that_dies_by_a_signal_is_named_in_the_event(service: RunningService) -> None:
    """The request's id in the event is the one of its standard error's lines."""
    service.get("/signal.cgi?now")
    failed = service.wait_for_event("cgi-failed", "/signal.cgi ", "SIGSEGV")
    said = service.wait_for_event("cgi-stderr", "/signal.cgi ", "about to fall")
    (request_id,) = set(re.findall(r"\(request ([^ )]+)\)", failed))
    assert service.wait_for_event("cgi-stderr", f"(request {request_id})")
    assert "request" in said


def test_a_body_that_is_cut_is_seen_to_be_cut(service: RunningService) -> None:
    """No last chunk, no whole length: the client must not take a part for the whole."""
    with (
        pytest.raises((http.client.IncompleteRead, ConnectionResetError)),
        stream(service, "/signal-in-body.cgi") as response,
    ):
        response.read()
    assert service.get("/").status == 200


def test_less_than_promised_is_never_taken_for_the_whole(service: RunningService) -> None:
    """502.2 while nothing has left yet, a cut when the beginning has; an event says it either way."""
    try:
        answer = service.get("/promises-more.cgi")
        assert (answer.status, "5 of the 100 bytes" in answer.text) == (502, True)
    except (http.client.IncompleteRead, ConnectionResetError):
        pass
    service.wait_for_event("cgi-failed", "/promises-more.cgi ", "5 of the 100 bytes")
    assert service.get("/").status == 200


def test_a_program_that_dies_in_its_body_is_an_event(service: RunningService) -> None:
    """With the signal's name."""
    with suppress(http.client.IncompleteRead, ConnectionResetError), stream(service, "/signal-in-body.cgi") as response:
        response.read()
    service.wait_for_event("cgi-failed", "/signal-in-body.cgi ", "SIGKILL")


def test_100_megabytes_pass_and_leave_the_memory_flat(service: RunningService) -> None:
    """All of it arrives; neither the listener nor a worker gains memory on the way."""
    service.get("/ignores-body.cgi")
    processes = serving(service)
    assert processes
    before = {title: process.memory_info().rss for title, process in processes.items()}
    most, received = dict(before), 0
    with stream(service, "/large.cgi") as response:
        while piece := response.read(4 * MEGABYTE):
            received += len(piece)
            for title, process in processes.items():
                most[title] = max(most[title], process.memory_info().rss)
    assert received == LARGE
    assert [title for title in before if most[title] - before[title] > FLAT_BYTES] == [], (before, most)


def test_a_client_that_does_not_read_holds_the_program_and_no_memory(service: RunningService) -> None:
    """A program that prints without end is stopped by its full pipe; when the client leaves, it is ended."""
    processes = serving(service)
    before = {title: process.memory_info().rss for title, process in processes.items()}
    with service.connect() as connection:
        connection.sendall(b"GET /endless.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        program = pids_of(service, "endless.cgi")
        for _ in range(20):
            assert service.get("/ignores-body.cgi").status == 200
        port = connection.getsockname()[1]
        after = {title: process.memory_info().rss for title, process in processes.items()}
    assert [title for title in before if after[title] - before[title] > FLAT_BYTES] == [], (before, after)
    assert_ended(program)
    assert service.httperr(f" {port} ", "/endless.cgi", "Connection_Dropped")


def test_a_client_that_leaves_a_silent_program_ends_its_whole_tree(service: RunningService) -> None:
    """Nothing had come yet: the program and its child are killed all the same."""
    with service.connect() as connection:
        connection.sendall(b"GET /quiet.cgi HTTP/1.1\r\nHost: x\r\n\r\n")
        program_and_child = pids_of(service, "quiet.cgi", 2)
        port = connection.getsockname()[1]
    assert_ended(program_and_child)
    assert service.httperr(f" {port} ", "/quiet.cgi", "Connection_Dropped")


def test_time_passes_for_every_program(service: RunningService) -> None:
    """Three at once. Children, descendants in sessions of their own, and those that ignore every polite signal end with
    502.1; the response of one that keeps printing has begun: it is cut. No process is left of any.
    """
    answers: dict[str, Answer] = {}
    late = {"hurry/sleeper.cgi": 3, "hurry/stubborn.cgi": 2}

    def ask(name: str) -> None:
        answers[name] = service.get(f"/{name}")

    threads = [threading.Thread(target=ask, args=(name,)) for name in late]
    for thread in threads:
        thread.start()
    with stream(service, "/hurry/endless.cgi") as response:
        pids = [
            pid for name, count in {**late, "hurry/endless.cgi": 1}.items() for pid in pids_of(service, name, count)
        ]
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
        assert response.status == 200
    for thread in threads:
        thread.join()
    for name, answer in answers.items():
        assert (answer.status, "502.1" in answer.text, "timeout" in answer.text) == (502, True, True), name
        assert all(" 502 1 " in line for line in service.site_log(f" /{name} "))
    assert set(answers) == set(late)
    assert_ended(pids)
    for name in (*late, "hurry/endless.cgi"):
        service.wait_for_event("cgi-timeout", name)
    assert service.get("/").status == 200


@pytest.mark.slow
def test_a_child_that_keeps_the_output_open_does_not_hold_the_answer(service: RunningService) -> None:
    """The program has ended; five seconds of silence end the answer, a Content-Length at once."""
    assert service.get("/daemon-with-length.cgi").text == "answered\n"
    assert service.get("/daemon.cgi").text == "answered\n"


def test_a_large_body_that_is_never_read_does_not_hold_the_answer(service: RunningService) -> None:
    """The client may send all of it before it listens."""
    body = bytes(20 * MEGABYTE)
    for _ in range(2):
        answer = service.get("/ignores-body.cgi", method="POST", body=body)
        assert (answer.status, answer.text) == (200, "answered\n")
    with service.connect() as connection:
        connection.sendall(b"POST /ignores-body.cgi HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"100000\r\n" + bytes(MEGABYTE) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        assert read_until(connection, b"answered\n").startswith(b"HTTP/1.1 200 ")


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """Everything up to `end`."""
    heard = b""
    while end not in heard:
        piece = connection.recv(65536)
        assert piece, heard
        heard += piece
    return heard


def test_ten_megabytes_of_standard_error_come_before_the_answer(service: RunningService) -> None:
    """They are read all the time, so the program goes on; the event log gets a part that it can bear."""
    before = size_of_events(service.logs)
    answer = service.get("/noisy.cgi")
    assert (answer.status, answer.text) == (200, "answered\n")
    service.wait_for_event("cgi-stderr", "/noisy.cgi")
    assert size_of_events(service.logs) - before < MEGABYTE


def size_of_events(logs: Path) -> int:
    """Bytes of all event logs."""
    return sum(file.stat().st_size for file in logs.rglob("events*.log"))
