"""What a filter can do with its context, in real requests of a real engine."""

from __future__ import annotations

import base64

import pytest

from host.wire.frames import Kind, ResponseFlag
from tests.worker.front import Answer, run, until
from tests.worker.site import Site

ECHO = """
@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Echo", path="*.echo")]

@hookimpl
async def handle(request):
    body = (await request.body.read()).decode()
    return Response.text(f"{request.method} {request.path} {request.http_version} {request.headers.items()} {body}")
"""

DENY = """
@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Deny", path="*.deny")]

@hookimpl
async def handle(request):
    raise HttpError(401, 5, "no")
"""


def ask(site: Site, target: str = "/a.echo", **request: object) -> Answer:
    """One request to a new engine."""
    site.extension("echo", ECHO)
    site.extension("deny", DENY)

    async def main() -> Answer:
        front = await site.serve()
        return await front.ask(target, **request)

    return run(main())


def test_header_callbacks_of_the_request_know_method_url_and_version(site: Site) -> None:
    """Fields are named with their colon, an empty value deletes, AddHeader appends; the special names rewrite."""
    site.filter(
        "rewriter",
        """
        @hookimpl
        def on_preproc_headers(request, filter_context):
            seen = [filter_context.get_header(name) for name in ("method", "url", "version", "X-Old:")]
            filter_context.set_header("method", "PUT")
            filter_context.set_header("url", "/b.echo?rewritten")
            filter_context.set_header("version", "HTTP/1.0")
            filter_context.set_header("X-Old:", "")
            filter_context.add_header("X-Seen:", "/".join(seen))
            filter_context.add_header("X-Seen:", "twice")
        """,
    )
    answer = ask(site, "/a.echo?1", fields=b"Host: h\r\nX-Old: gone\r\n")
    fields = [("Host", "h"), ("X-Seen", "GET//a.echo?1/HTTP/1.1/gone"), ("X-Seen", "twice")]
    assert answer.text == f"PUT /b.echo 1.0 {fields} "


def test_header_callbacks_of_the_response_know_its_status(site: Site) -> None:
    """`status` is the whole status line; fields as of the request."""
    site.filter(
        "status",
        """
        @hookimpl
        def on_send_response(response, filter_context):
            line = filter_context.get_header("status")
            filter_context.set_header("status", "299 Changed")
            filter_context.set_header("X-Was:", line)
            filter_context.set_header("Content-Type:", "")
        """,
    )
    answer = ask(site)
    assert answer.head.startswith(b"299 Changed\r\n")
    assert answer.header("X-Was") == "200 OK"
    assert answer.header("Content-Type") == ""


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("get_header('User-Agent')", 87),
        ("get_header('X-Missing:')", 1413),
        ("set_header('X-Bad:', 'a\\r\\nb')", 87),
        ("set_header('X Bad:', 'a')", 87),
        ("set_header('url', 'no path')", 87),
        ("set_header('version', 'HTTP/3')", 87),
        ("set_header('method', 'GE T')", 87),
        ("set_header('status', '200 OK')", 87),
        ("add_header('method', 'GET')", 87),
        ("add_response_headers('no colon')", 87),
        ("add_response_headers('X-A: b\\r\\n\\r\\nbody')", 87),
        ("send_response_header('fine')", 87),
        ("set_next_read_size(10)", 50),
        ("set_certificate_info()", 50),
        ("get_property(FilterProperty.SSL_CONTEXT)", 50),
        ("normalize_url('/../..')", 87),
    ],
)
def test_callbacks_fail_with_the_errors_of_windows(site: Site, call: str, code: int) -> None:
    """FilterError.code is what GetLastError would say; what was not changed stays."""
    site.filter(
        "errors",
        f"""
        @hookimpl
        def on_preproc_headers(request, filter_context):
            try:
                filter_context.{call}
            except FilterError as error:
                request.headers.add("X-Code", str(error.code))
        """,
    )
    assert ask(site).text == f"GET /a.echo 1.1 {[('Host', 'localhost'), ('X-Code', str(code))]} "


def test_facts_come_from_the_request(site: Site) -> None:
    """Connection number, site number, normalised URLs, the port's kind, the notification."""
    site.filter(
        "facts",
        """
        @hookimpl
        def on_auth_complete(request, filter_context):
            c = filter_context
            facts = [c.get_connection_id(), c.get_property(FilterProperty.INSTANCE_NUMBER),
                     c.normalize_url("/a/%62//../c?q"), c.is_secure_port, c.notification.name, c.request is request]
            request.headers.add("X-Facts", " ".join(map(str, facts)))
        """,
    )
    assert "('X-Facts', '7 1 /a/c False AUTH_COMPLETE True')" in ask(site).text


