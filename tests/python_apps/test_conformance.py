"""WSGI and ASGI as a client and an application see them, the same in both process models."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python_apps.site import (
    DATA,
    Application,
    PythonSite,
    first_line,
    leave_in_the_middle,
    send_chunked,
    wait_for_text,
)
from tests.running_service import RunningService, running

pytestmark = pytest.mark.slow

WSGI = DATA / "wsgi_probe" / "probe.py"
ASGI = DATA / "asgi_probe" / "probe_asgi.py"


def write_probes(folder: Path) -> Path:
    """A WSGI application at the root and below a folder of it, ASGI ones of both versions in other processes."""
    module = 'verb="*" modules="WsgiModule" scriptProcessor="probe:application"'
    api = f'<add name="Api" path="api/*" {module} />'
    single = f'<add name="Single" path="single/*" {module} threadingModel="Single" />'
    settings = 'disconnectTimeLimit="00:00:01"'
    return PythonSite(
        folder,
        [
            Application("/", "wsgi_probe", "probe:application", isolation="Low", further_handlers=api + single),
            Application(
                "/asgi", "asgi_probe", "probe_asgi:app", "AsgiModule", "Asgi", isolation="Medium", settings=settings
            ),
            Application("/old", "asgi_probe", "probe_asgi:old_style", "AsgiModule", "Old", isolation="High"),
        ],
    ).write()


@pytest.fixture(scope="module", params=["workerprocess", "iis5"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(request.param)
    with running(folder, write_probes(folder), "--isolation", request.param) as started:
        yield started


@pytest.fixture(params=["", "/single"])
def base(request: pytest.FixtureRequest) -> str:
    """Where the WSGI application is mounted: on threads, and on the main thread."""
    path: str = request.param
    return path


# --- WSGI


def test_environ_says_where_the_application_is_mounted(service: RunningService) -> None:
    """SCRIPT_NAME and PATH_INFO at the root and below a folder; the rest of PEP 3333's and the gateway's names."""
    environ = json.loads(service.get("/environ/h%C3%A9%2Fb?a=1&b=%20", {"X-Some": "field", "x_bad": "1"}).body)
    assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("", "/environ/h\u00c3\u00a9/b")
    assert (environ["QUERY_STRING"], environ["REQUEST_METHOD"]) == ("a=1&b=%20", "GET")
    assert environ["REQUEST_URI"] == "/environ/h%C3%A9%2Fb?a=1&b=%20"
    assert (environ["HTTP_X_SOME"], environ["wsgi.url_scheme"]) == ("field", "http")
    assert (environ["SERVER_PORT"], environ["SERVER_NAME"]) == (str(service.port), "127.0.0.1")
    assert (environ["REMOTE_ADDR"], environ["SERVER_PROTOCOL"]) == ("127.0.0.1", "HTTP/1.1")
    assert (environ["wsgi.multithread"], environ["wsgi.multiprocess"], environ["wsgi.run_once"]) == (True, True, False)
    assert environ["APPL_MD_PATH"] == "/LM/W3SVC/1/ROOT"
    assert "HTTP_X_BAD" not in environ
    assert environ["cwd"] == str(service.folder / "root")
    api = json.loads(service.get("/api/environ/7").body)
    assert (api["SCRIPT_NAME"], api["PATH_INFO"]) == ("/api", "/environ/7")


def test_wsgi_input_is_streamed_and_ends_where_the_body_ends(service: RunningService, base: str) -> None:
    """Bodies of a known length and chunked ones, read whole and by lines."""
    body = os.urandom(3_000_000)
    assert service.get(f"{base}/echo", method="POST", body=body).body == body
    assert send_chunked(service, f"{base}/echo", [body[:10], body[10:2_000_000], body[2_000_000:]]) == (200, body)
    answer = service.get(f"{base}/lines", method="POST", body=b"one\ntwo three\nfour\nfive")
    assert json.loads(answer.body) == ["one\n", "two", " t", "hree\n", "four\n", "five"]


def test_a_wsgi_stream_arrives_as_it_is_made_and_stays_on_one_thread(service: RunningService) -> None:
    """The first piece is here while the second is not made; close() is called on the same thread."""
    with service.connect() as connection:
        response, line = first_line(connection, "/stream")
        assert (response.status, line) == (200, b"first\n")
        assert service.get("/release").text == "released"
        assert response.read() == b"second\n"
    wait_for_text(service, "/closed", "[1")


def test_a_piece_made_on_the_main_thread_has_left_before_the_next_is_made(service: RunningService) -> None:
    """Although nothing else is done while it is made (PEP 3333: a block is sent, or on its way, before the next)."""
    fifo = service.folder / "root" / "released.fifo"
    os.mkfifo(fifo)
    with service.connect() as connection:
        response, line = first_line(connection, "/single/stream-to-the-end")
        assert (response.status, line) == (200, b"first\n")
        with fifo.open("w"):
            pass
        assert response.read() == b"second\n"
    assert json.loads(service.get("/single/closed").body)[-1] == 1


def test_where_a_call_is_made_is_the_mappings_choice(service: RunningService) -> None:
    """Single: on the main thread, unless its body is still to come; no loop is to be seen, as frameworks demand."""

    def where(path: str, body: bytes = b"") -> object:
        return json.loads(service.get(path, method="POST" if body else "GET", body=body or None).body)

    assert where("/where") == [False, "a loop of its own"]
    assert where("/single/where") == where("/single/where", b"short") == [True, "a loop of its own"]
    with service.connect() as connection:
        connection.sendall(
            b"POST /single/where HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 100 ")  # the application reads
        connection.sendall(b"some")
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert json.loads(response.read()) == [False, "a loop of its own"]


def test_a_client_that_leaves_closes_the_iterable(service: RunningService, base: str) -> None:
    """An endless body under flow control ends, with a call of close() on its thread."""
    before = len(json.loads(service.get(f"{base}/closed").body))
    leave_in_the_middle(service, f"{base}/endless")
    closed = json.loads(wait_for_text(service, f"{base}/closed", ", ".join(["1"] * (before + 1))))
    assert set(closed) == {1}


def test_start_response_write_and_exc_info(service: RunningService, base: str) -> None:
    """write() before the returned pieces; a reason of its own; a head that is replaced in time."""
    answer = service.get(f"{base}/write")
    assert (answer.status, answer.text) == (201, "written and returned")
    answer = service.get(f"{base}/exc-info")
    assert (answer.status, answer.text, "x-old" in answer.headers) == (503, "the page of an error", False)


def test_wsgi_file_wrapper_sends_files_from_where_they_stand(service: RunningService, base: str) -> None:
    """A real file goes by descriptor, another object in blocks; HEAD has the length and no body."""
    expected = WSGI.read_bytes()[4:]
    answer = service.get(f"{base}/file")
    assert (answer.body, answer.headers["content-length"]) == (expected, str(len(expected)))
    head = service.get(f"{base}/file", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(expected)))
    assert service.get(f"{base}/memory-file").body == b"x" * 100_000


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/error-before", "RuntimeError: before the head"),
        ("/no-start", "without a call of start_response"),
        ("/text-body", "a piece of the body is no bytes"),
        ("/exit", "SystemExit"),
        ("/interrupt", "KeyboardInterrupt"),
        ("/numbers", "the application returned bytes"),
    ],
)
def test_a_wsgi_failure_is_a_page_and_an_event(service: RunningService, base: str, path: str, cause: str) -> None:
    """500.0 with the cause for a local client, the traceback in the event log; the worker lives on."""
    answer = service.get(base + path)
    assert (answer.status, cause in answer.text) == (500, True), answer.text
    service.wait_for_event("plugin-error", cause)
    assert service.get(f"{base}/environ").status == 200


@pytest.mark.parametrize("query", ["", "?length"])
def test_a_failure_behind_the_answer_is_an_event_only(service: RunningService, base: str, query: str) -> None:
    """Whatever close() raises: the client has its answer, as behind every other server."""
    assert service.get(f"{base}/close-fails{query}").text == "whole"
    service.wait_for_event("plugin-error", "close() behind the answer raised LookupError: too late")
    assert service.get(f"{base}/environ").status == 200


def test_a_wsgi_failure_in_the_middle_cuts_the_connection(service: RunningService, base: str) -> None:
    """Nothing that is not complete looks complete."""
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        service.get(f"{base}/error-after")
    service.wait_for_event("plugin-error", "after the head", "probe.py")


def test_wsgi_errors_are_events_of_the_request(service: RunningService, base: str) -> None:
    """A line without its end, too."""
    assert service.get(f"{base}/complain").text == "complained"
    service.wait_for_event("application-output", "request ", "something is odd")
    service.wait_for_event("application-output", "no line end")


def test_wsgirefs_validator_has_nothing_to_say(service: RunningService, base: str) -> None:
    """Both what the server hands in and what it does with the answer."""
    assert service.get(f"{base}/validated").text == "nothing"
    assert service.get(f"{base}/validated", method="POST", body=b"some").text == "some"
    assert service.get(f"{base}/validated/pieces?x").text == "one two"
    head = service.get(f"{base}/validated", method="HEAD")
    assert (head.status, head.body) == (200, b"")


# --- ASGI


def test_scope_says_what_the_specification_says(service: RunningService) -> None:
    """Paths, fields, addresses, state of the lifespan (a copy for each request), extensions."""
    for _ in range(2):
        scope = json.loads(service.get("/asgi/scope/h%C3%A9%2Fb?a=%20", {"X-Some": "Field"}).body)
        assert (scope["type"], scope["method"], scope["scheme"], scope["http_version"]) == (
            "http",
            "GET",
            "http",
            "1.1",
        )
        assert (scope["root_path"], scope["path"]) == ("/asgi", "/asgi/scope/h\u00e9/b")
        assert (scope["raw_path"], scope["query_string"]) == ("/asgi/scope/h%C3%A9%2Fb", "a=%20")
        assert ["x-some", "Field"] in scope["headers"]
        assert (scope["client"][0], scope["server"]) == ("127.0.0.1", ["127.0.0.1", service.port])
        assert scope["asgi"] == {"version": "3.0", "spec_version": "2.4"}
        assert (scope["state"], scope["extensions"]) == ({"greeting": "hello"}, {"http.response.pathsend": {}})
        assert scope["cwd"] == str(service.folder / "asgi")
    assert json.loads(service.get("/asgi/seen").body)["lifespan"] == ["lifespan.startup"]


def test_asgi_bodies_flow_both_ways(service: RunningService) -> None:
    """Large bodies of a known length, chunked ones, streams that arrive as they are made."""
    body = os.urandom(3_000_000)
    assert service.get("/asgi/echo", method="POST", body=body).body == body
    assert send_chunked(service, "/asgi/echo", [body[:10], body[10:]]) == (200, body)
    with service.connect() as connection:
        response, line = first_line(connection, "/asgi/stream")
        assert (response.status, line) == (200, b"first\n")
        assert service.get("/asgi/release").text == "released"
        assert response.read() == b"second\n"


def test_an_asgi_application_hears_of_a_client_that_leaves(service: RunningService) -> None:
    """`send` raises an OSError and `receive` gives http.disconnect; who does not listen is cancelled a while later."""
    leave_in_the_middle(service, "/asgi/endless")
    seen = json.loads(wait_for_text(service, "/asgi/seen", '"late_sends": ["OSError"'))
    assert "http.disconnect" in seen["disconnects"]
    leave_in_the_middle(service, "/asgi/stubborn")
    wait_for_text(service, "/asgi/seen", '"cancelled"')


def test_background_work_goes_on_after_the_response(service: RunningService) -> None:
    """It is told http.disconnect, is not cancelled, and its context variables are its own."""
    before = json.loads(service.get("/asgi/seen").body)["background"]
    assert service.get("/asgi/background").text == "answered"
    assert service.get("/asgi/promised").text == "whole"
    wait_for_text(service, "/asgi/seen", f'"background": {before + 101}')
    assert service.get("/asgi/variable").text == "unset"


def test_a_request_is_a_task_from_its_first_step(service: RunningService) -> None:
    """The current task is the same before and after the first wait; timeouts, groups and context variables work."""
    notes = json.loads(service.get("/asgi/task").body)
    assert notes == [True, True, "timed out", True, True, "unset"]


@pytest.mark.parametrize("path", ["/asgi/scope", "/environ"])
def test_requests_of_one_connection_have_their_own_fields(service: RunningService, path: str) -> None:
    """What is remembered of a connection is no more than what its next request says again."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=90)
    try:
        for value in ("one", "one", "two", ""):
            connection.request("GET", path, headers={"X-Some": value, "X-Other": "same"} if value else {})
            shown = json.loads(connection.getresponse().read())
            if path == "/environ":
                assert (shown.get("HTTP_X_SOME", ""), shown.get("HTTP_X_OTHER")) == (value, "same" if value else None)
            else:
                assert [text for name, text in shown["headers"] if name == "x-some"] == ([value] if value else [])
    finally:
        connection.close()


