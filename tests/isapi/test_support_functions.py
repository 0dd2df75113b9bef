"""The support functions and asynchronous operations of a control block, through a real worker's inside."""

from __future__ import annotations

import pytest

from host.wire.frames import Kind
from tests.isapi.proc import write_proc
from tests.worker.front import Answer, run
from tests.worker.site import STATIC, Site


def ask(site: Site, code: str, target: str = "/a.proc?x", *, further: str = "", **request: object) -> Answer:
    """The answer to one request."""
    write_proc(site, code, further=further)

    async def main() -> Answer:
        front = await site.serve()
        return await front.ask(target, **request)

    return run(main())


def code_of(call: str) -> str:
    """Lines that tell the error code of a call."""
    return f"try:\n    {call}\n    codes.append(0)\nexcept IsapiError as error:\n    codes.append(error.code)\n"


TELL = "ecb.write_client(repr(codes))\nreturn 1\n"


def test_files_are_sent_between_head_and_tail(site: Site) -> None:
    """HSE_REQ_TRANSMIT_FILE: header text or data before, a part of the file, data behind; the file may be closed."""
    site.write("ten.txt", "0123456789")
    body = """
    with open(ecb.map_url_to_path("/ten.txt"), "rb") as file:
        if ecb.query_string == "headers":
            ecb.transmit_file(file, offset=2, length=3, head="X-A: b\\r\\n\\r\\n", tail="tail", status="203 Some",
                flags=HSE_IO_SEND_HEADERS)
        else:
            ecb.send_response_header()
            ecb.transmit_file(file.fileno(), offset=8, head=b"head", tail=b"tail")
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        first = await front.ask("/a.proc?headers")
        assert (first.status, first.header("X-A"), first.header("Content-Length")) == (203, "b", "")
        assert (first.file_bytes(), first.body) == (b"234", b"tail")
        second = await front.ask("/a.proc?data")
        assert (second.file_bytes(), second.body) == (b"89", b"headtail")

    run(main())


def test_wrong_arguments_have_their_codes(site: Site) -> None:
    """As GetLastError would tell them; the request goes on."""
    site.write("ten.txt", "0123456789")
    calls = {
        "ecb.transmit_file(12345)": 6,
        "ecb.transmit_file(object())": 6,
        "ecb.transmit_file(pipe[0])": 6,
        "ecb.transmit_file(file, offset=11)": 10022,
        "ecb.transmit_file(file, flags=HSE_IO_ASYNC)": 87,
        "ecb.vector_send([VectorElement(b'x')], flags=HSE_IO_SYNC | HSE_IO_ASYNC)": 87,
        "ecb.vector_send([VectorElement(b'x')], status='200 OK')": 87,
        "ecb.vector_send([VectorElement(file=99999)])": 6,
        "ecb.async_read_client(bytearray(1))": 87,
        "ecb.exec_url('/')": 87,
        "ecb.io_completion(print); ecb.exec_url('/', flags=HSE_EXEC_URL_SSI_CMD)": 50,
        "ecb.exec_url('no/slash')": 87,
        "ecb.get_exec_url_status()": 87,
        "ecb.send_custom_error('404 Not Found')": 2,
        "ecb.send_custom_error('200 OK')": 87,
        "ecb.cancel_io()": 87,
        "ecb.get_server_variable('NO_SUCH')": 1413,
        "ecb.get_server_variable('HTTP_X_ABSENT')": 1413,
        "ecb.get_server_variable('CERT_SUBJECT')": 0,
        "ecb.get_cert_info_ex()": 232,
        "ecb.read_fragment_from_cache('none')": 2,
        "ecb.remove_fragment_from_cache('none')": 2,
        "ecb.add_fragment_to_cache('big', bytes(16 * 1024 * 1024 + 1))": 8,
        "ecb.normalize_url('/../x')": 87,
        "ecb.map_url_to_path('relative')": 87,
        "ecb.send_url('relative')": 87,
        "ecb.send_url_redirect_resp('')": 87,
        "ecb.read_client(0)": 0,
        "ecb.refresh_isapi_acl('/x')": 0,
    }
    opened = "file = open(ecb.map_url_to_path('/ten.txt'), 'rb')\npipe = os.pipe()\ncodes = []\n"
    closed = "file.close()\nos.close(pipe[0])\nos.close(pipe[1])\n"
    body = opened + "".join(map(code_of, calls)) + closed + TELL
    answer = ask(site, body)
    assert dict(zip(calls, eval(answer.text), strict=True)) == calls


def test_what_is_told_of_url_connection_and_worker(site: Site) -> None:
    """Mapping with its flags, normalising, keep-alive, place, tokens, trace, fragments, unhealthy."""
    site.write("dir/a.txt", "x")
    body = """
    place = ecb.map_url_to_path_ex("/dir/a.txt?q")
    ecb.add_fragment_to_cache("a", b"kept")
    kept = ecb.read_fragment_from_cache("a")
    ecb.remove_fragment_from_cache("a")
    ecb.report_unhealthy("tired")
    ecb.append_log_parameter("|one")
    ecb.log_data = "|" + 200 * "x"
    facts = [place.flags, place.matching_path == len(place.path) - len("/dir/a.txt"), place.matching_url,
        ecb.normalize_url("/a/./b//../c%20d?x"), ecb.is_keep_conn(), ecb.is_connected(), ecb.is_in_process(),
        ecb.get_impersonation_token(), ecb.get_anonymous_token("/LM"), ecb.get_virtual_path_token("/dir"),
        ecb.is_traced(), kept, ecb.version, ecb.content_type]
    ecb.write_client(repr(facts))
    return 1
    """
    answer = ask(site, body)
    expected = [0x201, True, 0, "/a/c d", True, True, 0, -6, -6, -6, False, b"kept", 0x70005, ""]
    assert eval(answer.text) == expected
    assert site.unhealthy == ["proc: tired"]
    assert answer.log is not None
    assert answer.log.target == "/a.proc?x|one|" + 78 * "x"


def test_server_variables_of_every_family(site: Site) -> None:
    """Header fields in both forms, all of them at once, UTF-16, paths, and what is empty without TLS."""
    body = """
    names = ["HTTP_X_ONE", "HEADER_X-One", "HEADER_X_One", "ALL_HTTP", "ALL_RAW", "APPL_MD_PATH", "INSTANCE_META_PATH",
        "INSTANCE_NAME", "URL", "HTTP_URL", "UNENCODED_URL", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "CERT_FLAGS",
        "HTTPS", "AUTH_TYPE", "AUTH_PASSWORD", "MANAGED_PIPELINE_MODE", "SERVER_PORT", "CACHE_URL", "SERVER_SOFTWARE",
        "CONTENT_LENGTH", "UNICODE_URL"]
    told = {name: ecb.get_server_variable(name) for name in names}
    told["raw"] = ecb.get_raw_server_variable("UNICODE_REQUEST_METHOD")
    ecb.write_client(repr(told).encode())
    return 1
    """
    fields = b"Host: x\r\nX-One: a\r\nX-One: b\r\nX_One: posing\r\nAuthorization: Basic dTpwOnc=\r\n"
    told = eval(ask(site, body, "/d%C3%BC/a.proc?a=%20", fields=fields).text)
    assert told == {
        "HTTP_X_ONE": "a, b",
        "HEADER_X-One": "a, b",
        "HEADER_X_One": "posing",
        "ALL_HTTP": "HTTP_HOST:x\nHTTP_X_ONE:a, b\nHTTP_AUTHORIZATION:Basic dTpwOnc=\n",
        "ALL_RAW": "Host: x\r\nX-One: a\r\nX-One: b\r\nX_One: posing\r\nAuthorization: Basic dTpwOnc=\r\n",
        "APPL_MD_PATH": "/LM/W3SVC/1/ROOT",
        "INSTANCE_META_PATH": "/LM/W3SVC/1",
        "INSTANCE_NAME": "Site",
        "URL": "/dü/a.proc",
        "UNICODE_URL": "/dü/a.proc",
        "HTTP_URL": "/d%C3%BC/a.proc?a=%20",
        "UNENCODED_URL": "/d%C3%BC/a.proc?a=%20",
        "SCRIPT_NAME": "/dü/a.proc",
        "PATH_INFO": "/dü/a.proc",
        "QUERY_STRING": "a=%20",
        "CERT_FLAGS": "",
        "HTTPS": "off",
        "AUTH_TYPE": "Basic",
        "AUTH_PASSWORD": "p:w",
        "MANAGED_PIPELINE_MODE": "Integrated",
        "SERVER_PORT": "8080",
        "CACHE_URL": "http://127.0.0.1:8080/d%C3%BC/a.proc",
        "SERVER_SOFTWARE": "isapy/7.5",
        "CONTENT_LENGTH": "0",
        "raw": "GET".encode("utf-16-le"),
    }


EXEC = """
def executed(ecb, argument, count, error):
    ecb.append_log_parameter(f"|{argument} {count} {error} {ecb.get_exec_url_status().status}")
    ecb.done_with_session()
