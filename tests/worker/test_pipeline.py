"""The stages of a request: their order, who may answer, and what happens when something goes wrong."""

from __future__ import annotations

import base64
import gc
import signal
from collections.abc import Iterator

import pytest

from host.wire.frames import Kind, ResponseFlag
from tests.worker.front import run, until
from tests.worker.site import Site

HELLO = """
@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Hello", path="*.hello")]

@hookimpl
async def handle(request):
    return Response.text(f"{request.method} {request.path} {request.user} {request.path_info}")
"""

EVERY_FILTER_HOOK = """
import contextlib
order = []

@hookimpl
def on_preproc_headers(request): order.append("on_preproc_headers")
@hookimpl
def on_url_map(request, url_map): order.append("on_url_map")
@hookimpl
def on_authentication(request, credentials): order.append("on_authentication")
@hookimpl
def on_auth_complete(request): order.append("on_auth_complete")
@hookimpl
def on_send_response(request, response): order.append("on_send_response")
@hookimpl
def on_send_raw_data(request, data): order.append("on_send_raw_data")
@hookimpl
def on_log(request, entry): order.append("on_log")
@hookimpl
def on_end_of_request(request):
    order.append("on_end_of_request")
    contexts[0].report_event("plugin-warning", " ".join(order))
contexts = []
@hookimpl
def load(context): contexts.append(context)
"""

EVERY_MODULE_HOOK = "\n".join(
    f"@hookimpl\ndef {name}(request): order.append('{name}')"
    for name in (  # noqa: SIM905
        "begin_request post_begin_request authenticate_request post_authenticate_request authorize_request "
        "post_authorize_request resolve_request_cache post_resolve_request_cache map_request_handler "
        "post_map_request_handler acquire_request_state post_acquire_request_state pre_request_handler_execute "
        "post_request_handler_execute release_request_state post_release_request_state update_request_cache "
        "post_update_request_cache log_request post_log_request end_request"
    ).split()
)


def test_a_path_of_too_many_segments_is_404_20(site: Site) -> None:
    """`limits/@maxUrlSegments` of the site, with the page that the path's configuration has for it; 0: no limit."""
    site.extension("hello", HELLO)
    site.further = """<httpErrors errorMode="Custom"><error statusCode="404" subStatusCode="20" path="/deep.hello"
        responseMode="ExecuteURL" /></httpErrors>"""

    async def status(target: str) -> tuple[int, str]:
        answer = await (await site.serve()).ask(target)
        return answer.status, answer.text

    site.limits = 'maxUrlSegments="3"'
    assert run(status("/a//b/./c.hello"))[0] == 200
    assert run(status("/a/b/../c/d.hello"))[0] == 200
    for target in ("/a/b/c/d.hello", "/a/b/c/d.hello/", "/a/%62/c%2fd.hello"):
        assert run(status(target)) == (404, "GET /deep.hello  ")
    for limits in ('maxUrlSegments="0"', ""):
        site.limits = limits
        assert run(status("/a/b/c/d.hello"))[0] == 200
    assert run(status("/a" * 32 + "/d.hello"))[0] == 404


def test_every_stage_is_called_in_the_order_of_the_specification(site: Site) -> None:
    """Filters' notifications and module events of one request, from the head to its end."""
    site.extension("hello", HELLO)
    site.filter("all", EVERY_FILTER_HOOK + EVERY_MODULE_HOOK)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.hello")).text == "GET /a.hello  "
        await until(lambda: site.told("plugin-warning"))
        assert site.told("plugin-warning")[0].split() == [
            "on_preproc_headers",
            "begin_request",
            "post_begin_request",
            "on_url_map",
            "on_authentication",
            "authenticate_request",
            "post_authenticate_request",
            "on_auth_complete",
            "authorize_request",
            "post_authorize_request",
            "resolve_request_cache",
            "post_resolve_request_cache",
            "map_request_handler",
            "post_map_request_handler",
            "acquire_request_state",
            "post_acquire_request_state",
            "pre_request_handler_execute",
            "post_request_handler_execute",
            "release_request_state",
            "post_release_request_state",
            "update_request_cache",
            "post_update_request_cache",
            "on_send_response",
            "on_send_raw_data",
            "log_request",
            "post_log_request",
            "on_log",
            "end_request",
            "on_end_of_request",
        ]

    run(main())