def test_server_variables_are_those_of_extensions(site: Site) -> None:
    """In every notification of a request, before its URL is mapped too; an unknown name is 1413."""
    site.filter(
        "variables",
        """
        names = ("URL", "UNICODE_URL", "QUERY_STRING", "REQUEST_METHOD", "HTTP_X_KIND", "REMOTE_ADDR", "INSTANCE_ID")

        @hookimpl
        def load(context): globals()["context"] = context

        @hookimpl
        def on_preproc_headers(filter_context):
            values = [filter_context.get_server_variable(name) for name in names]
            filter_context.add_response_headers("X-First: " + " ".join(values))

        @hookimpl
        def on_send_response(filter_context):
            values = [filter_context.get_server_variable(name) for name in ("SCRIPT_NAME", "APPL_MD_PATH")]
            filter_context.add_response_headers("X-Last: " + " ".join(values))
            filter_context.get_server_variable("NO_SUCH")

        @hookimpl
        def on_end_of_net_session(filter_context): filter_context.get_server_variable("URL")
        """,
    )
    site.extension("echo", ECHO)

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/%61.echo?q", fields=b"Host: h\r\nX-Kind: kind\r\n")
        assert answer.status == 500
        assert "there is no server variable NO_SUCH (Windows error 1413)" in answer.text
        front.end_session()
        await until(lambda: len(site.told("plugin-error")) == 2)
        assert "no request that has a variable URL" in site.told("plugin-error")[1]

    run(main())
    site.filter(
        "variables", (site.folder / "filters" / "variables.py").read_text().replace('"NO_SUCH"', '"URL"'), listed=False
    )
    site.events.clear()
    answer = ask(site, "/%61.echo?q", fields=b"Host: h\r\nX-Kind: kind\r\n")
    assert answer.header("X-First") == "/a.echo /a.echo q GET kind 127.0.0.1 1"
    assert answer.header("X-Last") == "/a.echo /LM/W3SVC/1/ROOT"


def test_response_headers_are_added_whoever_makes_the_response(site: Site) -> None:
    """Those on denial to a 401 alone, once each."""
    site.filter(
        "adds",
        """
        @hookimpl
        def on_preproc_headers(request, filter_context):
            filter_context.add_response_headers("X-A: 1\\r\\nX-B: 2\\n")
            filter_context.add_headers_on_denial("WWW-Authenticate: One\\r\\nWWW-Authenticate: Two\\r\\n")

        @hookimpl
        def on_send_response(response, filter_context):
            filter_context.add_response_headers(f"X-Count: {len(response.headers.get_all('X-A'))}")
        """,
    )
    site.extension("echo", ECHO)
    site.extension("deny", DENY)

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/a.echo")
        assert [answer.header(name) for name in ("X-A", "X-B", "X-Count", "WWW-Authenticate")] == ["1", "2", "1", ""]
        denied = await front.ask("/a.deny")
        assert denied.status == 401
        assert denied.head.count(b"WWW-Authenticate: ") == 2
        assert denied.head.count(b"X-A: 1\r\n") == denied.head.count(b"X-Count: 1\r\n") == 1

    run(main())


@pytest.mark.parametrize(("status", "closes"), [("FINISHED", True), ("FINISHED_KEEP_CONNECTION", False)])
def test_a_filter_may_send_the_response_itself(site: Site, status: str, closes: bool) -> None:
    """Head by SEND_RESPONSE_HEADER, body behind its empty line and by WriteClient; no handler, but the log."""
    site.filter(
        "answers",
        f"""
        @hookimpl
        def on_preproc_headers(request, filter_context):
            filter_context.send_response_header("302 Elsewhere", "Location: /x\\r\\n\\r\\nbody ")
            filter_context.write_client(b"and more")
            return FilterStatus.{status}

        @hookimpl
        def on_url_map(request): raise LookupError("must not come")

        @hookimpl
        def on_log(request, entry): entry.parameters = "logged"
        """,
    )
    answer = ask(site)
    assert answer.head.startswith(b"302 Elsewhere\r\nLocation: /x\r\n")
    assert (answer.text, bool(answer.flags & ResponseFlag.CLOSE)) == ("body and more", closes)
    assert answer.log is not None
    assert answer.log.target.endswith("?logged")


