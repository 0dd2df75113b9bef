"""CGI as a client sees it, in both process models: what leaves when, what is held back, where a redirect leads."""

from __future__ import annotations

import contextlib
import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from host.admin.script_messages import ListScripts, Scripts
from tests.running_service import WAIT_SECONDS, RunningService, read_answer, running, wait_until
from tests.sample_site import write_program, write_site

LIMITS = """\
    <cgi timeout="00:01:30" sendfileRoots="../private" />
    <httpErrors errorMode="Custom">
      <remove statusCode="404" subStatusCode="-1" />
      <error statusCode="404" path="/cgi-bin/missing.sh" responseMode="ExecuteURL" />
    </httpErrors>
"""
LARGE = '<requestFiltering><requestLimits maxAllowedContentLength="200000000" /></requestFiltering>'
ONE_AT_ONCE = """\
  <location path="Default Web Site/cgi-bin/single.sh">
    <system.webServer><cgi maxInstances="1" queueLength="0" /></system.webServer>
  </location>
  <location path="Default Web Site/cgi-bin/private">
    <system.webServer><cgi privateTemp="true" /></system.webServer>
  </location>
</configuration>"""
SCRIPTS = {
    "events.sh": """
printf 'Content-Type: text/event-stream\\n\\n'
exec 3<> "$DOCUMENT_ROOT/fifo"  # kept open: what is written between two reads is not lost
for word in one two three; do echo "data: $word"; echo; read line <&3; done
""",
    "refuse.sh": "printf 'Status: 403 Not You\\nContent-Type: text/plain\\n\\nno'\n",
    "count.sh": "printf 'Content-Type: text/plain\\n\\n'; wc -c | tr -d '\\n'\n",
    "digest.sh": "printf 'Content-Type: text/plain\\n\\n'; exec sha256sum\n",
    "half.sh": "printf 'Content-Type: text/plain\\n\\n'; head -c 750000 | wc -c\n",
    "reader.sh": """
printf 'Content-Type: text/plain\\n\\n'
head -c 9000000 > /dev/null
echo $$ > "$DOCUMENT_ROOT/reader"
exec cat > /dev/null
""",
    "echo.sh": "printf 'Content-Type: application/octet-stream\\n\\n'; exec cat\n",
    "hop.sh": "printf 'Location: /cgi-bin/env.sh/more?a=b\\n\\n'\n",
    "env.sh": "printf 'Content-Type: text/plain\\n\\n'; env | sort; wc -c\n",
    "missing.sh": "printf 'Content-Type: text/plain\\n\\nsorry\\n'; env | sort\n",
    "nph-count.sh": "printf 'HTTP/1.0 207 Counted\\r\\nContent-Type: text/plain\\r\\n\\r\\n'; wc -c | tr -d '\\n'\n",
    "accel.sh": "printf 'Content-Type: image/x-own\\nX-Accel-Redirect: /media/secret.bin\\n\\n'\n",
    "single.sh": "printf 'Content-Type: text/plain\\n\\n'; echo begun > \"$DOCUMENT_ROOT/begun\"; exec sleep 1000\n",
    "private/own.py": """
import os, tempfile
folder = tempfile.gettempdir()
print("Content-Type: text/plain\\n")
print(folder, oct(os.stat(folder).st_mode)[-3:], os.listdir(folder))
tempfile.mkstemp()
""",
    "short.sh": "printf 'Content-Type: text/plain\\n\\nshort'; kill -TERM $$\n",
    "cut.sh": """
printf 'Content-Type: text/plain\\n\\nbegun'
read line < "$DOCUMENT_ROOT/cut"
kill -KILL $$
""",
    "tree.sh": """
setsid sh -c 'echo $$ >> "$DOCUMENT_ROOT/pids"; exec sleep 1000' &
(setsid sh -c 'trap "" TERM; echo $$ >> "$DOCUMENT_ROOT/pids"; while :; do sleep 1000; done' &)
echo $$ >> "$DOCUMENT_ROOT/pids"
wait
""",
}


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(f"wire-{request.param}")
    config = write_site(folder, web_server_extra=LIMITS)
    media = 'physicalPath="../private" caseInsensitivePaths="true"'
    text = config.read_text().replace('physicalPath="../media"', media).replace("</configuration>", ONE_AT_ONCE)
    config.write_text(text.replace("<isapiCgiRestriction", f"{LARGE}<isapiCgiRestriction"))
    (folder / "private").mkdir()
    (folder / "private" / "secret.bin").write_bytes(bytes(range(256)) * 1000)
    for name, script in SCRIPTS.items():
        first = "#!/usr/bin/python3" if name.endswith(".py") else "#!/bin/sh"
        write_program(folder / "wwwroot/cgi-bin" / name, f"{first}\n{script}")
    write_program(folder / "private/Tools/Search.cgi", "#!/bin/sh\n" + SCRIPTS["env.sh"])
    with running(folder, config, "--isolation", request.param) as it:
        yield it