@pytest.mark.parametrize(
    "hook",
    [
        "on_preproc_headers(request)",
        "begin_request(request)",
        "on_authentication(request)",
        "authenticate_request(request)",
        "on_auth_complete(request)",
        "authorize_request(request)",
        "map_request_handler(request)",
        "on_url_map(request)",
        "post_map_request_handler(request)",
        "pre_request_handler_execute(request)",
        "on_send_response(request)",
    ],
)
def test_a_response_from_a_stage_ends_the_request_and_is_logged(site: Site, hook: str) -> None:
    """The handler's answer is not used; log_request and end_request still run."""
    site.extension("hello", HELLO)
    site.filter(
        "early",
        f"""
        contexts = []
        @hookimpl
        def load(context): contexts.append(context)
        @hookimpl
        def {hook}: return Response.text("early", status=202)
        @hookimpl
        def log_request(request, response): contexts[0].report_event("plugin-warning", f"log {{response.status}}")
        @hookimpl
        def end_request(request, response): contexts[0].report_event("plugin-warning", f"end {{response.status}}")
        """,
    )

    async def main() -> None:
        answer = await (await site.serve()).ask("/a.hello")
        assert (answer.status, answer.text) == (202, "early")
        await until(lambda: len(site.told("plugin-warning")) == 2)
        assert site.told("plugin-warning") == ["log 202", "end 202"]

    run(main())


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_plain_and_asynchronous_hooks_work_alike(site: Site, kind: str) -> None:
    """Filter, module and handler in both forms; a plain handler runs on a thread, a plain filter on the loop."""
    site.extension(
        "where",
        f"""
        import threading
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Where", path="*.where")]
        @hookimpl
        {kind} handle(request): return Response.text(threading.current_thread().name + request.context["filter"])
        """,
    )
    site.filter(
        "note",
        f"""
        import threading
        @hookimpl
        {kind} begin_request(request): request.context["filter"] = "|" + threading.current_thread().name
        """,
    )

    async def main() -> None:
        answer = await (await site.serve()).ask("/a.where")
        handler, _, noted = answer.text.partition("|")
        assert noted == "MainThread"
        assert handler == ("MainThread" if kind == "async def" else "Pool thread 1")

    run(main())


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_quick_handler_runs_on_the_loop(site: Site, kind: str) -> None:
    """handler_info with quick keeps a plain `def handle` from the thread pool; an `async def` runs in a task anyway."""
    site.extension(
        "hello",
        f"""
        import asyncio, threading
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Hello", path="*.hello")]
        @hookimpl
        def handler_info(): return HandlerInfo(quick=True)
        @hookimpl
        {kind} handle(request):
            return Response.text(f"{{threading.current_thread().name}} {{asyncio.current_task() is not None}}")
        """,
    )

    async def main() -> None:
        front = await site.serve()
        await front.ask("/a.hello")  # starts the application, which may wait
        answer = await front.ask("/a.hello")
        assert answer.text == f"MainThread {kind == 'async def'}"

    run(main())


def test_what_a_plain_filter_puts_into_a_context_variable_is_its_requests_own(site: Site) -> None:
    """Each request has its own context, also before it has a task; handlers see what filters have set."""
    site.filter(
        "mark",
        """
        from contextvars import ContextVar
        target = ContextVar("target", default="nothing")
        @hookimpl
        def on_preproc_headers(request): request.context["before"], request.context["mark"] = target.get(), target
        @hookimpl
        def begin_request(request): target.set(request.path)
        """,
    )
    site.extension(
        "hello",
        """
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Hello", path="*.hello")]
        @hookimpl
        async def handle(request):
            return Response.text(request.context["before"] + " " + request.context["mark"].get())
        """,
    )

    async def main() -> None:
        front = await site.serve()
        numbers = [front.send(f"/{name}.hello") for name in "abc"]
        texts = [(await front.answer(number)).text for number in numbers]
        assert texts == ["nothing /a.hello", "nothing /b.hello", "nothing /c.hello"]

    run(main())


