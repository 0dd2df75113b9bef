"""Workers' answers on their way to a client: framing, promises, refusals, and the log."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from host.config.listener_settings import ListenerSettings
from host.config.log_settings import LogFile
from host.wire.codec import encode_response
from host.wire.control_messages import Event, WorkerGone
from host.wire.frames import INITIAL_RESPONSE_WINDOW, Kind, LogFrame, ResponseFlag, ResponseFrame
from tests.listener.running_listener import RunningListener
from tests.listener.test_client_socket import send_until_stalled

Start = Callable[..., RunningListener]


def test_a_whole_answer_gets_server_date_and_length(front: RunningListener) -> None:
    """What the worker left to the listener."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0], b"abc", head=b"200 OK\r\nX-A: b\r\n")
    status, fields, body = client.read_response()
    assert (status, body) == (200, b"abc")
    assert fields["server"] == "isapy"
    assert fields["date"].endswith(" GMT")
    assert fields["x-a"] == "b"
    assert "connection" not in fields


def test_the_date_moves_with_the_clock(front: RunningListener) -> None:
    """Once a second."""
    worker, client = front.worker(), front.client()
    dates = []
    for _ in range(2):
        client.get()
        worker.answer(worker.request()[0])
        dates.append(client.read_response()[1]["date"])
        front.pass_seconds(1)
    assert dates[0] != dates[1]


def test_an_answer_in_pieces_is_chunked(front: RunningListener) -> None:
    """And the connection is kept."""
    worker, client = front.worker(), front.client()
    for _ in range(2):
        client.get()
        number, _ = worker.request()
        worker.begin(number, b"a")
        worker.data(number, b"bc")
        worker.end(number)
        answer = client.read_until(b"0\r\n\r\n")
        assert answer.endswith(b"\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")
        assert b"\r\nTransfer-Encoding: chunked\r\n" in answer
    record = front.log.next_request()
    assert record.bytes_sent == len(answer)


def test_pieces_leave_as_they_come(front: RunningListener) -> None:
    """A slow handler's first bytes are not kept back."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number)
    client.read_until(b"\r\n\r\n")
    worker.data(number, b"one")
    assert client.read_until(b"one\r\n") == b"3\r\none\r\n"
    worker.data(number, b"two")
    assert client.read_until(b"two\r\n") == b"3\r\ntwo\r\n"
    worker.end(number)
    assert client.read_until(b"0\r\n\r\n")


def test_http_1_0_sees_the_end_by_the_close(front: RunningListener) -> None:
    """No chunks; the connection closes even if it was to be kept."""
    worker, client = front.worker(), front.client()
    client.get(version="1.0", extra="Connection: keep-alive\r\n")
    number, _ = worker.request()
    worker.begin(number, b"a")
    worker.data(number, b"bc")
    worker.end(number)
    answer = client.read_to_end()
    assert answer.endswith(b"Connection: close\r\n\r\nabc")
    assert b"Transfer-Encoding" not in answer


def test_a_promised_length_frames_pieces(front: RunningListener) -> None:
    """What exceeds it is dropped."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=b"200 OK\r\nContent-Length: 4\r\n")
    worker.data(number, b"abcdef")
    worker.end(number)
    assert client.read_response()[2] == b"abcd"
    client.get("/next")
    assert worker.request()[1].target == b"/next"


