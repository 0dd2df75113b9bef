"""One call of an extension: what it sends, how its session ends, and what misuse leads to."""

from __future__ import annotations

import pytest

from host.wire.frames import Kind, ResponseFlag
from tests.isapi.proc import write_proc
from tests.worker.front import Answer, run
from tests.worker.site import Site

HELLO = """
ecb.send_response_header_ex("200 OK", "Content-Type: text/plain\\r\\n\\r\\n")
ecb.write_client(b"hello ")
ecb.write_client(ecb.query_string)
return HSE_STATUS_SUCCESS
"""


def ask(
    site: Site, body: str, target: str = "/a.proc?x", mapping: str = "", further: str = "", **request: object
) -> Answer:
    """The answer to one request."""
    write_proc(site, body, mapping=mapping, further=further)

    async def main() -> Answer:
        front = await site.serve()
        return await front.ask(target, **request)

    return run(main())


def test_a_small_answer_is_one_frame_with_a_length(site: Site) -> None:
    """What a proc writes is kept until it returns, as IIS 7 keeps it."""
    answer = ask(site, HELLO)
    assert (answer.status, answer.text, answer.header("Content-Type")) == (200, "hello x", "text/plain")
    assert answer.kinds[-1] is Kind.RESPONSE
    assert answer.flags & ResponseFlag.COMPLETE


def test_head_gets_the_head_alone(site: Site) -> None:
    """The extension need not know that it is a HEAD request, whether its answer is kept or streamed."""
    assert ask(site, HELLO, method="HEAD").body == b""
    answer = ask(site, "ecb.set_flush_flag(True)" + HELLO, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("return HSE_STATUS_SUCCESS", 200, ""),
        ("ecb.http_status_code = 202\nreturn 0", 202, ""),
        ("ecb.http_status_code = 202\necb.write_client(b'x')\nreturn 1", 202, "x"),
        ("ecb.http_status_code = 202\necb.set_flush_flag(True)\necb.write_client(b'x')\nreturn 1", 202, "x"),
        ("ecb.write_client(b'no header')\nreturn HSE_STATUS_SUCCESS_AND_KEEP_CONN", 200, "no header"),
        ("ecb.send_response_header('404 Gone Away', 'X: 1\\n\\nbehind')\nreturn 1", 404, "behind"),
        ("ecb.send_response_header()\necb.write_client('text')\nreturn 1", 200, "text"),
        ("ecb.send_response_header('HTTP/1.1 201 Made')\necb.write_client('text')\nreturn 1", 201, "text"),
        ("ecb.send_url('/b.proc')\nreturn 1", 500, None),
        ("ecb.send_response_header_ex('500 Own', 'A: b\\r\\n\\r\\n')\necb.write_client('own')\nreturn 4", 500, "own"),
    ],
)
def test_what_a_return_means(site: Site, body: str, status: int, text: str | None) -> None:
    """Without a header the answer is 200 or dwHttpStatusCode; its own page is sent although it reports an error."""
    answer = ask(site, body)
    assert answer.status == status
    assert text is None or answer.text == text


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return HSE_STATUS_ERROR", "returned HSE_STATUS_ERROR"),
        ("return 77", "77, which is no HSE_STATUS_"),
        ("return None", "None, which is no HSE_STATUS_"),
        ("raise KeyError('lost')", "KeyError: &#x27;lost&#x27;"),
        ("raise SystemExit", "SystemExit"),
        ("ecb.write_client(17)\nreturn 1", "text or bytes are wanted, not int"),
        ("ecb.send_response_header('nothing')\nreturn 1", "not a status"),
        ("ecb.send_response_header('200 OK', 'no colon\\r\\n\\r\\n')\nreturn 1", "not a header line"),
        ("ecb.send_response_header('200 OK', 'A b: c\\r\\n\\r\\n')\nreturn 1", "not a header field name"),
        ("ecb.send_response_header()\necb.send_response_header()\nreturn 1", "has been sent already"),
        ("ecb.done_with_session()\necb.done_with_session()\nreturn 3", None),
    ],
)
def test_misuse_is_a_500_that_says_what_was_wrong(site: Site, body: str, words: str | None) -> None:
    """A page for a local client that names the cause; a session that is done has had its answer."""
    answer = ask(site, body)
    assert answer.status == (200 if words is None else 500)
    assert words is None or words in answer.text, answer.text


@pytest.mark.parametrize("returned", ["77", "None", "'x'"])
def test_what_is_no_status_is_an_event_that_names_the_extension(site: Site, returned: str) -> None:
    """And no line of isapy's that is to be corrected."""
    answer = ask(site, f"return {returned}")
    assert answer.status == 500
    assert "session.py" not in answer.text
    told = site.told("plugin-error")
    assert len(told) == 1
    assert f"proc: http_extension_proc returned {returned}, which is no HSE_STATUS_" in told[0]