def test_a_blocking_filter_runs_on_a_thread(site: Site) -> None:
    """FilterInfo(blocking=True) keeps a slow filter off the loop."""
    site.extension("hello", HELLO)
    site.filter(
        "slow",
        """
        import threading
        @hookimpl
        def filter_info(): return FilterInfo(blocking=True)
        @hookimpl
        def on_auth_complete(request): request.user = threading.current_thread().name
        """,
    )

    async def main() -> None:
        answer = await (await site.serve()).ask("/a.hello")
        assert answer.text == "GET /a.hello Pool thread 1 "

    run(main())


def test_filters_may_rewrite_method_url_and_fields(site: Site) -> None:
    """What on_preproc_headers and on_auth_complete change is what is mapped and handled."""
    site.extension("hello", HELLO)
    site.filter(
        "rewrite",
        """
        @hookimpl
        def on_preproc_headers(request):
            request.method = "PUT"
            if request.raw_target == "/first": request.raw_target = "/one.hello/tail?x"
        @hookimpl
        def on_auth_complete(request):
            if request.raw_target == "/second": request.raw_target = "/two.hello"
        """,
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/first")).text == "PUT /one.hello/tail  /tail"
        assert (await front.ask("/second")).text == "PUT /two.hello  "

    run(main())


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_the_first_notification_sees_path_and_query_decoded(site: Site, kind: str) -> None:
    """A filter that guards a path there finds no empty one, however it is spelled; what is no path is a 400 as ever."""
    site.extension("hello", HELLO)
    site.filter(
        "guard",
        f"""
        @hookimpl
        {kind} on_preproc_headers(request):
            if request.path.startswith("/secret/") or "token" in request.query: raise HttpError(403)
        """,
    )

    async def main() -> None:
        front = await site.serve()
        for target in ("/%73ecret/a.hello", "/x/..//secret/a.hello", "http://localhost/secret/", "/a.hello?token=1"):
            assert (await front.ask(target)).status == 403
        assert (await front.ask("/a.hello?x")).status == 200
        assert (await front.ask("/%zz.hello")).status == 400

    run(main())


def test_set_url_takes_paths_only(site: Site) -> None:
    """A rewrite to anything that is no absolute path is an error that names the filter."""
    site.extension("hello", HELLO)
    site.filter(
        "rewrite", "@hookimpl\ndef begin_request(request): request.set_url(request.query.get('to') or '/x.hello')"
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a")).text == "GET /x.hello  "
        assert (await front.ask("/a?to=/%25C3%25A4.hello")).text == "GET /ä.hello  "
        for bad in ("http://x/", "/a%20b", "/a%0D%0AX:1", "b"):
            answer = await front.ask(f"/a?to={bad}")
            assert (answer.status, "rewrite.begin_request raised ValueError" in answer.text) == (500, True)

    run(main())


def test_an_application_takes_no_more_requests_than_its_limit(site: Site) -> None:
    """appConcurrentRequestLimit: 503.2 for the next one, until one has ended."""
    site.misbehaving("hangs")
    site.extension("hello", HELLO)
    site.further = '<serverRuntime appConcurrentRequestLimit="2" />'

    async def main() -> None:
        front = await site.serve()
        hanging = [front.send("/a.hang"), front.send("/a.hang")]
        await until(lambda: len(site.told("plugin-warning")) == 2)
        refused = await front.ask("/a.hello")
        assert (refused.status, refused.substatus) == (503, 2)
        front.say(Kind.ABORT, hanging[0])
        await front.answer(hanging[0])
        assert (await front.ask("/a.hello")).status == 200

    run(main())


def test_on_url_map_may_choose_another_file(site: Site) -> None:
    """The static handler then serves the file that the filter named, PATH_INFO rules unchanged."""
    other = site.folder / "other.txt"
    other.write_text("from elsewhere")
    site.write("page.txt", "original")
    site.filter(
        "map",
        f"""
        @hookimpl
        def on_url_map(request, url_map):
            if url_map.url_path == "/page.txt": url_map.physical_path = {str(other)!r}
        """,
    )

    async def main() -> None:
        assert (await (await site.serve()).ask("/page.txt")).text == "from elsewhere"

    run(main())


def test_credentials_reach_filters_and_modules(site: Site) -> None:
    """Basic credentials are decoded, a filter may change them, a module makes the user; others stay anonymous."""
    site.extension("hello", HELLO)
    site.filter(
        "accounts",
        """
        @hookimpl
        def on_authentication(request, credentials):
            if credentials.user == "guest": credentials.user = "visitor"
        """,
    )
    site.module(
        "login",
        """
        @hookimpl
        def authenticate_request(request):
            credentials = request.context["credentials"]
            if credentials.user:
                if credentials.password != "s:cret": raise HttpError(401, 1, headers={"WWW-Authenticate": "Basic"})
                request.user, request.auth_type = credentials.user, credentials.scheme
        """,
    )

    def basic(text: str) -> bytes:
        return b"Authorization: Basic " + base64.b64encode(text.encode()) + b"\r\n"

    async def main() -> None:
        front = await site.serve()
        good = await front.ask("/a.hello", fields=basic("guest:s:cret"))
        assert good.text == "GET /a.hello visitor "
        assert good.log is not None
        assert good.log.user_name == "visitor"
        assert good.flags & ResponseFlag.NO_CACHE
        bad = await front.ask("/a.hello", fields=basic("guest:wrong"))
        assert (bad.status, bad.substatus, bad.header("WWW-Authenticate")) == (401, 1, "Basic")
        for fields in (b"", b"Authorization: Bearer x\r\n", b"Authorization: Basic !!!\r\n"):
            assert (await front.ask("/a.hello", fields=fields)).text == "GET /a.hello  "

    run(main())


def test_a_401_is_shown_to_on_access_denied_with_its_reason(site: Site) -> None:
    """The filter sees URL, file and reason, and may answer instead."""
    site.extension(
        "closed",
        """
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Closed", path="*.closed")]
        @hookimpl
        async def handle(request): raise HttpError(401, int(request.raw_query))
        """,
    )
    site.filter(
        "login_page",
        """
        @hookimpl
        def on_access_denied(request, denial):
            if denial.reason is not DenialReason.RESOURCE:
                return Response.text(f"{denial.url_path} {denial.reason.name}", status=401)
        """,
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.closed?5")).text == "/a.closed APPLICATION"
        assert (await front.ask("/a.closed?2")).text == "/a.closed LOGON|BY_CONFIG"
        page = await front.ask("/a.closed?3")
        assert (page.status, page.substatus) == (401, 3)
        assert "login_page" not in page.text

    run(main())


def test_map_request_handler_may_choose_the_handler(site: Site) -> None:
    """request.mapping set by a module goes before the configured mappings."""
    site.extension("hello", HELLO)
    site.module(
        "router",
        """
        @hookimpl
        def map_request_handler(request):
            if request.path == "/chosen": request.mapping = HandlerMapping(name="Chosen", path="*", modules="hello")
            if request.path == "/nobody": request.mapping = HandlerMapping(name="Chosen", path="*", modules="nobody")
        """,
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/chosen")).text == "GET /chosen  "
        nobody = await front.ask("/nobody")
        assert (nobody.status, nobody.substatus) == (500, 21)
        assert (await front.ask("/other")).status == 404

    run(main())


def test_handlers_of_one_mapping_are_asked_in_order(site: Site) -> None:
    """None means "not mine"; after the last one it is 404.0."""
    site.extension("first", "@hookimpl\ndef handle(request): return None")
    site.extension("second", "@hookimpl\nasync def handle(request): return Response.text('second')")
    site.handlers = '<add name="A" path="*.a" verb="*" modules="first,second" />'
    site.handlers += '<add name="B" path="*.b" verb="*" modules="first" />'

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/x.a")).text == "second"
        nobody = await front.ask("/x.b")
        assert (nobody.status, nobody.substatus) == (404, 0)

    run(main())


def test_local_redirects_run_inside_and_are_counted(site: Site) -> None:
    """The client sees one answer; the new URL gets GET, no body, and where it came from; a loop ends with 500.0."""
    site.extension(
        "hop",
        """
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Hop", path="*.hop")]
        @hookimpl
        async def handle(request):
            if request.path == "/loop.hop": return Response.local_redirect("/loop.hop")
            if request.path == "/keep.hop":
                response = Response.local_redirect("/end.hop")
                response.internal_keeps_request = True
                return response
            if request.path == "/end.hop":
                body = await request.body.read()
                told = dict(sorted(request.redirect_variables.items()))
                return Response.text(f"{request.method} {body!r} {request.redirect_count} {told}")
            number = int(request.raw_query)
            target = f"/n.hop?{number - 1}" if number else "/end.hop?q=1"
            return Response.local_redirect(target)
        """,
    )

    async def main() -> None:
        front = await site.serve()
        once = await front.ask("/n.hop?0", method="POST", body=b"data")
        told = "{'REDIRECT_QUERY_STRING': '0', 'REDIRECT_REQUEST_METHOD': 'POST', 'REDIRECT_SCRIPT_NAME': '/n.hop', "
        assert once.text == f"GET b'' 1 {told}'REDIRECT_STATUS': '200', 'REDIRECT_URL': '/n.hop'}}"
        twice = await front.ask("/n.hop?1")
        assert "'REDIRECT_REDIRECT_QUERY_STRING': '1'" in twice.text
        kept = await front.ask("/keep.hop", method="PUT", body=b"data")
        assert kept.text == "PUT b'data' 1 {}"
        assert (await front.ask("/n.hop?9")).status == 200
        for target in ("/n.hop?10", "/loop.hop"):
            loop = await front.ask(target)
            assert (loop.status, loop.substatus) == (500, 0)
            assert "more than 10 local redirects" in loop.text

    run(main())


def test_a_local_redirect_into_another_pools_application_is_refused(site: Site) -> None:
    """403.18: this worker has not its code and must not serve its files."""
    site.applications += (
        f'<application path="/other" applicationPool="Other">{site.directory("/", site.root)}</application>'
    )
    site.extension(
        "go",
        HELLO.replace("*.hello", "*.go").replace(
            "return Response.text", "return Response.local_redirect('/other/x') or"
        ),
    )

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/a.go")
        assert (answer.status, answer.substatus) == (403, 18)

    run(main())


def test_a_default_document_is_found_by_an_internal_request(site: Site) -> None:
    """The folder's URL answers with its index page; a script as default document runs."""
    site.write("folder/index.html", "<p>index")
    site.further = (
        '<defaultDocument enabled="true"><files><clear /><add value="index.html" /></files></defaultDocument>'
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/folder/")).text == "<p>index"

    run(main())


def test_configured_header_fields_are_added_to_every_response(site: Site) -> None:
    """httpProtocol/customHeaders, before on_send_response sees the head."""
    site.extension("hello", HELLO)
    site.further = '<httpProtocol><customHeaders><add name="X-Site" value="ours" /></customHeaders></httpProtocol>'
    site.filter(
        "see",
        """
        @hookimpl
        def on_send_response(request, response): response.headers.set("X-Seen", response.headers["X-Site"])
        """,
    )

    async def main() -> None:
        front = await site.serve()
        for target in ("/a.hello", "/missing.txt"):
            answer = await front.ask(target)
            assert (answer.header("X-Site"), answer.header("X-Seen")) == ("ours", "ours")

    run(main())


def test_the_log_line_may_be_changed(site: Site) -> None:
    """on_log changes fields of the entry; only those travel, and one that was emptied is a dash."""
    site.extension("hello", HELLO)
    site.filter(
        "anonymise",
        """
        @hookimpl
        def on_log(request, entry):
            entry.client_host_name = "0.0.0.0"
            entry.parameters = ""
            entry.http_status = 299
            entry.client_user_name = "somebody"
        """,
    )

    async def main() -> None:
        log = (await (await site.serve()).ask("/a.hello?secret=1")).log
        assert log is not None
        assert (log.client, log.target, log.status, log.user_name) == ("0.0.0.0", "/a.hello", "299", "somebody")
        assert (log.method, log.server, log.win32_status) == ("", "", "")

    run(main())


def test_the_end_of_a_connection_reaches_filters(site: Site) -> None:
    """on_end_of_net_session once, with the connection."""
    site.extension("hello", HELLO)
    site.filter(
        "sessions",
        """
        contexts = []
        @hookimpl
        def load(context): contexts.append(context)
        @hookimpl
        def on_end_of_net_session(connection):
            contexts[0].report_event("plugin-warning", f"closed {connection.number}")
        """,
    )

    async def main() -> None:
        front = await site.serve()
        await front.ask("/a.hello", connection=12)
        front.end_session(12)
        await until(lambda: site.told("plugin-warning"))
        assert site.told("plugin-warning") == ["closed 12"]

    run(main())


BEFORE_THE_HEAD = [
    "on_preproc_headers",
    "begin_request",
    "on_authentication",
    "authorize_request",
    "on_url_map",
    "pre_request_handler_execute",
    "handle",
    "post_request_handler_execute",
    "on_send_response",
]


@pytest.mark.parametrize("hook", BEFORE_THE_HEAD)
def test_an_exception_in_a_stage_is_a_500_that_names_the_plugin(site: Site, hook: str) -> None:
    """A local client sees plugin, hook, file and line; the event has the traceback; the next request is unharmed."""
    path = site.misbehaving("raises_everywhere", listed=True)

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask(f"/a.raises?raise={hook}")
        assert (answer.status, answer.substatus) == (500, 0)
        assert f"raises_everywhere.{hook} raised LookupError: {hook} does not work at {path}:" in answer.text
        events = site.told("plugin-error")
        assert len(events) == 1
        assert "Traceback" in events[0]
        assert (await front.ask("/a.raises")).text == "fine"

    run(main())


REFUSED = """\
@hookimpl
def handler_mappings(): return [HandlerMapping(name="R", path="*.refused")]
@hookimpl
def handle(request):
    raise PermissionError(13, "Permission denied", "/srv/data.db")
"""


@pytest.mark.parametrize("mode", ["Enforce", "Report"])
def test_who_is_refused_a_file_in_a_sandbox_is_told_of_it(site: Site, mode: str) -> None:
    """The file's own mode says nothing of it. Report enforces nothing."""
    site.pool = f'<add name="Pool"><sandbox mode="{mode}" /></add><add name="Other" />'
    site.extension("refused", REFUSED)

    async def main() -> str:
        return (await (await site.serve()).ask("/a.refused")).text

    page = run(main())
    assert "PermissionError" in page
    assert ("in the pool&#x27;s sandbox" in page) is (mode == "Enforce")
    rule = "&lt;add path=&quot;/srv/data.db&quot; access=&quot;Read, Write&quot; /&gt;"
    assert (rule in page) is (mode == "Enforce")


def test_a_filter_that_fails_on_every_byte_still_ends_the_request(site: Site) -> None:
    """The page for its failure fails too: RESET, and the next request finds the worker well."""
    site.extension("hello", HELLO)
    site.filter("bytes", "@hookimpl\ndef on_send_raw_data(request, data): raise LookupError('no byte')")

    async def main() -> None:
        front = await site.serve()
        for _ in range(2):
            answer = await front.ask("/a.hello")
            assert (answer.kinds, answer.status, answer.credit) == ([Kind.RESET], 500, 1)
            assert "bytes.on_send_raw_data raised LookupError: no byte" in answer.reset

    run(main())


@pytest.mark.parametrize("hook", ["log_request", "on_log", "end_request", "on_end_of_request"])
def test_an_exception_after_the_response_is_an_event_only(site: Site, hook: str) -> None:
    """The client has its answer; the plugin is named in the event log."""
    site.misbehaving("raises_everywhere", listed=True)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask(f"/a.raises?raise={hook}")).text == "fine"
        await until(lambda: site.told("plugin-error"))
        assert f"raises_everywhere.{hook} raised LookupError" in site.told("plugin-error")[0]

    run(main())


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("return Response(headers=Headers([('X', 'x' * 5_000_000)]))", "at most 1048576 are sent"),
        ("return Response(reason='x' * 5_000_000)", "at most 1048576 are sent"),
        ("return Response(substatus=70000)", "substatus"),
        ("return Response(win32_status=-1)", "win32_status"),
        ("raise HttpError(500, 70000)", "substatus"),
    ],
)
def test_an_answer_beyond_every_measure_is_a_500_and_costs_no_link(site: Site, code: str, cause: str) -> None:
    """The plugin is named; the next request is unharmed."""
    site.extension(
        "vast",
        f"""
        from host.api import Headers
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Vast", path="*.vast")]
        @hookimpl
        async def handle(request):
            if request.raw_query: return Response.text("fine")
            {code}
        """,
    )

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/a.vast")
        assert (answer.status, cause in answer.text) == (500, True), answer.text
        assert (await front.ask("/a.vast?next")).text == "fine"

    run(main())


@pytest.fixture
def no_ctrl_c() -> Iterator[None]:
    """SIGINT is ignored, as in a worker."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_handler_that_exits_ends_its_request_and_nothing_else(site: Site, no_ctrl_c: None) -> None:
    """sys.exit() in a handler is a 500.0, on a thread or not; so is a KeyboardInterrupt that nobody has typed."""
    site.misbehaving("raises_everywhere")
    site.extension(
        "leaves",
        """
        import sys
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Leaves", path="*.leaves")]
        @hookimpl
        async def handle(request):
            if request.raw_query:
                raise KeyboardInterrupt
            sys.exit("bye")
        """,
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.raises?raise=exit")).status == 500
        assert (await front.ask("/a.leaves")).status == 500
        for target in ("/a.leaves?interrupts", "/a.raises?raise=interrupt"):
            answer = await front.ask(target)
            assert (answer.status, "raised KeyboardInterrupt" in answer.text) == (500, True)
        assert (await front.ask("/a.raises")).text == "fine"

    run(main())


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/filter.wrong", "on_preproc_headers must not return a str"),
        ("/a.wrong?after", "post_request_handler_execute must not return a Response"),
        ("/a.wrong?text", "handle must return a Response or None, not str"),
        ("/a.wrong?fields", "Response.headers must be Headers(...), not list"),
        ("/a.wrong?interim", "interim status 103"),
    ],
)
def test_a_wrong_answer_is_a_500_that_says_what_was_wrong(site: Site, target: str, expected: str) -> None:
    """No hook's odd value reaches a client or another plugin."""
    site.misbehaving("wrong_answers", listed=True)

    async def main() -> None:
        answer = await (await site.serve()).ask(target)
        assert answer.status == 500
        assert expected in answer.text
        assert "Correct the code at" not in answer.text or "wrong_answers.py" in answer.text

    run(main())


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_a_failed_handler_held_goes_at_once(site: Site, kind: str) -> None:
    """An exception leads to frames, and they to what they hold: open files, a page of 50 MB. No circle keeps them for
    the collector, which may not come for long."""
    site.extension(
        "holds",
        f"""
        import weakref
        class Held: pass
        held = []
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Holds", path="*.holds")]
        @hookimpl
        {kind} handle(request):
            if request.raw_query: return Response.text(str([one() is None for one in held]))
            mine = Held()
            held.append(weakref.ref(mine))
            raise ValueError("oops")
        """,
    )

    async def main() -> None:
        front = await site.serve()
        gc.disable()
        try:
            assert (await front.ask("/a.holds")).status == 500
            assert (await front.ask("/a.holds?left")).text == "[True]"
        finally:
            gc.enable()

    run(main())


def test_a_hanging_handler_is_cancelled_when_its_client_leaves(site: Site) -> None:
    """ABORT reaches the coroutine; a handler that cancels itself is a 500."""
    site.misbehaving("hangs")

    async def main() -> None:
        front = await site.serve()
        number = front.send("/a.hang")
        await until(lambda: "hangs" in site.told("plugin-warning"))
        front.say(Kind.ABORT, number)
        answer = await front.answer(number)
        assert answer.kinds == [Kind.RESET]
        assert site.told("plugin-warning") == ["hangs", "cancelled"]
        assert (await front.ask("/a.hang?self")).status == 500

    run(main())


def test_a_request_whose_client_left_is_still_logged_and_ended(site: Site) -> None:
    """log_request, end_request and on_end_of_request run, and may wait again."""
    site.misbehaving("hangs")
    site.filter(
        "watch",
        """
        import asyncio
        contexts = []
        @hookimpl
        def load(context): contexts.append(context)
        @hookimpl
        async def log_request(request, response):
            await asyncio.sleep(0)
            contexts[0].report_event("watch", f"log {response.win32_status}")
        @hookimpl
        async def end_request(request):
            await asyncio.sleep(0)
            contexts[0].report_event("watch", "end")
        @hookimpl
        def on_end_of_request(request): contexts[0].report_event("watch", "end of request")
        """,
    )

    async def main() -> None:
        front = await site.serve()
        number = front.send("/a.hang")
        await until(lambda: "hangs" in site.told("plugin-warning"))
        front.say(Kind.ABORT, number)
        await front.answer(number)
        await until(lambda: len(site.told("watch")) == 3)
        assert site.told("watch") == ["log 64", "end", "end of request"]

    run(main())


def test_a_filter_that_handles_a_notification_keeps_it_from_the_others(site: Site) -> None:
    """FilterStatus.HANDLED_NOTIFICATION: the next filter is not called, the request goes on."""
    site.extension("hello", HELLO)
    site.filter(
        "one",
        "@hookimpl\ndef on_auth_complete(request): request.user = 'one'; return FilterStatus.HANDLED_NOTIFICATION",
    )
    site.filter("two", "@hookimpl\ndef on_auth_complete(request): request.user = 'two'")

    async def main() -> None:
        assert (await (await site.serve()).ask("/a.hello")).text == "GET /a.hello one "

    run(main())


def test_filters_of_a_secure_port_see_only_such_requests(site: Site) -> None:
    """FilterInfo.nonsecure_port=False."""
    site.extension("hello", HELLO)
    site.filter(
        "tls",
        """
        @hookimpl
        def filter_info(): return FilterInfo(nonsecure_port=False)
        @hookimpl
        def on_auth_complete(request): request.user = "secure"
        """,
    )

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.hello")).text == "GET /a.hello  "
        assert (await front.ask("/a.hello", flags=1, connection=8)).text == "GET /a.hello secure "

    run(main())


def test_a_request_whose_task_is_cancelled_before_its_first_step_is_answered(site: Site) -> None:
    """Nobody but a plugin that cancels whatever it finds does so: it costs a 500, never the answer."""
    site.extension(
        "hasty",
        """
        import asyncio

        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Hasty", path="*.hasty")]

        @hookimpl
        async def handle(request): return Response.text("not reached")
        """,
    )
    site.module(
        "reaper",
        """
        import asyncio

        @hookimpl
        def begin_request(request):
            known = asyncio.all_tasks()
            asyncio.get_running_loop().call_soon(lambda: [task.cancel() for task in asyncio.all_tasks() - known])
        """,
    )

    async def main() -> None:
        front = await site.serve()
        await front.ask("/a.hasty")  # the application starts with it, in a task from the beginning
        answer = await front.ask("/a.hasty")
        assert (answer.status, answer.credit) == (500, 1)
        assert "CancelledError" in answer.text

    run(main())