@pytest.mark.parametrize("in_pieces", [True, False])
def test_a_broken_promise_breaks_the_connection(front: RunningListener, in_pieces: bool) -> None:
    """The client must not take a part for the whole; the line in the log is there all the same."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    head = b"200 OK\r\nContent-Length: 4\r\n"
    if in_pieces:
        worker.begin(number, head=head)
        worker.data(number, b"ab")
        worker.end(number)
    else:
        worker.answer(number, b"ab", head=head)
    assert client.is_reset()
    assert front.log.next_request().status == 200


def test_head_gets_no_body_whatever_the_worker_sends(front: RunningListener) -> None:
    """Whole or in pieces; the next answer is not confused with it."""
    worker, client = front.worker(), front.client()
    client.get(method="HEAD")
    worker.answer(worker.request()[0], b"abc")
    assert b"\r\nContent-Length: 3\r\n" in client.read_until(b"\r\n\r\n")
    client.get(method="HEAD")
    number, _ = worker.request()
    worker.begin(number, b"abc")
    worker.data(number, b"def")
    worker.end(number)
    assert b"chunked" not in client.read_until(b"\r\n\r\n")
    client.get("/next")
    worker.answer(worker.request()[0])
    assert client.read_response()[2] == b"hello"


def test_a_head_request_does_not_stop_a_long_answer(front: RunningListener) -> None:
    """What is dropped opens the window like what is sent."""
    worker, client = front.worker(), front.client()
    client.get(method="HEAD")
    number, _ = worker.request()
    worker.begin(number)
    for _ in range(INITIAL_RESPONSE_WINDOW // 65536):
        worker.data(number, b"x" * 65536)
    assert worker.take(Kind.WINDOW)[0] == number


@pytest.mark.parametrize("status", [204, 304])
def test_statuses_without_body(front: RunningListener, status: int) -> None:
    """The connection is kept and in step."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0], b"abc", head=b"%d x\r\n" % status)
    assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 %d " % status)
    client.get()
    worker.answer(worker.request()[0])
    assert client.read_response()[0] == 200


def test_the_worker_can_close_the_connection(front: RunningListener) -> None:
    """ResponseFlag.CLOSE."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0], flags=ResponseFlag.CLOSE)
    answer = client.read_to_end()
    assert b"\r\nConnection: close\r\n" in answer
    assert answer.endswith(b"hello")


@pytest.mark.parametrize("in_pieces", [True, False])
def test_nph_programs_write_to_the_client_themselves(front: RunningListener, in_pieces: bool) -> None:
    """Not a byte is added; the connection closes."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    if in_pieces:
        worker.begin(number, b"HTTP/1.0 299 ", head=b"", flags=ResponseFlag.RAW)
        worker.data(number, b"Mine\r\n\r\nx")
        worker.end(number)
    else:
        worker.answer(number, b"HTTP/1.0 299 Mine\r\n\r\nx", head=b"", flags=ResponseFlag.RAW)
    assert client.read_to_end() == b"HTTP/1.0 299 Mine\r\n\r\nx"


@pytest.mark.parametrize(
    "head",
    [
        b"200 OK\r\nA: b\r\n\r\n<html>",
        b"200 OK\r\nTransfer-Encoding: chunked\r\n",
        b"200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        b"200 OK\nA: b\r\n",
        b"100 Continue\r\n",
    ],
)
@pytest.mark.parametrize("in_pieces", [True, False])
def test_a_head_that_could_harm_costs_the_worker_its_link(front: RunningListener, head: bytes, in_pieces: bool) -> None:
    """The client gets 502, the service learns why, other workers are not touched."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    (worker.begin if in_pieces else worker.answer)(number, b"", head=head)
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 502 ")
    assert b"invalid response" in answer
    assert front.message(WorkerGone).broken
    assert front.message(Event).id == "front-broken-link"
    assert worker.sees_end()
    assert front.log.next_refusal().status == 502
    other, client = front.worker("A2"), front.client()
    client.get()
    other.answer(other.request()[0])
    assert client.read_response()[0] == 200


def test_the_frame_and_the_head_must_name_one_status(front: RunningListener) -> None:
    """The log would say something else than the client saw."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.answer(number, head=b"999 x\r\n")
    assert client.read_response()[0] == 999
    client.get()
    number, _ = worker.request()
    from_other = worker_frame_with_status(number)
    worker.send(from_other)
    assert client.read_to_end().startswith(b"HTTP/1.1 502 ")


def worker_frame_with_status(number: int) -> bytes:
    from_frame = ResponseFrame(ResponseFlag.COMPLETE, 1, 404, 0, 0, b"200 OK\r\n", b"")
    return encode_response(number, from_frame)


