"""How requests end, under both process models: what a refusal skips, how connections close, what the log and the cache
are told."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator

import pytest

from tests.conformance.test_filters import is_iis5
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_site

MODES = ("workerprocess", "iis5")
PLACES = ("", "/shop", "/shop/deep")
"""The applications of Low, High and Medium isolation; three pools in worker isolation."""

FILTER = '''
"""Says of each response which events it has met, and changes the log line when it is asked to."""
from host.api import FilterInfo, Response, hookimpl

@hookimpl
def filter_info(): return FilterInfo(cache_aware=True)

@hookimpl
def pre_request_handler_execute(request): request.context["met"] = ["pre"]

@hookimpl
def post_request_handler_execute(request, response): request.context["met"].append("post")

@hookimpl
def on_access_denied(request, denial):
    if request.raw_query == "how=said": return Response.text("said by the filter", status=401)

@hookimpl
def on_send_response(request, response):
    if request.raw_query == "how=endless": return Response.text("something else")
    if "how=" in request.raw_query:
        response.headers.set("X-Met", " ".join(request.context.get("met", ["nothing"])))

@hookimpl
def on_log(request, entry):
    if request.raw_query == "how=logged":
        entry.client_host_name, entry.client_user_name, entry.server_name = "client", "some one", "server"
        entry.operation, entry.target, entry.parameters = "LOOK", "/elsewhere", "a=b"
        entry.http_status, entry.win32_status = 299, 1234
'''

EXTENSION = """
from host.api import HandlerMapping, HttpError, Response, hookimpl

@hookimpl
def load(context): globals()["plugin"] = context

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Ends", path="*.ends")]

class Endless:
    def __init__(self, path): self.path = path
    def __aiter__(self): return self
    async def __anext__(self): return b"x" * 65536
    async def aclose(self): plugin.report_event("plugin-message", f"given up: {self.path}")

@hookimpl
async def handle(request):
    match request.raw_query.removeprefix("how="):
        case "refuses": raise HttpError(403, 6, "not from there", headers={"X-Own": "kept"})
        case "raises": raise LookupError("nothing there")
        case "said": raise HttpError(401, 5, "not you")
        case "empty": return Response(status=404)
        case "page": return Response.text("own page", status=404)
        case "endless": return Response(body=Endless(request.path))
        case "reset": return Response(body=b"y" * 300_000, close_connection=True, abortive_close=True)
        case "reset-nph":
            return Response(raw=True, body=b"HTTP/1.1 200 OK\\r\\nContent-Length: 1\\r\\n\\r\\nz", abortive_close=True)
    return Response.text("fine")
"""

VECTOR = """
from host.api import HandlerMapping, hookimpl
from host.api.isapi import *

calls = []

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Vector", path="*.vector")]

@hookimpl
def http_extension_proc(ecb):
    calls.append(ecb)
    flags = HSE_IO_SYNC | HSE_IO_SEND_HEADERS | HSE_IO_FINAL_SEND | HSE_IO_CACHE_RESPONSE
    if "plain" in ecb.path_info: flags &= ~HSE_IO_CACHE_RESPONSE
    if "abort" in ecb.path_info: ecb.abortive_close()
    ecb.vector_send([VectorElement(f"call {len(calls)}".encode())], status="200 OK",
                    headers="Content-Type: text/plain\\r\\n\\r\\n", flags=flags)
    return HSE_STATUS_SUCCESS
"""

UNHEALTHY = """
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def load(context): globals()["plugin"] = context

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Unhealthy", path="*.unhealthy")]

@hookimpl
async def handle(request):
    plugin.report_unhealthy(f"sick at {request.path}")
    return Response.text("said")