ecb.io_completion(executed, "done")
ecb.exec_url(%s)
return HSE_STATUS_PENDING
"""


@pytest.mark.parametrize(
    ("arguments", "status", "text", "log"),
    [
        ("'/note.txt', method='GET'", 200, "the note", "|done 8 0 200"),
        ("'/missing.txt', flags=HSE_EXEC_URL_DISABLE_CUSTOM_ERROR", 404, None, " 0 404"),
        ("'/missing.txt'", 404, None, " 0 404"),
        ("'/b.echo', method='PUT', entity=b'given', headers='X-Child: yes\\r\\n\\r\\n'", 200, "PUT yes given", " 200"),
        ("'/b.echo'", 200, "POST  " + 60000 * "b", " 200"),
        ("flags=HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR", 404, None, " 404"),
        ("'/b.echo', user=ExecUrlUser('somebody', 'Own')", 200, None, " 200"),
        ("'/note.txt', method='GET', flags=HSE_EXEC_URL_NO_HEADERS", 200, "the note", " 200"),
    ],
)
def test_another_url_answers_the_request(site: Site, arguments: str, status: int, text: str | None, log: str) -> None:
    """HSE_REQ_EXEC_URL: what is not given is inherited, the body that was read ahead included."""
    site.write("note.txt", "the note")
    site.extension(
        "echo",
        """
        @hookimpl
        def handler_mappings(): return [HandlerMapping(name="Echo", path="*.echo")]
        @hookimpl
        async def handle(request):
            body = await request.body.read()
            return Response.text(f"{request.method} {request.headers.get('X-Child')} {body.decode()}")
        """,
    )
    answer = ask(site, EXEC % arguments, method="POST", body=60000 * b"b")
    content = answer.file_bytes() + answer.body
    assert (answer.status, text is None or content.decode() == text) == (status, True), content[:300]
    assert answer.log is not None
    assert answer.log.target.endswith(log)


def test_a_configured_error_page_is_sent(site: Site) -> None:
    """HSE_REQ_SEND_CUSTOM_ERROR, both ways."""
    site.write("gone.html", "<p>our own page")
    site.further = (
        '<httpErrors errorMode="Custom"><remove statusCode="404" />'
        f'<error statusCode="404" path="{site.root}/gone.html" /></httpErrors>'
    )
    body = """
    if ecb.query_string == "async":
        ecb.io_completion(lambda ecb, argument, count, error: ecb.done_with_session())
        ecb.send_custom_error("404 Not Found", is_async=True)
        return HSE_STATUS_PENDING
    ecb.send_custom_error("404 Not Found")
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        for query in ("sync", "async"):
            answer = await front.ask(f"/a.proc?{query}")
            assert (answer.status, answer.text) == (404, "<p>our own page")

    run(main())