def test_a_header_decides_about_the_connection(site: Site) -> None:
    """fKeepConn, `Connection: close`, and a body that frames itself."""
    body = """
    if ecb.query_string == "ex":
        ecb.send_response_header_ex("200 OK", "A: b\\r\\n\\r\\n", False)
    elif ecb.query_string == "field":
        ecb.send_response_header("200 OK", "Connection: close\\r\\n\\r\\n")
    elif ecb.query_string == "chunked":
        ecb.send_response_header("200 OK", "Transfer-Encoding: chunked\\r\\n\\r\\n")
        ecb.write_client(b"3\\r\\nabc\\r\\n0\\r\\n\\r\\n")
    elif ecb.query_string == "raw":
        ecb.write_client(b"HTTP/1.1 299 Own\\r\\nA: b\\r\\n\\r\\nbody")
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.proc?ex")).flags & ResponseFlag.CLOSE
        assert (await front.ask("/a.proc?field")).flags & ResponseFlag.CLOSE
        chunked = await front.ask("/a.proc?chunked")
        assert chunked.flags & ResponseFlag.RAW
        assert chunked.body.startswith(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n")
        assert chunked.body.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        raw = await front.ask("/a.proc?raw")
        assert raw.flags & ResponseFlag.RAW
        assert raw.body == b"HTTP/1.1 299 Own\r\nA: b\r\n\r\nbody"

    run(main())


def test_more_than_the_buffer_is_streamed_under_flow_control(site: Site) -> None:
    """A slow client holds the proc up: it is never more than a window ahead, and every byte arrives in order."""
    body = """
    ecb.send_response_header()
    for number in range(64):
        ecb.write_client(bytes([number]) * 65536)
        written.append(number)
    return 1
    """
    write_proc(site, body, mapping="response_buffer_limit=1000", further="written = []\n")

    async def main() -> None:
        front = await site.serve()
        front.grants = False
        number = front.send("/a.proc")
        answer = front.answers[number]
        await front.until(lambda: len(answer.body) > 0)
        while not answer.done.is_set():
            front.open_window(number, 65536)
            await front.changed()
        assert answer.body == b"".join(bytes([number]) * 65536 for number in range(64))

    run(main())


PENDING = """
def later():
    started.wait()
    ecb.send_response_header("200 OK", "Content-Type: text/plain\\r\\n\\r\\n")
    ecb.write_client(b"from a thread")
    ecb.done_with_session()
    try:
        ecb.write_client(b"too late")
    except IsapiError as error:
        codes.append(error.code)
thread = threading.Thread(target=later)
thread.start()
if ecb.query_string == "early":
    started.set()
    thread.join()
else:
    threading.Timer(0, started.set).start()