def test_a_reset_before_the_answer_is_a_page(front: RunningListener) -> None:
    """Status from the worker, its reason for a local client, a line in the site's log."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.reset(worker.request()[0], 503, 2, "the handler <gave> up")
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"the handler &lt;gave&gt; up" in answer
    record = front.log.next_request()
    assert (record.status, record.substatus) == (503, 2)
    assert front.log.refusals.empty()


def test_a_reset_during_the_answer_cuts_it(front: RunningListener) -> None:
    """The client sees that it is incomplete, also without chunks or length."""
    worker, client = front.worker(), front.client()
    client.get(version="1.0")
    number, _ = worker.request()
    worker.begin(number, b"part")
    client.read_until(b"part")
    worker.reset(number)
    assert client.is_reset()
    record = front.log.next_request()
    assert (record.status, record.win32_status) == (200, 1236)


def test_every_answer_is_logged_with_its_facts(front: RunningListener) -> None:
    """What the client asked, what it got, how long it took."""
    worker, client = front.worker(), front.client()
    client.post(b"abc", target="/p?q=1")
    number, _ = worker.request()
    front.clock.seconds += 1.5
    worker.answer(number, head=b"404 Not Found\r\n")
    client.read_response()
    record = front.log.next_request()
    assert (record.site_id, record.site_name, record.method, record.target) == (1, "Default Web Site", "POST", "/p?q=1")
    assert (record.client_ip, record.server_ip, record.server_port) == ("127.0.0.1", "127.0.0.1", front.port)
    assert (record.http_version, record.status, record.time_taken_ms) == ("HTTP/1.1", 404, 1500)
    assert record.raw_fields == b"Host: 127.0.0.1\r\nContent-Length: 3\r\n"
    assert record.bytes_received == len(b"POST /p?q=1 HTTP/1.1\r\n" + record.raw_fields + b"\r\nabc")


def test_a_worker_can_change_the_log_line(front: RunningListener) -> None:
    """LOG: what is empty stays, `-` empties."""
    worker, client = front.worker(), front.client()
    client.get("/x")
    number, _ = worker.request()
    worker.log(
        number, LogFrame(user_name="anna", client="10.1.1.1", server="-", target="/y", status="418", win32_status="5")
    )
    worker.answer(number)
    client.read_response()
    record = front.log.next_request()
    assert (record.user_name, record.client_ip, record.server_ip, record.method) == ("anna", "10.1.1.1", "", "GET")
    assert (record.target, record.status, record.win32_status) == ("/y", 418, 5)


def test_a_slow_client_costs_one_window_and_no_more(front: RunningListener) -> None:
    """The worker's window opens only as the client takes; everything arrives in the end."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number)
    sent = send_until_stalled(worker, number)
    client.read_until(b"\r\n\r\n")
    got = client.read_bytes(sent)
    worker.end(number)
    assert got.count(b"x") + client.read_until(b"\r\n0\r\n\r\n").count(b"x") == sent


def test_a_worker_that_exceeds_its_window_loses_its_link(front: RunningListener) -> None:
    """The listener's memory is not the worker's to fill."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number)
    client.read_until(b"\r\n\r\n")
    try:
        for _ in range(10_000):
            worker.data(number, b"x" * 1_000_000)
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert "window" in front.message(WorkerGone).broken


def test_a_refused_head_request_gets_no_body(front: RunningListener) -> None:
    """503 for HEAD."""
    front.run(lambda: front.listener.set_queue_state("A", "Disabled"))
    client = front.client()
    client.get(method="HEAD")
    assert client.read_to_end().endswith(b"\r\n\r\n")


def server_fields(front: RunningListener, flags: int = 0) -> list[str]:
    """What Server says on a whole answer, on one in pieces and on a refusal."""
    worker, client = front.worker(), front.client()
    said = []
    client.get()
    worker.answer(worker.request()[0], flags=flags)
    said.append(client.read_response()[1].get("server", ""))
    client.get(version="1.0")
    number = worker.request()[0]
    worker.begin(number, b"piece", flags=flags)
    worker.end(number)
    said.append("isapy" if b"\r\nServer: isapy\r\n" in client.read_to_end() else "")
    refused = front.client()
    refused.send(b"GET / HTTP/1.1\r\n\r\n")
    said.append("isapy" if b"\r\nServer: isapy\r\n" in refused.read_to_end() else "")
    return said


def test_a_worker_can_leave_the_server_field_away(start: Start) -> None:
    """requestFiltering/@removeServerHeader; the listener's own refusals keep it."""
    assert server_fields(start()) == ["isapy", "isapy", "isapy"]
    assert server_fields(start(), ResponseFlag.NO_SERVER) == ["", "", "isapy"]


