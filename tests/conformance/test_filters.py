"""Filters in a real service, under both process models: order, a connection's whole life, misbehaviour, raw data."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from host.admin.filter_messages import FilterRow, Filters, ListFilters
from tests.cli.command_line import isapy
from tests.running_service import RunningService, read_answer, running, wait_until
from tests.sample_site import write_site

MODES = ("workerprocess", "iis5")

WALKER = '''
"""Notes every notification of a connection in its context, and tells them when the connection ends."""
import os
from host.api import FilterInfo, FilterPriority, FilterStatus, HttpError, Notification, Response, hookimpl

NAME = "{name}"

@hookimpl
def load(context): globals()["plugin"] = context

@hookimpl
def filter_info(): return FilterInfo(priority=FilterPriority.{priority}, cache_aware={aware})

def note(context):
    context.connection_state = (context.connection_state or []) + [context.notification.name]

def seen(request, mark):
    request.context.setdefault("order", []).append(NAME + mark)
'''
HOOKS = {
    "on_preproc_headers": "request",
    "on_url_map": "request",
    "on_authentication": "request",
    "on_auth_complete": "request",
    "on_access_denied": "request",
    "on_send_response": "request",
    "on_send_raw_data": "request",
    "on_log": "request",
    "on_end_of_request": "request",
}
WALKER += "".join(
    f"""
@hookimpl
def {hook}({subject}, filter_context):
    note(filter_context)
    seen(request, ":{hook}")
"""
    for hook, subject in HOOKS.items()
)
WALKER += """
@hookimpl
def on_end_of_net_session(connection, filter_context):
    note(filter_context)
    order = " ".join(filter_context.connection_state)
    plugin.report_event("plugin-message", f"{NAME} {os.getpid()} {connection.number}: {order}.")
"""

TELLER = """
# The last to see a response: says in what order the others were called up to now.
from host.api import FilterInfo, FilterPriority, hookimpl

@hookimpl
def on_send_response(request, response):
    response.headers.set("X-Order", " ".join(request.context.get("order", [])))
"""

MISBEHAVES = '''
"""Does in the notification that the query names what it says there: ?hook=...&how=..."""
import asyncio
from host.api import FilterStatus, Response, hookimpl

def misbehave(name, subject, *further):
    request = subject
    if f"hook={name}&" not in request.raw_target + "&":
        return None
    how = request.raw_target.partition("how=")[2]
    match how:
        case "raises": raise LookupError(f"{name} does not work")
        case "exits": raise SystemExit(3)
        case "error": return FilterStatus.ERROR
        case "number": return 42
        case "text": return "text"
        case "read": return FilterStatus.READ_NEXT
        case "recurses": return misbehave(name, subject, *further)
        case "spoils":
            for value in further:
                for field in ("physical_path", "user", "data", "http_status", "headers"):
                    if hasattr(value, field):
                        setattr(value, field, object())

'''
ARGUMENTS = {
    "on_url_map": "request, url_map",
    "on_authentication": "request, credentials",
    "on_access_denied": "request, denial",
    "on_send_response": "request, response",
    "on_send_raw_data": "request, data",
    "on_log": "request, entry",
}
for hook in HOOKS:
    arguments = ARGUMENTS.get(hook, "request")
    MISBEHAVES += f"\n@hookimpl\ndef {hook}({arguments}): return misbehave('{hook}', {arguments})\n"

DENIED = """
from host.api import HandlerMapping, HttpError, hookimpl

@hookimpl
def handler_mappings(): return [HandlerMapping(name="Denied", path="*.denied")]