def worker_pid(service: RunningService) -> int:
    """The process that runs the CGI module."""
    rows = service.status().processes
    return next(row.pid for row in rows if row.title.startswith(("worker DefaultAppPool", "inetinfo")))


def read_pid(service: RunningService) -> Callable[[], str]:
    """Gives what reader.sh has written down, when it has."""
    path = service.folder / "wwwroot/reader"
    return lambda: path.read_text().strip() if path.exists() else ""


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes up to `end`, which must come."""
    received = b""
    while not received.endswith(end):
        piece = connection.recv(1)
        assert piece, received
        received += piece
    return received


def test_events_reach_the_client_line_by_line(service: RunningService) -> None:
    """Server-sent events from a shell script: each is there before the next is written."""
    fifo = service.folder / "wwwroot/fifo"
    os.mkfifo(fifo)
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/events.sh HTTP/1.0\r\nHost: x\r\n\r\n")
        for word in (b"one", b"two", b"three"):
            read_until(connection, b"data: " + word + b"\n\n")
            fifo.write_text("next\n")
        assert connection.recv(100) == b""


def test_a_body_is_not_sent_to_a_script_that_refuses_by_the_fields(service: RunningService) -> None:
    """Expect: 100-continue: a script that has begun its answer and reads is sent the body, asked for before its head;
    one that refuses is heard without it (that no byte is asked for, a clock that stands shows in test_cgi.py)."""
    head = b"POST /cgi-bin/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
    with service.connect() as connection:
        connection.sendall(head % b"count.sh")
        assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"x" * 1000000)
        assert read_answer(connection).body == b"1000000"
    with service.connect() as connection:
        connection.sendall(head % b"refuse.sh")
        answer = read_until(connection, b"no")
        assert b" 403 Not You\r\n" in answer


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_large_body_is_at_the_script_byte_by_byte(service: RunningService, framing: str) -> None:
    """100 MB. What is announced goes from the client's socket into the script's pipe: the worker has written no more
    of it than had come when the script was found."""
    size, digest = 100_000_000, hashlib.sha256()
    piece = os.urandom(1_000_000)
    fields = b"Content-Length: %d" % size if framing == "length" else b"Transfer-Encoding: chunked"
    service.get("/cgi-bin/count.sh")
    worker = psutil.Process(worker_pid(service))
    before = worker.io_counters().write_chars
    with service.connect() as connection:
        connection.sendall(b"POST /cgi-bin/digest.sh HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % fields)
        for at in range(size // len(piece)):
            data = at.to_bytes(4, "big") + piece[4:]
            digest.update(data)
            connection.sendall(data if framing == "length" else b"%x\r\n%b\r\n" % (len(data), data))
        connection.sendall(b"" if framing == "length" else b"0\r\n\r\n")
        assert read_answer(connection).body.split()[0] == digest.hexdigest().encode()
    written = worker.io_counters().write_chars - before
    assert written < 10_000_000 if framing == "length" else written >= size


def test_a_script_that_reads_half_of_a_large_body_is_heard(service: RunningService) -> None:
    """By a client that sends everything before it listens, and whose next request is heard, too: what is left is not
    much."""
    size = 1_500_000
    with service.connect() as connection:
        connection.sendall(b"POST /cgi-bin/half.sh HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        connection.sendall(b"y" * size)
        assert read_answer(connection).body == b"750000\n"


@pytest.mark.parametrize("who", ["client", "worker"])
def test_whoever_is_lost_in_the_middle_of_a_large_body_ends_the_script(service: RunningService, who: str) -> None:
    """And the others go on."""
    (service.folder / "wwwroot/reader").unlink(missing_ok=True)
    with service.connect() as connection:
        connection.sendall(b"POST /cgi-bin/reader.sh HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        connection.sendall(b"y" * 10_000_000)
        script = psutil.Process(int(wait_until(read_pid(service), service.folder, "the script that reads") or 0))
        if who == "worker":
            service.kill(worker_pid(service))
    psutil.wait_procs([script], timeout=WAIT_SECONDS)
    assert not script.is_running()
    assert service.get("/cgi-bin/count.sh", method="POST", body=b"abc").body == b"3"


def test_a_large_body_comes_back_while_it_still_goes(service: RunningService) -> None:
    """20 MB through `cat`, both ways at once, from a client that reads while it sends: no deadlock in the script, the
    worker or the listener. Nobody keeps what no pipe holds: it waits in the client."""
    size = 20_000_000
    with service.connect() as connection:
        connection.sendall(b"POST /cgi-bin/echo.sh HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        sender = threading.Thread(target=connection.sendall, args=(b"y" * size,))
        sender.start()
        answer = read_answer(connection)
        sender.join()
    assert answer.body == b"y" * size


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "REPORT"])
def test_a_local_redirect_is_a_get_whatever_led_to_it(service: RunningService, method: str) -> None:
    """Any method and a body of any size, which the first script does not read; the second knows where it is from."""
    body = None if method == "GET" else b"z" * 3_000_000
    answer = service.get("/cgi-bin/hop.sh?from=here", method=method, body=body)
    told = set(answer.text.splitlines())
    assert answer.status == 200
    assert told >= {
        "REQUEST_METHOD=GET",
        "PATH_INFO=/more",
        "QUERY_STRING=a=b",
        "SCRIPT_NAME=/cgi-bin/env.sh",
        "REQUEST_URI=/cgi-bin/hop.sh?from=here",
        f"REDIRECT_REQUEST_METHOD={method}",
        "REDIRECT_STATUS=200",
        "REDIRECT_URL=/cgi-bin/hop.sh",
        "REDIRECT_QUERY_STRING=from=here",
        "0",
    }
    assert not [line for line in told if line.startswith(("CONTENT_", "HTTP_CONTENT"))]


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_an_nph_script_has_any_method_and_a_body_of_any_size(service: RunningService, method: str) -> None:
    """3 MB are read by it, and its answer goes out as it is."""
    body = None if method == "GET" else b"z" * 3_000_000
    answer = service.get("/cgi-bin/nph-count.sh", method=method, body=body)
    assert (answer.status, answer.text) == (207, str(len(body or b"")))


def test_a_script_makes_the_page_of_an_error(service: RunningService) -> None:
    """httpErrors with ExecuteURL: the status stays, the script knows the URL, the status and the method."""
    answer = service.get("/no/such%20page?q=1", method="POST", body=b"data")
    told = answer.text.splitlines()
    assert (answer.status, told[0]) == (404, "sorry")
    assert set(told) >= {
        "REDIRECT_STATUS=404",
        "REDIRECT_URL=/no/such page",
        "REDIRECT_QUERY_STRING=q=1",
        "REDIRECT_REQUEST_METHOD=POST",
        "REQUEST_METHOD=GET",
        "REQUEST_URI=/no/such%20page?q=1",
        "SCRIPT_URL=/no/such page",
        "SCRIPT_NAME=/cgi-bin/missing.sh",
    }
    head = service.get("/no/such", method="HEAD")
    assert (head.status, head.body) == (404, b"")


def test_a_url_names_the_file_that_is_sent(service: RunningService) -> None:
    """X-Accel-Redirect: mapped by the site's virtual directories, with ranges."""
    secret = bytes(range(256)) * 1000
    answer = service.get("/cgi-bin/accel.sh")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, secret, "image/x-own")
    assert "x-accel-redirect" not in answer.headers
    part = service.get("/cgi-bin/accel.sh", {"Range": "bytes=300-309"})
    assert (part.status, part.body) == (206, secret[300:310])