@pytest.mark.parametrize(("setting", "said"), [(1, ["isapy", "isapy", ""]), (2, ["", "", ""])])
def test_the_listener_can_leave_it_away(start: Start, setting: int, said: list[str]) -> None:
    """HTTP.sys's DisableServerHeader: 1 on refusals, 2 on everything."""
    assert server_fields(start(listener=ListenerSettings(disable_server_header=setting))) == said


def test_a_worker_can_leave_the_line_away(front: RunningListener) -> None:
    """httpLogging: a whole answer, one in pieces, and one that breaks; the next request has its line again."""
    worker, client = front.worker(), front.client()
    client.get("/whole")
    worker.answer(worker.request()[0], flags=ResponseFlag.NO_LOG)
    assert client.read_response()[0] == 200
    client.get("/pieces")
    number = worker.request()[0]
    worker.begin(number, b"a", flags=ResponseFlag.NO_LOG)
    worker.end(number)
    assert client.read_until(b"0\r\n\r\n")
    client.get("/broken")
    number = worker.request()[0]
    worker.begin(number, b"a", flags=ResponseFlag.NO_LOG)
    assert client.read_until(b"1\r\na\r\n")
    worker.reset(number)
    assert client.is_reset()
    worker.take(Kind.SESSION_END)
    other = front.client()
    other.get("/logged")
    worker.answer(worker.request()[0])
    assert front.log.next_request().target == "/logged"
    assert front.log.requests.empty()


DETAILED = LogFile(needs_details=True)


def test_a_log_with_custom_fields_is_told_more(start: Start) -> None:
    """The head as it went out, of a whole answer and of one in pieces; connection, pool and application."""
    front = start(log_file=DETAILED)
    worker, client = front.worker("B1", pool="B"), front.client()
    client.get("/shop/whole")
    worker.answer(worker.request()[0], b"abc\r\n\r\nX-A: no", head=b"200 OK\r\nX-A: b\r\n")
    client.read_response()
    client.get("/shop/pieces")
    number = worker.request()[0]
    worker.begin(number, b"a", head=b"200 OK\r\nX-A: c\r\n")
    worker.end(number)
    client.read_until(b"0\r\n\r\n")
    for value, framing in ((b"b", b"\r\nContent-Length: "), (b"c", b"\r\nTransfer-Encoding: chunked")):
        told = front.log.next_request().details
        assert told is not None
        assert told.raw_head.startswith(b"HTTP/1.1 200 OK\r\nX-A: " + value + b"\r\n")
        assert framing in told.raw_head
        assert b"\r\nServer: isapy" in told.raw_head
        assert b"no" not in told.raw_head
        assert (told.client_port, told.is_secure) == (client.socket.getsockname()[1], False)
        assert (told.pool, told.application) == ("B", "/LM/W3SVC/1/ROOT/shop")


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n"])
def test_the_head_of_a_program_of_its_own_is_told_too(start: Start, end: bytes) -> None:
    """nph: what stands before the first empty line, whatever its line ends."""
    front = start(log_file=DETAILED)
    worker, client = front.worker(), front.client()
    client.get("/nph")
    head = b"HTTP/1.1 200 OK" + end[: len(end) // 2] + b"X-A: b"
    worker.answer(worker.request()[0], head + end + b"X-B: body", head=b"", flags=ResponseFlag.RAW)
    client.read_to_end()
    told = front.log.next_request().details
    assert told is not None
    assert told.raw_head == head


def test_a_log_without_custom_fields_costs_no_details(front: RunningListener) -> None:
    """Nothing is collected that nobody shows."""
    worker, client = front.worker(), front.client()
    client.get()
    worker.answer(worker.request()[0])
    assert front.log.next_request().details is None


def test_a_refusal_of_a_worker_is_logged_as_it_was_sent(start: Start) -> None:
    """The listener's own page instead of an answer: its size and its head are those of any other answer."""
    front = start(log_file=DETAILED)
    worker, client = front.worker(), front.client()
    client.get()
    worker.reset(worker.request()[0])
    page = client.read_to_end()
    record = front.log.next_request()
    assert (record.status, record.bytes_sent) == (500, len(page))
    assert record.details is not None
    assert page.startswith(record.details.raw_head + b"\r\n\r\n")
