"""One suite for every kind of handler, under both process models: what a client sees must not depend on the contract
that a program was written for.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from host.admin.commands import ListRequests, Requests
from tests.conformance.handlers import all_kinds
from tests.conformance.handlers.kind import HandlerKind
from tests.conformance.handlers.site import write_handlers_site
from tests.running_service import WAIT_SECONDS, RunningService, running, wait_until

MODES = ("workerprocess", "iis5")
KINDS = all_kinds()
STREAMING = [kind for kind in KINDS if kind.streams]
MEGABYTE = 1024 * 1024
LARGE = 20 * MEGABYTE
PATTERN = bytes(range(256)) * (LARGE // 256)
CUT = (http.client.IncompleteRead, ConnectionResetError)
numbers = itertools.count(1)


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """One service with the applications of all kinds; in IIS 5 mode in a dllhost, the most distant place."""
    folder = tmp_path_factory.mktemp(request.param) / "site"
    environment = {name: value for kind in KINDS for name, value in kind.environment.items()}
    config = write_handlers_site(folder, KINDS)
    with ExitStack() as servers:
        for kind in KINDS:
            if kind.server:
                servers.enter_context(beside(folder / kind.server))
        with running(folder, config, "--isolation", request.param, environment=environment) as started:
            yield started


@contextmanager
def beside(program: Path) -> Iterator[None]:
    """A server of a kind's own."""
    ends_with_us = ("setpriv", "--pdeathsig", "TERM")  # also when pytest is killed
    with subprocess.Popen([*ends_with_us, sys.executable, str(program)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == b"listening\n"
            yield
        finally:
            process.terminate()
            process.wait(WAIT_SECONDS)


def every(kinds: list[HandlerKind]) -> pytest.MarkDecorator:
    """The test runs for each of them."""
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


def url(kind: HandlerKind, action: str, tail: str = "", **query: Any) -> str:
    """Where the kind's application does that; each URL is another one, so that logs and rows can be told apart."""
    return f"{kind.url}{tail}?{urlencode({'action': action, 'number': next(numbers), **query})}"


@contextmanager
def stream(
    service: RunningService, target: str, fields: dict[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """A response whose body has still to be read; its connection is closed in the end."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=WAIT_SECONDS)
    try:
        connection.request("GET", target, headers=fields or {})
        yield connection.getresponse()
    finally:
        connection.close()


def in_hand(service: RunningService, target: str) -> bool:
    """Whether the server still works on that request."""
    reply = service.ask(ListRequests())
    assert isinstance(reply, Requests)
    return any(row.url == target for row in reply.rows)


@every(KINDS)
def test_what_an_application_is_told(service: RunningService, kind: HandlerKind) -> None:
    """Method, script, path behind it (decoded, whatever letters it has), query as it came, header fields."""
    target = url(kind, "facts", "/tail/%C3%BC%20%E2%82%AC/", note="a b")
    facts = json.loads(service.get(target, {"X-Own": "1, 2"}, method="DELETE").body)
    assert facts["method"] == "DELETE"
    assert (facts["script_name"], facts["path_info"]) == (kind.url, "/tail/ü €/")
    assert facts["query"] == target.partition("?")[2]
    assert facts["fields"] == {"x-own": "1, 2"}
    assert json.loads(service.get(url(kind, "facts")).body)["path_info"] == ""


@every(KINDS)
def test_head_has_the_fields_and_no_body(service: RunningService, kind: HandlerKind) -> None:
    """And the connection is good for the next request."""
    target = url(kind, "down", size=1000)
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=WAIT_SECONDS)
    seen = []
    for method in ("GET", "HEAD", "GET"):
        connection.request(method, target)
        response = connection.getresponse()
        seen.append((response.status, response.headers["Content-Type"], response.headers["Content-Length"]))
        assert response.read() == (b"" if method == "HEAD" else PATTERN[:1000])
    connection.close()
    assert len(set(seen)) == 1, seen


@every(STREAMING)
def test_a_piece_arrives_before_the_next_one_is_made(
    service: RunningService, kind: HandlerKind, tmp_path: Path
) -> None:
    """The application goes on only after the client has seen the first piece; three at the same time."""
    until = tmp_path / "seen"
    target = url(kind, "stream", until=until)
    with stream(service, target) as first, stream(service, target) as second, stream(service, target) as third:
        for response in (first, second, third):
            assert (response.status, response.readline()) == (200, b"one\n")
        until.touch()
        for response in (first, second, third):
            assert response.read() == b"two\n"


@every([kind for kind in STREAMING if kind.reads_while_it_comes])
def test_a_body_is_read_while_it_comes(service: RunningService, kind: HandlerKind) -> None:
    """Half of it comes back before the other half is sent (what a pipe holds may be collected first)."""
    first, second = PATTERN[:100_000], PATTERN[100_000:200_000]
    with service.connect() as connection:
        head = f"POST {url(kind, 'echo')} HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + first)
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        assert (response.status, response.read(len(first))) == (200, first)
        connection.sendall(second)
        assert response.read() == second
        response.close()


@every(KINDS)
def test_a_large_body_arrives_whole(service: RunningService, kind: HandlerKind) -> None:
    """20 MB with a length, 3 MB in chunks; and one that nobody reads."""
    wanted = {"sha256": hashlib.sha256(PATTERN).hexdigest(), "length": LARGE}
    assert json.loads(service.get(url(kind, "digest"), method="POST", body=PATTERN).body) == wanted
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=WAIT_SECONDS)
    chunks = [PATTERN[:MEGABYTE]] * 3
    connection.request("POST", url(kind, "digest"), body=iter(chunks))
    told = json.loads(connection.getresponse().read())
    connection.close()
    assert told == {"sha256": hashlib.sha256(b"".join(chunks)).hexdigest(), "length": 3 * MEGABYTE}
    assert service.get(url(kind, "ignore"), method="POST", body=PATTERN[: 5 * MEGABYTE]).text == "ignored\n"


@every(KINDS)
def test_a_large_answer_arrives_whole(service: RunningService, kind: HandlerKind) -> None:
    """20 MB with a length, 20 MB without, and for a client of HTTP/1.0, which knows no chunks."""
    assert service.get(url(kind, "down", size=LARGE)).body == PATTERN
    assert service.get(url(kind, "down", size=LARGE, chunked=1)).body == PATTERN
    with service.connect() as connection:
        connection.sendall(f"GET {url(kind, 'down', size=100_000, chunked=1)} HTTP/1.0\r\n\r\n".encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
    assert body == PATTERN[:100_000]
    assert b"transfer-encoding" not in head.lower()


@every(KINDS)
def test_a_slow_client_holds_nobody_up(service: RunningService, kind: HandlerKind) -> None:
    """It asks for 20 MB and reads none of them while others are served; then all of them."""
    with stream(service, url(kind, "down", size=LARGE)) as slow:
        for _ in range(3):
            assert service.get(url(kind, "empty")).status == 200
        assert hashlib.sha256(slow.read()).digest() == hashlib.sha256(PATTERN).digest()


@every(STREAMING)
def test_a_client_that_leaves_ends_an_endless_answer(service: RunningService, kind: HandlerKind) -> None:
    """The server is done with the request soon; the application serves on."""
    target = url(kind, "endless")
    with stream(service, target) as response:
        assert response.read(100) == PATTERN[:100]
        assert in_hand(service, target)
    wait_until(lambda: not in_hand(service, target), service.folder, f"the end of {target}")
    assert service.get(url(kind, "empty")).status == 200


@every([kind for kind in STREAMING if kind.notices_silent_client])
def test_a_client_that_leaves_a_silent_application_cancels_it(service: RunningService, kind: HandlerKind) -> None:
    """While nothing is read or written: the request is cancelled all the same."""
    target = url(kind, "silent")
    with stream(service, target) as response:
        assert response.readline() == b"begun\n"
    wait_until(lambda: not in_hand(service, target), service.folder, f"the end of {target}")


@every(KINDS)
def test_a_failure_before_the_response_is_a_page_and_an_event(service: RunningService, kind: HandlerKind) -> None:
    """Status and substatus in page and log; the event says what was raised, for which request."""
    target = url(kind, "error")
    answer = service.get(target)
    assert (answer.status, f"{kind.error[0]}.{kind.error[1]}" in answer.text) == (kind.error[0], True), answer.text
    number = target.rpartition("=")[2]
    assert service.site_log(f" {kind.url} ", f"number={number} ", f" {kind.error[0]} {kind.error[1]} ")
    if kind.error_event:
        service.wait_for_event(kind.error_event, kind.url)
    assert service.get(url(kind, "empty")).status == 200


@every(STREAMING)
def test_a_failure_behind_the_beginning_cuts_the_answer(
    service: RunningService, kind: HandlerKind, tmp_path: Path
) -> None:
    """A part is never taken for the whole."""
    until = tmp_path / "seen"
    with stream(service, url(kind, "error_after", until=until)) as response:
        assert (response.status, response.readline()) == (200, b"begun\n")
        until.touch()
        with pytest.raises(CUT):
            response.read()
    assert service.get(url(kind, "empty")).status == 200


@every(KINDS)
def test_statuses_pass_as_they_are(service: RunningService, kind: HandlerKind) -> None:
    """With their bodies, or without where there is none; all on one connection."""
    with service.connect() as connection:
        for code in (200, 201, 204, 304, 404, 418, 503):
            connection.sendall(f"GET {url(kind, 'status', code=code)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            response = http.client.HTTPResponse(connection, method="GET")
            response.begin()
            body = b"" if code in (204, 304) else b"status %d\n" % code
            assert (response.status, response.read()) == (code, body)


@every(KINDS)
def test_many_fields_pass_both_ways(service: RunningService, kind: HandlerKind) -> None:
    """40 of the request, 60 of the response, repeated ones in order."""
    with stream(service, url(kind, "fields", count=60), {f"X-In-{n}": "v" * 40 for n in range(40)}) as response:
        fields = response.getheaders()
        assert response.read() == b"40"
    assert [value for name, value in fields if name.lower() == "set-cookie"] == ["a=1", "b=2"]
    assert sum(name.lower().startswith("x-out-") for name, _ in fields) == 60


@every(KINDS)
def test_empty_answers_follow_each_other_on_one_connection(service: RunningService, kind: HandlerKind) -> None:
    """Nothing of one is taken for the next one's."""
    with service.connect() as connection:
        for _ in range(4):
            answer = service.get_on(connection, url(kind, "empty"))
            assert (answer.status, answer.body) == (200, b"")