@hookimpl
async def handle(request): raise HttpError(401, 5, "not you")
"""

FRAMES = '''
"""Raw data: a byte of length before each request, which is parsed when it is whole; `!` ends the connection. Only
on connections that begin so."""
from host.api import FilterStatus, hookimpl

@hookimpl
def on_read_raw_data(connection, data, filter_context):
    if filter_context.connection_state is None:
        filter_context.connection_state = data.data[0] < ord("A")
    if not filter_context.connection_state:
        return None
    if data.data == b"!":
        filter_context.write_client(b"bye")
        return FilterStatus.FINISHED
    missing = data.data[0] + 1 - len(data.data)
    if missing > 0:
        filter_context.set_next_read_size(missing)
        return FilterStatus.READ_NEXT
    data.data = data.data[1:]
    return None

@hookimpl
def on_end_of_net_session(connection, filter_context):
    if filter_context.connection_state:
        plugin.report_event("plugin-message", f"frames ended {connection.number}.")

@hookimpl
def load(context): globals()["plugin"] = context
'''

FILTERS = """
<filter name="request_filtering" />
<filter name="low" />
<filter name="high" />
<filter name="frames" />
<filter name="misbehaves" />
"""
SITE_FILTERS = """\
<location path="Default Web Site">
    <system.webServer><isapiFilters><filter name="site" /><filter name="teller" /><filter name="siteraw" />
    <filter name="off" enabled="false" /></isapiFilters></system.webServer>
  </location>