def test_bytes_that_a_finished_filter_wrote_are_the_whole_answer(site: Site) -> None:
    """Without a response header they go out as they are, and their status is logged."""
    site.filter(
        "raw",
        """
        @hookimpl
        def on_auth_complete(request, filter_context):
            filter_context.write_client(b"HTTP/1.1 418 Teapot\\r\\n\\r\\nshort")
            return FilterStatus.FINISHED
        """,
    )
    answer = ask(site)
    assert answer.flags & ResponseFlag.RAW
    assert (answer.status, answer.body) == (418, b"HTTP/1.1 418 Teapot\r\n\r\nshort")


def test_a_filter_that_finishes_without_a_word_closes_the_connection(site: Site) -> None:
    """Nothing is sent; also a filter that takes no context can say so."""
    site.filter("silent", "@hookimpl\ndef on_preproc_headers(request): return FilterStatus.FINISHED")
    answer = ask(site)
    assert (answer.flags & ResponseFlag.RAW, answer.body) == (ResponseFlag.RAW, b"")


STREAMS = """
import os
closed = []

class Pieces:
    def __init__(self, *pieces): self.pieces = iter(pieces)
    def __iter__(self): return self
    def __next__(self): return next(self.pieces)
    def close(self): context.report_event("plugin-warning", "closed")

class AsyncPieces:
    def __init__(self, *pieces): self.pieces = iter(pieces)
    def __aiter__(self): return self
    async def __anext__(self):
        for piece in self.pieces:
            return piece
        raise StopAsyncIteration
    async def aclose(self): context.report_event("plugin-warning", "closed")

@hookimpl
def load(context): globals()["context"] = context

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="Streams", path="*.stream")]

@hookimpl
async def handle(request):
    match request.query["kind"]:
        case "bytes": return Response(body=b"onetwo")
        case "list": return Response(body=[b"one", b"two"])
        case "iterator": return Response(body=Pieces(b"one", b"two"))
        case "async": return Response(body=AsyncPieces(b"one", b"two"))
        case "file":
            return Response.file(context.settings.get("file") or __file__)
        case "empty": return Response(status=204)
        case "raw": return Response(raw=True, body=b"onetwo")
"""
IN_FRONT = """
@hookimpl
def on_send_response(request, response, filter_context): filter_context.write_client(b"in ")

@hookimpl
def on_preproc_headers(request, filter_context): filter_context.write_client(b"front\\n")
"""