def test_a_script_from_windows_is_found_by_any_spelling(service: RunningService) -> None:
    """caseInsensitivePaths: case and backslashes; the script is told the disk's spelling, and its folder is its own."""
    for target in ("/media/Tools/Search.cgi/More", "/MEDIA/tools%5CSEARCH.CGI/More", "/Media/TOOLS/search.cgi/More"):
        told = set(service.get(target).text.splitlines())
        assert told >= {
            "PATH_INFO=/More",
            f"SCRIPT_FILENAME={service.folder}/private/Tools/Search.cgi",
            f"PWD={service.folder}/private/Tools",
        }
    assert service.get("/media/SECRET.bin").body == service.get("/media/secret.bin").body
    assert service.get("/CGI-BIN/ENV.SH").status == 404


def test_a_location_has_a_limit_of_its_own(service: RunningService) -> None:
    """maxInstances in a location: the second request for that script is 503, others run; the first one's client leaves
    and the place is free."""
    begun = service.folder / "wwwroot/begun"
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/single.sh HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(begun.exists, begun.parent, "the first program")
        assert service.get("/cgi-bin/single.sh").status == 503
        assert service.get("/cgi-bin/env.sh").status == 200
        begun.unlink()

    def is_free() -> bool:
        with service.connect() as connection:
            connection.sendall(b"GET /cgi-bin/single.sh HTTP/1.0\r\nHost: x\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"

    wait_until(is_free, begun.parent, "the place of the client that left")


def test_a_run_has_a_temporary_folder_of_its_own(service: RunningService) -> None:
    """privateTemp: warm or cold, each is another one, closed and empty, and gone soon after."""
    seen: set[Path] = set()

    def is_warm() -> bool:
        name, mode, content = service.get("/cgi-bin/private/own.py").text.split(" ", 2)
        assert (mode, content) == ("700", "[]\n")
        assert Path(name) not in seen
        seen.add(Path(name))
        reply = service.ask(ListScripts())
        assert isinstance(reply, Scripts)
        return any(row.warm_runs for row in reply.rows if row.script.endswith("/own.py"))

    wait_until(is_warm, service.folder / "wwwroot", "a warm run")
    wait_until(lambda: not any(one.exists() for one in seen), service.folder / "wwwroot", "the end of the folders")


def test_a_page_whose_program_was_killed_does_not_look_complete(service: RunningService) -> None:
    """A short one becomes an error page; of one that has begun the last chunk never comes, and the connection ends."""
    assert service.get("/cgi-bin/short.sh").status == 502
    service.wait_for_event("cgi-failed", "short.sh", "SIGTERM")
    fifo = service.folder / "wwwroot/cut"
    os.mkfifo(fifo)
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/cut.sh HTTP/1.1\r\nHost: x\r\n\r\n")
        read_until(connection, b"begun\r\n")
        fifo.write_text("now\n")
        with contextlib.suppress(ConnectionResetError):
            assert connection.recv(100) == b""
    service.wait_for_event("cgi-failed", "cut.sh", "SIGKILL")


def test_no_process_of_a_script_outlives_its_worker(service: RunningService) -> None:
    """The worker is killed: the script, its child in a session of its own and the deaf orphan go, too."""
    pids = service.folder / "wwwroot/pids"
    with service.connect() as connection:
        connection.sendall(b"GET /cgi-bin/tree.sh HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: pids.exists() and pids.read_text().count("\n") == 3, pids.parent, "three processes")
        processes = [psutil.Process(int(pid)) for pid in pids.read_text().split()]
        titles = [title for title in service.titles() if "worker" in title or "inetinfo" in title]
        service.kill(service.pid_of(titles[0]))
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert not alive