def test_redirects_inside_and_outside(site: Site) -> None:
    """HSE_REQ_SEND_URL answers with a local URL by GET, HSE_REQ_SEND_URL_REDIRECT_RESP sends the client there."""
    site.write("note.txt", "the note")
    body = """
    if ecb.query_string == "out":
        ecb.send_url_redirect_resp("/there?a=1&b=<x>")
    elif ecb.query_string == "absolute":
        ecb.send_url("http://example.com/")
    else:
        ecb.send_url("/note.txt")
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        out = await front.ask("/a.proc?out")
        assert (out.status, out.header("Location")) == (302, "/there?a=1&b=%3Cx%3E")
        assert "&amp;b=%3Cx%3E" in out.text
        assert (await front.ask("/a.proc?absolute")).header("Location") == "http://example.com/"
        inside = await front.ask("/a.proc?in", method="POST", body=b"x")
        assert (inside.status, inside.file_bytes() + inside.body) == (200, b"the note")

    run(main())


def test_an_asynchronous_chain_reads_and_writes(site: Site) -> None:
    """Each callback begins the next operation; a second one at the same time is refused; the last one ends it."""
    body = """
    buffer = bytearray(40000)
    def read(ecb, argument, count, error):
        assert error == 0
        if count == 0:
            ecb.done_with_session()
            return
        ecb.io_completion(written)
        ecb.write_client(bytes(buffer[:count]), HSE_IO_ASYNC)
    def written(ecb, argument, count, error):
        ecb.io_completion(read)
        ecb.async_read_client(buffer)
        try:
            ecb.write_client(b"second", HSE_IO_ASYNC)
        except IsapiError as error:
            assert error.code == 87
        else:
            raise AssertionError("two operations at a time")
    ecb.send_response_header()
    ecb.set_flush_flag(True)
    ecb.io_completion(written)
    ecb.write_client(ecb.available_data, HSE_IO_ASYNC)
    return HSE_STATUS_PENDING
    """
    sent = bytes(range(256)) * 700
    answer = ask(site, body, method="POST", body=sent)
    assert answer.body == sent
    assert answer.kinds[-1] is Kind.END


def test_a_callback_that_raises_ends_the_request(site: Site) -> None:
    """500.0 with the traceback; a transfer that is under way keeps a request whose proc says success."""
    body = """
    def sent(ecb, argument, count, error):
        if ecb.query_string == "raise":
            raise LookupError("in the callback")
        ecb.write_client("behind")
        ecb.done_with_session()
    ecb.io_completion(sent)
    ecb.vector_send([VectorElement(b"before ")], flags=HSE_IO_ASYNC)
    return HSE_STATUS_SUCCESS
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.proc")).text == "before behind"
        failed = await front.ask("/a.proc?raise")
        assert failed.status == 500
        assert "LookupError: in the callback" in failed.text

    run(main())