return HSE_STATUS_PENDING
"""


@pytest.mark.parametrize("query", ["early", "late"])
def test_a_session_is_done_before_or_after_the_proc_has_returned(site: Site, query: str) -> None:
    """Trap: another thread may say done first. Whatever is called afterwards is ERROR_INVALID_PARAMETER."""
    answer = ask(site, PENDING, f"/a.proc?{query}", further="started = threading.Event()\ncodes = []\n")
    assert (answer.status, answer.text) == (200, "from a thread")


def test_a_dead_control_block_fails_softly_whatever_is_called(site: Site) -> None:
    """Every method of it raises ERROR_INVALID_PARAMETER; the fields can still be read."""
    body = """
    if ecb.query_string == "keep":
        kept.append(ecb)
        return 1
    old, codes = kept[0], {}
    calls = {
        "get_server_variable": ("URL",), "read_client": (1,), "write_client": (b"x",), "done_with_session": (),
        "send_response_header": (), "send_response_header_ex": (), "send_url_redirect_resp": ("/",),
        "send_url": ("/",), "map_url_to_path": ("/",), "map_url_to_path_ex": ("/",), "append_log_parameter": ("x",),
        "transmit_file": (0,), "vector_send": ([],), "exec_url": (), "get_exec_url_status": (),
        "send_custom_error": ("404 x",), "is_connected": (), "is_keep_conn": (), "close_connection": (),
        "abortive_close": (), "report_unhealthy": (), "normalize_url": ("/",), "io_completion": (None,),
        "async_read_client": (bytearray(1),), "cancel_io": (), "set_flush_flag": (True,), "is_in_process": (),
        "add_fragment_to_cache": ("a", b""), "read_fragment_from_cache": ("a",), "is_traced": (),
        "remove_fragment_from_cache": ("a",), "get_impersonation_token": (), "get_anonymous_token": ("/",),
        "get_virtual_path_token": ("/",), "refresh_isapi_acl": ("/",), "get_cert_info_ex": (),
        "get_raw_server_variable": ("URL",),
    }
    for name in dir(ControlBlock):
        if name.startswith("_") or not callable(getattr(old, name)):
            continue
        try:
            getattr(old, name)(*calls[name])
        except IsapiError as error:
            codes[name] = error.code
    wrong = sorted(set(calls) - {name for name, code in codes.items() if code == 87})
    ecb.write_client(f"{wrong} {len(codes)} {old.method} {old.total_bytes}")
    return 1
    """
    write_proc(site, body, further="kept = []\n")

    async def main() -> None:
        front = await site.serve()
        await front.ask("/a.proc?keep")
        assert (await front.ask("/a.proc")).text == "[] 37 GET 0"

    run(main())


def test_the_client_leaves_and_the_extension_is_told(site: Site) -> None:
    """A blocked write and later ones fail with ERROR_NETNAME_DELETED; a session that is never done ends as well."""
    body = """
    if ecb.query_string == "pending":
        kept.append(ecb)
        return HSE_STATUS_PENDING
    if ecb.query_string == "write":
        ecb.set_flush_flag(True)
        try:
            while True:
                ecb.write_client(bytes(100000))
        except IsapiError as error:
            codes.append((error.code, ecb.is_connected()))
        return HSE_STATUS_ERROR
    if ecb.query_string == "codes":
        try:
            kept[0].write_client(b"x")
        except IsapiError as error:
            codes.append((error.code, kept[0].is_connected()))
        kept[0].done_with_session()
        try:
            kept[0].write_client(b"x")
        except IsapiError as error:
            codes.append(error.code)
        ecb.write_client(repr(codes))
    return 1
    """
    write_proc(site, body, further="kept, codes = [], []\n")

    async def main() -> None:
        front = await site.serve()
        front.grants = False
        writing = front.send("/a.proc?write")
        await front.until(lambda: len(front.answers[writing].body) > 0)
        front.say(Kind.ABORT, writing)
        await front.answers[writing].done.wait()
        pending = front.send("/a.proc?pending")
        await front.ask("/a.proc?nothing")
        front.say(Kind.ABORT, pending)
        await front.answers[pending].done.wait()
        assert (await front.ask("/a.proc?codes")).text == "[(64, False), (64, False), 87]"
        assert not site.told("plugin-error")

    run(main())


def test_an_error_after_the_beginning_cuts_the_answer(site: Site) -> None:
    """What the client has is not passed off as a whole answer."""
    answer = ask(site, "ecb.set_flush_flag(True)\necb.write_client(b'part')\nraise ValueError('late')")
    assert answer.kinds[-1] is Kind.RESET
    assert answer.body == b"part"
    assert any("ValueError: late" in text for text in site.told("plugin-error"))


def test_the_body_is_there_up_to_48_kb_and_the_rest_is_read(site: Site) -> None:
    """cbAvailable, ReadClient to its end and beyond it, and a body without a length."""
    body = """
    data, reads = ecb.available_data, 0
    while piece := ecb.read_client(30000):
        assert len(piece) <= 30000
        data += piece
    again = ecb.read_client(10)
    ecb.write_client(f"{ecb.total_bytes:x} {ecb.available_bytes} {len(data)} {again} {data == bytes(len(data))}")
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.proc", method="POST", body=bytes(10))).text == "a 10 10 b'' True"
        number = front.send("/a.proc", method="POST", body=None, length=150000)
        for _ in range(5):
            front.say(Kind.BODY, number, bytes(30000))
        front.say(Kind.BODY_END, number)
        assert (await front.answer(number)).text == "249f0 49152 150000 b'' True"
        number = front.send("/a.proc", method="POST", body=None)
        front.say(Kind.BODY, number, bytes(100))
        front.say(Kind.BODY_END, number)
        assert (await front.answer(number)).text == "ffffffff 100 100 b'' True"

    run(main())


@pytest.mark.parametrize(("size", "available"), [(0, 0), (10, 10), (60000, 50000)])
def test_how_much_of_the_body_is_there_is_configured(site: Site, size: int, available: int) -> None:
    """`serverRuntime/@uploadReadAheadSize`; what is not there is read."""
    site.further = f'<serverRuntime uploadReadAheadSize="{size}" />'
    body = """
    data = ecb.available_data
    while piece := ecb.read_client(30000):
        data += piece
    ecb.write_client(f"{ecb.available_bytes} {data == bytes(50000)}")
    return 1
    """
    write_proc(site, body)

    async def main() -> None:
        front = await site.serve()
        assert (await front.ask("/a.proc", method="POST", body=bytes(50000))).text == f"{available} True"

    run(main())


def test_versions_and_terminations(site: Site) -> None:
    """get_extension_version once after load; terminate_extension with MUST_UNLOAD before unload."""
    further = """
    calls = []
    @hookimpl
    def load(context):
        calls.append("load")
        context.state["calls"] = calls
        module_context.append(context)
    module_context = []
    @hookimpl
    def get_extension_version(version):
        version.description = "the proc"
        calls.append("version")
    @hookimpl
    def terminate_extension(flags):
        calls.append(f"terminate {flags}")
    @hookimpl
    def unload(context):
        context.report_event("plugin-warning", " ".join([*calls, "unload"]))
    """
    write_proc(site, "return 1", further=further)

    async def main() -> None:
        engine = await site.start()
        await engine.close()
        assert site.told("plugin-warning") == ["load version terminate 2 unload"]

    run(main())


def test_an_extension_may_refuse_to_be_loaded(site: Site) -> None:
    """False from get_extension_version: 500.21 where it is mapped, and the worker lives on."""
    answer = ask(site, "return 1", further="@hookimpl\ndef get_extension_version(version): return False\n")
    assert (answer.status, answer.substatus) == (500, 21)
    assert "get_extension_version returned False" in answer.text