"""

VANDAL = '''
"""Writes what no frame is to every unix stream socket of its process."""
import os, socket
from host.api import HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Vandal", path="*.vandal")]

@hookimpl
def handle(request):
    for name in os.listdir("/proc/self/fd"):
        try:
            one = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue
        with one:
            if (one.family, one.type) == (socket.AF_UNIX, socket.SOCK_STREAM):
                one.send(bytes(9), socket.MSG_DONTWAIT)
    return Response.text("done")
'''


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp(request.param)
    config = write_site(folder)
    listed = '<filter name="request_filtering" enableCache="true" /><filter name="ends" enableCache="true" />'
    text = config.read_text().replace('<filter name="request_filtering" />', listed)
    config.write_text(text.replace('<filter name="marker" />', ""))
    (folder / "filters" / "ends.py").write_text(FILTER)
    for name, code in {"ends": EXTENSION, "vector": VECTOR, "unhealthy": UNHEALTHY, "vandal": VANDAL}.items():
        (folder / "extensions" / f"{name}.py").write_text(code)
    with running(folder, config, "--isolation", request.param) as started:
        yield started


@pytest.mark.parametrize("place", PLACES)
def test_a_refusal_skips_what_follows_the_handler_and_a_response_does_not(service: RunningService, place: str) -> None:
    """IIS: an error jumps to the end of the request; a handler that answers 404 has answered. Wherever it runs."""
    for how, status, met in (
        ("well", 200, "pre post"),
        ("refuses", 403, "pre"),
        ("raises", 500, "pre"),
        ("empty", 404, "pre post"),
        ("page", 404, "pre post"),
    ):
        answer = service.get(f"{place}/x.ends?how={how}")
        assert (answer.status, answer.headers["x-met"]) == (status, met), how
    refused = service.get(f"{place}/x.ends?how=refuses")
    assert refused.headers["x-own"] == "kept"
    assert "403.6" in refused.text
    assert "not from there" in refused.text
    assert "nothing there" in service.get(f"{place}/x.ends?how=raises").text
    assert service.site_log(f"{place}/x.ends how=refuses", " 403 6 ")


@pytest.mark.parametrize("place", PLACES)
def test_a_filter_hears_of_a_401_wherever_the_handler_runs(service: RunningService, place: str) -> None:
    """on_access_denied, and its answer goes out instead of the page."""
    answer = service.get(f"{place}/x.ends?how=said")
    assert (answer.status, answer.text) == (401, "said by the filter")


@pytest.mark.parametrize("place", PLACES)
def test_an_answer_that_a_filter_replaces_is_given_up_where_it_comes_from(service: RunningService, place: str) -> None:
    """Also in a dllhost, before its first piece was taken: its handler must not wait for a window for ever."""
    assert service.get(f"{place}/x.ends?how=endless").text == "something else"
    service.wait_for_event("plugin-message", f"given up: {place}/x.ends")


@pytest.mark.parametrize("place", PLACES)
def test_an_abortive_close_resets_the_connection_behind_the_whole_answer(service: RunningService, place: str) -> None:
    """HSE_REQ_ABORTIVE_CLOSE and Response.abortive_close: the client has every byte, then ECONNRESET, not an end."""
    urls = {"/x.ends?how=reset": b"y" * 300_000, "/x.ends?how=reset-nph": b"z", "/abort.vector": b"call"}
    for url, body in urls.items():
        with service.connect() as connection:
            connection.sendall(f"GET {place}{url} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert read_answer(connection).body.startswith(body), url
            with pytest.raises(ConnectionResetError) as raised:
                connection.recv(1)
            assert raised.value.errno == errno.ECONNRESET


def test_a_vector_that_may_be_cached_is_answered_by_the_listener(service: RunningService) -> None:
    """HSE_IO_CACHE_RESPONSE: until its worker ends; without the flag each request is a call."""
    first = service.get("/kept.vector").text
    assert {service.get("/kept.vector", {"Cookie": "a=b"}).text for _ in range(3)} == {first}
    assert len({service.get("/plain.vector").text for _ in range(3)}) == 3
    hopped = {service.get("/shop/kept.vector").text for _ in range(3)}
    assert len(hopped) == (3 if is_iis5(service) else 1)


@pytest.mark.parametrize("place", PLACES)
def test_a_filter_decides_what_the_log_line_says(service: RunningService, place: str) -> None:
    """HTTP_FILTER_LOG: six texts and two statuses; the client's own status stays what it was."""
    assert service.get(f"{place}/x.ends?how=logged").status == 200
    (line, *_) = service.site_log("/elsewhere a=b", count=1 + PLACES.index(place))[::-1]
    words = line.split()
    assert {"client", "some+one", "server", "LOOK", "/elsewhere", "a=b", "299", "1234"} <= set(words), line
    assert not any("how=logged" in text for text in service.log_lines("W3SVC*/*.log"))


def test_a_process_whose_link_is_broken_ends_and_another_one_serves(service: RunningService) -> None:
    """Inetinfo has a link to itself: without it nothing can be answered, so it must not live on."""
    process = json.loads(service.get("/a.where").body)["pid"]
    with service.connect() as connection:
        connection.sendall(b"GET /x.vandal HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(1000)  # an answer, a refusal or an end: who knows what comes first
    service.wait_for_event("front-broken-link")
    wait_until(lambda: not os.path.exists(f"/proc/{process}"), service.logs, f"the end of {process}")
    assert service.get("/x.ends").text == "fine"


def test_a_process_that_reports_itself_unhealthy_is_told_of(service: RunningService) -> None:
    """A pool recycles its worker; IIS 5 has no such policy, and the operator reads it in the event log."""
    for place in PLACES:
        assert service.get(f"{place}/x.unhealthy").text == "said"
        kind = "plugin-warning" if is_iis5(service) else "recycle-unhealthy"
        service.wait_for_event(kind, f"sick at {place}/x.unhealthy")