def test_asgi_files_go_by_descriptor(service: RunningService) -> None:
    """http.response.pathsend; HEAD sends the length alone."""
    assert service.get("/asgi/path-send").body == ASGI.read_bytes()
    head = service.get("/asgi/path-send", method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(ASGI.stat().st_size))
    assert service.get("/asgi/echo", method="HEAD").status == 200


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/asgi/error-before", "RuntimeError: before the head"),
        ("/asgi/no-answer", "returned without a response"),
        ("/asgi/exit", "sys.exit(3)"),
        ("/asgi/interrupt", "raised KeyboardInterrupt"),
        ("/asgi/twice", "http.response.start was sent twice"),
    ],
)
def test_an_asgi_failure_is_a_page_and_an_event(service: RunningService, path: str, cause: str) -> None:
    """500.0 with the cause for a local client, the traceback in the event log; the worker lives on."""
    answer = service.get(path)
    assert (answer.status, cause in answer.text) == (500, True), answer.text
    service.wait_for_event("plugin-error", cause)
    assert service.get("/asgi/variable").status == 200


def test_an_asgi_failure_in_the_middle_cuts_the_connection(service: RunningService) -> None:
    """Nothing that is not complete looks complete."""
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        service.get("/asgi/error-after")
    service.wait_for_event("plugin-error", "after the head", "probe_asgi.py")


def test_a_websocket_is_refused_and_asgi_2_is_served(service: RunningService) -> None:
    """501.0 with the reason instead of a page that the application would make of it."""
    answer = service.get("/asgi/scope", {"Upgrade": "websocket", "Connection": "Upgrade"})
    assert (answer.status, "WebSocket" in answer.text) == (501, True)
    assert service.get("/old/anything").text == "ASGI 2"