def test_a_cancelled_read_completes_with_its_code(site: Site) -> None:
    """HSE_REQ_CANCEL_IO: 995; without the client 64."""
    body = """
    def read(ecb, argument, count, error):
        codes.append(error)
        if ecb.is_connected():
            ecb.write_client(repr((count, error)))
        ecb.done_with_session()
    ecb.io_completion(read)
    ecb.async_read_client(bytearray(10))
    if ecb.query_string == "cancel":
        ecb.cancel_io()
    started.append(1)
    return HSE_STATUS_PENDING
    """
    write_proc(site, body, further="codes, started = [], []\n")

    async def main() -> None:
        front = await site.serve()
        number = front.send("/a.proc?cancel", method="POST", body=None, length=100000)
        front.say(Kind.BODY, number, bytes(49152))
        assert (await front.answer(number)).text == "(0, 995)"
        number = front.send("/a.proc?leave", method="POST", body=None, length=100000)
        front.say(Kind.BODY, number, bytes(49152))
        front.say(Kind.ABORT, number)
        await front.answers[number].done.wait()

    run(main())


def test_the_connection_is_cut_in_the_middle(site: Site) -> None:
    """HSE_REQ_CLOSE_CONNECTION: nothing more can be written; without a beginning the client gets a 500, and no page of
    ours behind a header that the extension has sent."""
    body = """
    if ecb.query_string == "header":
        ecb.send_response_header_ex("203 Mine", "X-A: b\\r\\n\\r\\nkept")
    if ecb.query_string == "begun":
        ecb.set_flush_flag(True)
        ecb.write_client(b"begun")
    ecb.close_connection()
    try:
        ecb.write_client(b"more")
    except IsapiError as error:
        assert error.code == 64 and not ecb.is_connected()
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        cut = await front.ask("/a.proc?begun")
        assert (cut.body, cut.kinds[-1]) == (b"begun", Kind.RESET)
        cut = await front.ask("/a.proc?header")
        assert (cut.header("X-A"), cut.body, cut.kinds[-1]) == ("b", b"kept", Kind.RESET)
        assert (await front.ask("/a.proc?nothing")).status == 500

    run(main())


def test_a_large_streamed_answer_to_head_holds_no_thread(site: Site) -> None:
    """Nobody takes the body: writes are dropped, the proc comes to its end."""
    body = """
    ecb.set_flush_flag(True)
    ecb.send_response_header()
    for _ in range(40):
        ecb.write_client(bytes(65536))
    ended.append(1)
    if ecb.query_string == "ended":
        ecb.write_client(repr(ended))
    return 1
    """
    answer = ask(site, body, method="HEAD", further="ended = []\n")
    assert (answer.status, answer.body) == (200, b"")


def test_a_wildcard_mapping_passes_on_what_is_not_its_own(site: Site) -> None:
    """The recommended way instead of raw-data filters: `*` first, EXEC_URL with IGNORE_CURRENT_INTERCEPTOR."""
    site.write("note.txt", "the note")
    write_proc(
        site,
        """
        if ecb.get_server_variable("SCRIPT_NAME") != ecb.path_info:
            return HSE_STATUS_ERROR
        ecb.io_completion(lambda ecb, argument, count, error: ecb.done_with_session())
        ecb.exec_url(flags=HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR)
        return HSE_STATUS_PENDING
        """,
    )
    site.handlers = '<add name="All" path="*" verb="*" modules="proc" />' + STATIC

    async def main() -> None:
        front = await site.serve()
        answer = await front.ask("/note.txt")
        assert (answer.status, answer.file_bytes() + answer.body) == (200, b"the note")
        assert (await front.ask("/missing")).status == 404

    run(main())