</configuration>"""


ORDER = {
    "request_filtering": ("server", "HIGH", True),
    "high": ("server", "HIGH", True),
    "low": ("server", "LOW", True),
    "site": ("site", "HIGH", False),
    "teller": ("site", "LOW", False),
}
"""Those whose facts are looked at: scope, priority, whether they tolerate the cache."""


@pytest.fixture(scope="module", params=MODES)
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """With filters for the server and for the site, in a deliberately confusing order."""
    folder = tmp_path_factory.mktemp(request.param)
    config = write_site(folder)
    text = config.read_text().replace('<filter name="request_filtering" />', FILTERS)
    config.write_text(text.replace("</configuration>", SITE_FILTERS))
    for name, priority, aware in (("low", "LOW", True), ("high", "HIGH", True), ("site", "HIGH", False)):
        code = WALKER.replace("{name}", name).replace("{priority}", priority).replace("{aware}", str(aware))
        (folder / "filters" / f"{name}.py").write_text(code)
    others = {"teller": TELLER, "misbehaves": MISBEHAVES, "frames": FRAMES, "off": "raise SystemExit(1)"}
    others["siteraw"] = "from host.api import hookimpl\n@hookimpl\ndef on_read_raw_data(data): data.data = b''\n"
    for name, code in others.items():
        (folder / "filters" / f"{name}.py").write_text(code)
    (folder / "extensions" / "denied.py").write_text(DENIED)
    with running(folder, config, "--isolation", request.param) as started:
        yield started


def is_iis5(service: RunningService) -> bool:
    """Which mode this is."""
    return any(title == "inetinfo" for title in service.titles())


def test_server_wide_filters_see_each_notification_before_the_sites(service: RunningService) -> None:
    """By priority within each group: a site's high one stands behind the server's low one."""
    order = service.get("/a.where").headers["x-order"].split()
    notifications = ["on_preproc_headers", "on_url_map", "on_authentication", "on_auth_complete", "on_send_response"]
    assert order == [f"{name}:{hook}" for hook in notifications for name in ("high", "low", "site")]


def test_the_filters_of_a_site_are_listed_in_their_order(service: RunningService) -> None:
    """With scope, priority, notifications and what they mean for the cache; a disabled one is not there."""
    service.get("/a.where")

    def told() -> list[FilterRow]:
        reply = service.ask(ListFilters())
        assert isinstance(reply, Filters)
        return reply.rows

    rows = wait_until(told, service.folder, "the filters")
    assert [row.place for row in rows] == list(range(1, len(rows) + 1))
    assert {row.pool for row in rows} == {"inetinfo" if is_iis5(service) else "DefaultAppPool"}
    ours = [(row.name, row.scope, row.priority, row.tolerates_cache) for row in rows if row.name in ORDER]
    assert ours == [(name, *facts) for name, facts in ORDER.items()]
    states = {row.name: (row.state, row.detail) for row in rows}
    assert states["frames"][0] == ("loaded" if is_iis5(service) else "failed")
    assert states["siteraw"][0] == "failed"
    assert "off" not in states
    walker = next(row for row in rows if row.name == "high")
    assert set(walker.notifications) == {*HOOKS, "on_end_of_net_session"}
    listed = isapy("list", "filters", "--config", service.config, environment=service.environment)
    places = [listed.stdout.find(f" {name} ") for name in ORDER]
    assert places[0] > 0
    assert places == sorted(places), listed.stdout


def test_a_connection_is_walked_through_to_its_end_once(service: RunningService) -> None:
    """Two requests, a denied one among them, then END_OF_NET_SESSION in the process that served them."""
    with service.connect() as connection:
        pid = json.loads(service.get_on(connection, "/a.where").body)["pid"]
        assert service.get_on(connection, "/a.denied").status == 401
    walk = "PREPROC_HEADERS URL_MAP AUTHENTICATION AUTH_COMPLETE {}SEND_RESPONSE SEND_RAW_DATA LOG END_OF_REQUEST"
    whole = f"{walk.format('')} {walk.format('ACCESS_DENIED ')} END_OF_NET_SESSION."
    for name in ("high", "low", "site"):
        event = service.wait_for_event("plugin-message", name, whole)
        words = event.partition(f"{name} ")[2].split()
        assert is_iis5(service) or int(words[0]) == pid
        again = [line for line in service.events() if f"{name} {words[0]} {words[1]}" in line]
        assert len(again) == 1


def test_the_end_of_a_connection_whose_request_was_cut_is_told_behind_it(service: RunningService) -> None:
    """A client that leaves while its request is under way: END_OF_REQUEST first, then END_OF_NET_SESSION, each once."""
    with service.connect() as connection:
        connection.sendall(b"POST /cut.echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegun")
        answer = b""
        while not answer.endswith(b"begun\r\n"):
            answer += connection.recv(1000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    cut = "SEND_RESPONSE SEND_RAW_DATA END_OF_REQUEST END_OF_NET_SESSION."
    assert service.wait_for_event("plugin-message", "high ", cut).count("END_OF_REQUEST") == 1


BEFORE = ("on_preproc_headers", "on_url_map", "on_authentication", "on_auth_complete")
AFTER = ("on_log", "on_end_of_request")
HOWS = ("raises", "exits", "error", "number", "text", "read", "recurses", "spoils")
HAS_NOTHING_TO_SPOIL = ("on_preproc_headers", "on_auth_complete", "on_access_denied", "on_end_of_request")


@pytest.mark.parametrize("hook", HOOKS)
def test_a_misbehaving_filter_costs_its_request_and_is_named(service: RunningService, hook: str) -> None:
    """Whatever it does wrong: a 500 as long as there is no answer, an event with filter and notification in any case;
    the process and every other request go on."""
    pid = json.loads(service.get("/a.where").body)["pid"]
    path = "/a.denied" if hook == "on_access_denied" else "/a.where"
    for how in HOWS:
        if how == "spoils" and hook in HAS_NOTHING_TO_SPOIL:
            continue
        answer = service.get(f"{path}?hook={hook}&how={how}")
        assert answer.status == (200 if hook in AFTER else 500), (how, answer)
        if hook not in AFTER:
            assert "misbehaves" in answer.text, how
        service.wait_for_event("plugin-error", "misbehaves", hook, f"hook={hook}&how={how}")
        assert json.loads(service.get("/a.where").body)["pid"] == pid


def test_raw_data_filters_run_in_iis5_isolation_alone(service: RunningService) -> None:
    """Reading on until a request is whole, one byte at a time; an end of the filter's own; elsewhere refused as IIS
    does (event 2261), for a site in either mode."""
    service.get("/a.where")
    assert "siteraw" in service.wait_for_event("filter-refused", "siteraw")
    if not is_iis5(service):
        assert "IIS 5 isolation mode" in service.wait_for_event("filter-refused", "frames")
        with service.connect() as connection:
            connection.sendall(b"\x20GET /a.where HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_answer(connection).status == 400
        return
    request = b"GET /a.where HTTP/1.1\r\nHost: x\r\n\r\n"
    with service.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        framed = bytes([len(request)]) + request
        for at in range(len(framed)):
            connection.sendall(framed[at : at + 1])
        assert read_answer(connection).status == 200
        connection.sendall(framed)
        assert read_answer(connection).status == 200
        connection.sendall(b"!")
        assert connection.recv(100) == b"bye"
        assert connection.recv(100) == b""
    service.wait_for_event("plugin-message", "frames ended")
    with service.connect() as connection:  # bytes, but never a request: its end is told all the same
        before = sum("frames ended" in line for line in service.events())
        connection.sendall(b"\x20")
    service.wait_for_event("plugin-message", "frames ended", count=before + 1)