@pytest.mark.parametrize("kind", ["bytes", "list", "iterator", "async"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_bytes_of_a_filter_go_out_in_front_of_the_response(site: Site, kind: str, method: str) -> None:
    """Whatever the body is made of; the connection is the response's end, and the body is closed."""
    site.extension("streams", STREAMS)
    site.filter("front", IN_FRONT)
    answer = ask(site, f"/a.stream?kind={kind}", method=method)
    front, _, rest = answer.body.partition(b"HTTP/1.1 200 OK\r\n")
    head, _, body = rest.partition(b"\r\n\r\n")
    assert (front, body) == (b"front\nin ", b"onetwo" if method == "GET" else b"")
    assert head.endswith(b"Connection: close")
    assert answer.flags & ResponseFlag.RAW
    assert len(site.told("plugin-warning")) == (kind in ("iterator", "async"))


def test_in_front_of_files_and_of_raw_and_empty_answers(site: Site) -> None:
    """A file still goes by descriptor; raw output is not touched; 204 has no body."""
    path = site.extension("streams", STREAMS)
    site.filter("front", IN_FRONT)

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/a.stream?kind=file")
        assert answer.body.startswith(b"front\nin HTTP/1.1 200 OK\r\n")
        assert answer.file_bytes() == path.read_bytes()
        assert (await front.ask("/a.stream?kind=raw")).body == b"front\nonetwo"
        assert (await front.ask("/a.stream?kind=empty")).body.endswith(b"204 No Content\r\nConnection: close\r\n\r\n")

    run(main())


def test_bytes_written_while_the_body_is_sent_stand_in_front_of_their_piece(site: Site) -> None:
    """on_send_raw_data: length and framing follow."""
    site.extension("streams", STREAMS)
    site.filter(
        "between",
        "@hookimpl\ndef on_send_raw_data(request, data, filter_context): filter_context.write_client(b'<')",
    )
    assert ask(site, "/a.stream?kind=iterator").body == b"<one<two"


def test_a_filter_ends_a_response_that_is_being_sent(site: Site) -> None:
    """FINISHED from on_send_raw_data: cut when it has begun, otherwise nothing at all; logged in both cases."""
    site.extension("streams", STREAMS)
    site.filter(
        "ends",
        """
        @hookimpl
        def on_send_raw_data(request, data):
            return FilterStatus.FINISHED if data.data != b"one" else None

        @hookimpl
        def on_log(request, entry): entry.parameters = "logged"
        """,
    )

    async def main() -> None:
        front = await site.serve()
        begun = await front.ask("/a.stream?kind=iterator")
        assert (begun.body, begun.kinds[-1]) == (b"one", Kind.RESET)
        whole = await front.ask("/a.stream?kind=bytes")
        assert (whole.flags & ResponseFlag.RAW, whole.body) == (ResponseFlag.RAW, b"")
        assert [answer.log is not None for answer in (begun, whole)] == [True, True]

    run(main())


def test_an_error_of_a_filter_is_a_500_with_its_name(site: Site) -> None:
    """ERROR: page and event name filter and notification, the Windows error ends in the log."""
    site.filter(
        "fails",
        """
        @hookimpl
        def on_auth_complete(request, filter_context):
            filter_context.last_error = 5
            return FilterStatus.ERROR
        """,
    )
    answer = ask(site)
    assert (answer.status, answer.substatus, answer.win32_status) == (500, 0, 5)
    assert "fails.on_auth_complete reported an error: Windows error 5" in answer.text
    assert "fails.on_auth_complete reported an error: Windows error 5" in site.told("plugin-error")[0]


STATES = """
@hookimpl
def load(context): globals()["context"] = context

@hookimpl
def on_preproc_headers(request, filter_context):
    filter_context.connection_state = (filter_context.connection_state or 0) + 1
    filter_context.request_state = f"{filter_context.request_state} {request.raw_target}"

@hookimpl
def on_send_response(response, filter_context):
    response.headers.add("X-NAME", f"{filter_context.connection_state} {filter_context.request_state}")

@hookimpl
def on_end_of_net_session(filter_context):
    context.report_event("plugin-warning", f"NAME saw {filter_context.connection_state}")
"""


def test_each_filter_keeps_its_own_for_connection_and_request(site: Site) -> None:
    """pFilterContext: shared by a connection's requests, gone with it, never another filter's or connection's."""
    site.extension("echo", ECHO)
    site.filter("one", STATES.replace("NAME", "One"))
    site.filter("two", STATES.replace("NAME", "Two").replace("+ 1", "+ 10"))

    async def main() -> None:
        front = await site.serve()
        seen = [await front.ask(f"/{count}.echo", connection=7) for count in range(2)]
        seen.append(await front.ask("/2.echo", connection=8))
        assert [answer.header("X-One") for answer in seen] == ["1 None /0.echo", "2 None /1.echo", "1 None /2.echo"]
        assert [answer.header("X-Two") for answer in seen][1] == "20 None /1.echo"
        front.end_session(7)
        await until(lambda: len(site.told("plugin-warning")) == 2)
        assert site.told("plugin-warning") == ["One saw 2", "Two saw 20"]
        assert (await front.ask("/3.echo", connection=7)).header("X-One") == "1 None /3.echo"

    run(main())


def test_disabled_notifications_stay_away_for_the_rest_of_the_request(site: Site) -> None:
    """For this filter alone, hooks that take no context included; the next request gets them again."""
    site.filter(
        "quiet",
        """
        @hookimpl
        def on_preproc_headers(request, filter_context):
            if "quiet" in request.raw_target:
                filter_context.disable_notifications(Notification.AUTH_COMPLETE | Notification.SEND_RESPONSE)

        @hookimpl
        def on_auth_complete(request): request.headers.add("X-Auth", "quiet")

        @hookimpl
        async def on_send_response(response, filter_context): response.headers.add("X-Sent", "quiet")
        """,
    )
    site.filter("loud", "@hookimpl\ndef on_auth_complete(request): request.headers.add('X-Loud', 'yes')")
    site.extension("echo", ECHO)

    async def main() -> None:
        front = await site.serve()
        quiet, other = await front.ask("/quiet.echo"), await front.ask("/other.echo")
        assert ("X-Auth" in quiet.text, "X-Loud" in quiet.text, quiet.header("X-Sent")) == (False, True, "")
        assert ("X-Auth" in other.text, "X-Loud" in other.text, other.header("X-Sent")) == (True, True, "quiet")

    run(main())


def test_what_comes_after_the_end_is_an_error_of_that_filter_alone(site: Site) -> None:
    """Also from a thread that kept the context: nothing reaches the client, the next request is answered."""
    site.filter(
        "late",
        """
        kept = []
        @hookimpl
        def on_preproc_headers(request, filter_context): kept.append(filter_context)

        @hookimpl
        def on_end_of_request(request, filter_context): filter_context.write_client(b"footer")

        @hookimpl
        def on_end_of_net_session(connection, filter_context): kept[0].add_response_headers("X-Late: 1")
        """,
    )
    site.extension("echo", ECHO)

    async def main() -> None:
        front = await site.serve()
        answers = [await front.ask(), await front.ask("/b.echo")]
        assert answers[1].status == 200
        await until(lambda: len(site.told("plugin-error")) == 2)
        front.end_session()
        await until(lambda: len(site.told("plugin-error")) == 3)
        assert all("late.on_end_of" in text and "Windows error 87" in text for text in site.told("plugin-error"))

    run(main())


def test_a_proxy_that_closes_is_believed_when_a_filter_says_that_it_is_one(site: Site) -> None:
    """SET_PROXY_INFO makes Proxy-Connection count; close_connection needs no proxy."""
    site.filter(
        "proxy",
        """
        @hookimpl
        def on_preproc_headers(request, filter_context):
            filter_context.set_proxy_info("proxy" in request.raw_target)
            if "end" in request.raw_target:
                filter_context.close_connection()
        """,
    )
    site.extension("echo", ECHO)

    async def main() -> None:
        front = await site.serve()
        fields = b"Host: h\r\nProxy-Connection: close\r\n"
        answers = [await front.ask(f"/{name}.echo", fields=fields) for name in ("proxy", "other", "end")]
        assert [bool(answer.flags & ResponseFlag.CLOSE) for answer in answers] == [True, False, True]

    run(main())


def test_contexts_work_on_threads(site: Site) -> None:
    """blocking=True: the wrapped hook runs on the pool."""
    site.filter(
        "blocks",
        """
        import threading

        @hookimpl
        def filter_info(): return FilterInfo(blocking=True)

        @hookimpl
        def on_preproc_headers(request, filter_context):
            filter_context.request_state = threading.current_thread().name

        @hookimpl
        def on_send_response(response, filter_context):
            filter_context.add_response_headers(f"X-Thread: {filter_context.request_state}")
        """,
    )
    assert ask(site).header("X-Thread").startswith("Pool thread")


def test_the_body_survives_a_url_that_was_changed_after_authentication(site: Site) -> None:
    """on_auth_complete leads the request elsewhere; what was posted goes along (KB 250397)."""
    site.filter(
        "moves",
        "@hookimpl\ndef on_auth_complete(request, filter_context): filter_context.set_header('url', '/moved.echo')",
    )
    answer = ask(site, method="POST", body=b"posted", fields=b"Authorization: Basic " + base64.b64encode(b"a:b"))
    assert answer.text.startswith("POST /moved.echo ")
    assert answer.text.endswith(" posted")


def test_a_carrier_opens_filters_of_its_own_kind(site: Site) -> None:
    """open_filter: asked for files that are listed by path; only the methods that the object has are hooks."""
    site.extension(
        "carrier",
        """
        class Carried:
            def __init__(self, name): self.name = name

            @hookimpl
            def filter_info(self): return FilterInfo(description=self.name, priority=FilterPriority.HIGH)

            @hookimpl
            def on_preproc_headers(self, request, filter_context):
                filter_context.add_response_headers(f"X-Carried: {self.name} {filter_context.notification.value:#x}")

        @hookimpl
        def open_filter(name, path):
            if path.endswith("broken.so"):
                raise OSError("cannot open shared object file")
            return Carried(name) if path.endswith(".so") else None
        """,
    )
    plain = site.filter(
        "plain", "@hookimpl\ndef on_send_response(response): response.headers.add('X-P', '1')", listed=False
    )
    site.filters += [
        '<filter name="native" path="/srv/native.so" />',
        '<filter name="broken" path="/srv/broken.so" />',
        f'<filter name="plain" path="{plain}" />',
    ]
    answer = ask(site)
    assert (answer.header("X-Carried"), answer.header("X-P")) == ("native 0x4000", "1")
    assert "cannot open shared object file" in site.told("plugin-failed")[0]
