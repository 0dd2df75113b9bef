"""The channel: requests in, answers out, and everything that can happen to a request in between."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from host.api import ApplicationInfo, ClientGone, Connection
from host.wire.frames import FRAMES_AT_ONCE, INITIAL_BODY_WINDOW, INITIAL_RESPONSE_WINDOW, Kind, RequestFlag
from host.wire.request_dialogue import RequestState
from host.worker.channel import Channel
from host.worker.exchange import Exchange
from host.worker.request_task import become_task
from host.worker.thread_pool import ThreadPool
from tests.worker.front import CLOSERS, Front, run, until

ROOT = ApplicationInfo(1, "Default Web Site", "/", "/srv/www", "DefaultAppPool")
OK = (200, 0, 0)
HEAD = b"200 OK\r\nContent-Type: text/plain\r\n"


class Bench:
    """A channel with one front attached, and what it reported."""

    def __init__(self, serve: Callable[[Exchange], Awaitable[None]], *, capacity: int = 8, grants: bool = True) -> None:
        self.errors: list[str] = []
        self.ended: list[Connection] = []

        async def serve_in_task(exchange: Exchange) -> None:
            await become_task()  # these answers may wait
            await serve(exchange)

        self.channel = Channel(
            asyncio.get_running_loop(),
            serve_in_task,
            capacity=capacity,
            applications={b"1:/": ROOT},
            report_event=lambda event, text: self.errors.append(f"{event}: {text}"),
            on_session_end=self.ended.append,
        )
        CLOSERS.append(self.channel.close)
        self.front = Front(grants=grants)
        self.channel.attach(self.front.link, self.front.side)


async def hello(exchange: Exchange) -> None:
    exchange.send_complete(0, OK, HEAD, f"Hello {exchange.request.raw_target}".encode())


def test_a_small_answer_is_one_frame_and_gives_the_credit_back() -> None:
    """RESPONSE(COMPLETE) and nothing else; capacity is announced once."""

    async def main() -> None:
        bench = Bench(hello, capacity=5)
        answer = await bench.front.ask("/a?b=c")
        assert (answer.kinds, answer.text, answer.head) == ([Kind.RESPONSE], "Hello /a?b=c", HEAD)
        assert answer.credit == 1
        assert bench.front.credit == 6  # five at the start, one back
        assert (bench.channel.requests_served, bench.channel.requests_in_hand) == (1, 0)

    run(main())


def test_the_request_carries_what_the_front_said() -> None:
    """Method, target, fields, connection, application, host name, version; ids are unique."""
    seen = []

    async def serve(exchange: Exchange) -> None:
        seen.append(exchange.request)
        exchange.send_complete(0, OK, HEAD, await exchange.request.body.read())

    async def main() -> None:
        bench = Bench(serve)
        fields = b"User-Agent: test\r\nhOST: www.example.org:8080\r\nX-A: 1\r\n"
        answer = await bench.front.ask("/x%20y", method="PUT", fields=fields, body=b"data", flags=RequestFlag.SECURE)
        await bench.front.ask("/", fields=b"Host: [::1]:80\r\n", connection=8)
        await bench.front.ask("/", fields=b"X-No-Host: 1\r\n", connection=8)
        first, second, third = seen
        assert answer.body == b"data"
        assert (first.method, first.raw_target, first.http_version) == ("PUT", "/x%20y", "1.1")
        assert first.headers.get("x-a") == "1"
        assert first.connection == Connection("127.0.0.1", 50000, "127.0.0.1", 8080, 7, True)
        assert first.application is ROOT
        assert (first.server_name, second.server_name) == ("www.example.org", "[::1]")
        assert third.server_name == "127.0.0.1"
        assert second.connection is third.connection  # parsed once per connection
        assert len({first.id, second.id, third.id}) == 3

    run(main())


def test_a_non_idempotent_request_is_said_to_have_started_before_any_code_sees_it() -> None:
    """STARTED lies in the socket when the handler's first line runs; GET sends none."""
    arrived = []

    async def main() -> None:
        front_end: list[socket.socket] = []

        async def serve(exchange: Exchange) -> None:
            peeked = os.dup(front_end[0].fileno())
            with socket.socket(fileno=peeked) as end:
                arrived.append(end.recv(100, socket.MSG_PEEK | socket.MSG_DONTWAIT))
            exchange.send_complete(0, OK, HEAD, b"")

        bench = Bench(serve)
        await bench.front.until(lambda: bench.front.credit > 0)
        front_end.append(bench.front.end._stream)
        post = await bench.front.ask("/", method="POST", body=b"x")
        assert post.kinds == [Kind.STARTED, Kind.RESPONSE]
        assert arrived[0][8] == Kind.STARTED

    run(main())


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"])
def test_an_idempotent_request_is_not_announced(method: str) -> None:
    """Those may be replayed, so nothing has to be said before they run."""

    async def main() -> None:
        answer = await Bench(hello).front.ask("/", method=method)
        assert answer.kinds == [Kind.RESPONSE]

    run(main())


def test_plugin_code_waits_until_a_full_socket_has_taken_started() -> None:
    """With the front not reading and the socket full, a POST's code does not run before STARTED has left."""
    began = []

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def serve(exchange: Exchange) -> None:
            began.append(exchange.request.method)
            if exchange.request.method == "GET":
                exchange.begin(0, OK, HEAD)
                await exchange.send_data(b"x" * 1000 * 1000)
                exchange.end()
            else:
                exchange.send_complete(0, OK, HEAD, b"")

        bench = Bench(serve, capacity=50)
        await bench.front.until(lambda: bench.front.credit > 0)
        reading = bench.front.end._stream.fileno()
        loop.remove_reader(reading)
        numbers = [bench.front.send("/") for _ in range(4)]
        await until(lambda: len(began) == 4 and bench.channel._links[0]._link._unsent)
        numbers.append(bench.front.send("/", method="POST", body=b"x"))
        await until(lambda: bench.channel.requests_in_hand != 0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert "POST" not in began
        loop.add_reader(reading, bench.front.end._readable)
        answers = [await bench.front.answer(number) for number in numbers]
        assert [len(answer.body) for answer in answers] == [1000 * 1000] * 4 + [0]
        assert answers[4].kinds == [Kind.STARTED, Kind.RESPONSE]

    run(main())


def test_answers_of_one_turn_leave_in_few_writes() -> None:
    """Twenty requests that arrive together: the front reads at most as often as FRAMES_AT_ONCE says."""

    async def main() -> None:
        bench = Bench(hello, capacity=20)
        await bench.front.until(lambda: bench.front.credit > 0)
        reads: list[int] = []
        receive = bench.front._receive

        def count(frames: list[tuple[Kind, int, bytes]]) -> None:
            reads.append(len(frames))
            receive(frames)

        bench.front.end._receive = count
        numbers = [bench.front.send(f"/{n}") for n in range(20)]
        for number in numbers:
            await bench.front.answer(number)
        assert sum(reads) == 20
        assert len(reads) <= -(-20 // FRAMES_AT_ONCE)

    run(main())


def test_a_streamed_answer_waits_for_the_response_window() -> None:
    """Not one byte more than granted is sent; the rest follows the grant."""

    async def serve(exchange: Exchange) -> None:
        exchange.begin(0, OK, HEAD)
        await exchange.send_data(b"a" * (INITIAL_RESPONSE_WINDOW + 5000))
        exchange.end()

    async def main() -> None:
        bench = Bench(serve, grants=False)
        number = bench.front.send("/")
        answer = bench.front.answers[number]
        await bench.front.until(lambda: len(answer.body) >= INITIAL_RESPONSE_WINDOW)
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(answer.body) == INITIAL_RESPONSE_WINDOW
        bench.front.open_window(number, 1000)
        await bench.front.until(lambda: len(answer.body) >= INITIAL_RESPONSE_WINDOW + 1000)
        assert not answer.done.is_set()
        bench.front.open_window(number, 10000)
        await bench.front.answer(number)
        assert len(answer.body) == INITIAL_RESPONSE_WINDOW + 5000
        assert answer.kinds[-1] is Kind.END

    run(main())


def test_a_file_travels_as_a_descriptor(tmp_path: Path) -> None:
    """FILE names offset and length; the descriptor over the side socket reads the same file; nothing is left open."""
    path = tmp_path / "data.bin"
    path.write_bytes(bytes(range(256)) * 8)

    async def serve(exchange: Exchange) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        exchange.begin(0, OK, HEAD)
        await exchange.send_file(descriptor, 100, 300)
        await exchange.send_data(b"--boundary--")
        await exchange.send_file(descriptor, 0, 10)
        os.close(descriptor)
        exchange.end()

    async def main() -> None:
        before = len(os.listdir("/proc/self/fd"))
        bench = Bench(serve)
        opened = len(os.listdir("/proc/self/fd")) - before
        answer = await bench.front.ask("/")
        assert answer.files == [(0, 100, 300), (1, 0, 10)]
        content = path.read_bytes()
        assert answer.file_bytes() == content[100:400] + content[:10]
        assert answer.body == b"--boundary--"
        assert len(os.listdir("/proc/self/fd")) - before == opened

    run(main())


def test_a_file_larger_than_the_window_goes_in_one_piece(tmp_path: Path) -> None:
    """The window counts descriptors that wait, not the bytes behind them."""
    path = tmp_path / "large.bin"
    size = 2 * INITIAL_RESPONSE_WINDOW + 17
    path.write_bytes(b"z" * size)

    async def serve(exchange: Exchange) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        exchange.begin(0, OK, HEAD)
        await exchange.send_file(descriptor, 0, size)
        os.close(descriptor)
        exchange.end()

    async def main() -> None:
        answer = await Bench(serve).front.ask("/")
        assert [piece[1:] for piece in answer.files] == [(0, size)]
        assert len(answer.file_bytes()) == size

    run(main())


def test_a_body_is_read_as_it_comes_and_its_window_is_granted_again() -> None:
    """An upload of several windows passes; the front is never granted more than was read."""
    total = 5 * INITIAL_BODY_WINDOW

    async def serve(exchange: Exchange) -> None:
        count = 0
        async for piece in exchange.request.body:
            count += len(piece)
        exchange.send_complete(0, OK, HEAD, str(count).encode())

    async def main() -> None:
        front = Bench(serve).front
        number = front.send("/", method="PUT", body=None, length=total)
        sent = 0
        while sent < total:
            room = INITIAL_BODY_WINDOW + front.body_window.get(number, 0) - sent
            if room == 0:
                await front.changed()
                continue
            count = min(60000, room, total - sent)
            front.say(Kind.BODY, number, b"u" * count)
            sent += count
        front.say(Kind.BODY_END, number)
        assert (await front.answer(number)).text == str(total)
        assert front.body_window[number] <= total

    run(main())


def test_a_front_that_overruns_the_body_window_loses_its_link() -> None:
    """The dialogue is broken: the link closes and the event says why."""

    async def serve(exchange: Exchange) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        bench = Bench(serve)
        number = bench.front.send("/", method="PUT", body=None)
        for _ in range(INITIAL_BODY_WINDOW // 60000 + 1):
            bench.front.say(Kind.BODY, number, b"u" * 60000)
        assert await bench.front.closed == ""
        assert "more than its window" in bench.errors[0]
        assert bench.channel.link_count == 0

    run(main())


def test_a_client_that_waits_for_continue_is_told_at_the_first_read() -> None:
    """The first BODY_WINDOW (of nothing) is sent when a handler reads, not before."""
    may_read = asyncio.Event()

    async def serve(exchange: Exchange) -> None:
        await may_read.wait()
        exchange.send_complete(0, OK, HEAD, await exchange.request.body.read())

    async def main() -> None:
        bench = Bench(serve)
        front = bench.front
        flags = RequestFlag.EXPECT_CONTINUE
        number = front.send("/", method="POST", body=None, length=4, flags=flags)
        await front.until(lambda: front.answers[number].kinds == [Kind.STARTED])
        may_read.set()
        await front.until(lambda: number in front.body_window)
        assert front.body_window[number] == 0
        front.say(Kind.BODY, number, b"data")
        front.say(Kind.BODY_END, number)
        assert (await front.answer(number)).text == "data"

    run(main())


def test_when_the_client_leaves_the_task_is_cancelled_and_the_credit_comes_back() -> None:
    """ABORT ends an endless handler; the answer is RESET."""
    cancelled = []
    began = asyncio.Event()

    async def serve(exchange: Exchange) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(exchange.is_gone)
            raise

    async def main() -> None:
        bench = Bench(serve)
        number = bench.front.send("/")
        await began.wait()
        bench.front.say(Kind.ABORT, number)
        answer = await bench.front.answer(number)
        assert (answer.kinds, answer.credit) == ([Kind.RESET], 1)
        assert cancelled == [True]
        assert bench.channel.requests_in_hand == 0

    run(main())


def test_a_request_whose_client_left_at_once_runs_no_code() -> None:
    """REQUEST and ABORT in one read: RESET, the credit comes back, the handler never began."""
    began = []

    async def serve(exchange: Exchange) -> None:
        began.append(exchange)

    async def main() -> None:
        bench = Bench(serve)
        number = bench.front.send("/")
        bench.front.say(Kind.ABORT, number)
        answer = await bench.front.answer(number)
        assert (answer.kinds, answer.credit, began) == ([Kind.RESET], 1, [])
        assert bench.channel.requests_in_hand == 0

    run(main())


def test_a_thread_that_reads_the_body_learns_that_the_client_left() -> None:
    """read_some_blocking raises ClientGone; the request is not given back before the thread has ended."""
    heard = []

    async def main() -> None:
        pool = ThreadPool(asyncio.get_running_loop(), 2)

        def work(exchange: Exchange) -> None:
            try:
                exchange.request.body.read_blocking()
            except ClientGone:
                heard.append("gone")
                raise

        async def serve(exchange: Exchange) -> None:
            await pool.run(work, exchange)

        bench = Bench(serve)
        number = bench.front.send("/", method="POST", body=None)
        await bench.front.until(lambda: bench.front.answers[number].state is RequestState.STARTED)
        bench.front.say(Kind.BODY, number, b"a little")
        bench.front.say(Kind.ABORT, number)
        answer = await bench.front.answer(number)
        assert (heard, answer.kinds[-1]) == (["gone"], Kind.RESET)
        pool.close()

    run(main())


def test_an_answer_that_waits_for_its_window_ends_when_the_client_leaves() -> None:
    """A handler that is blocked by a slow client does not outlive it."""

    async def serve(exchange: Exchange) -> None:
        exchange.begin(0, OK, HEAD)
        while True:
            await exchange.send_data(b"x" * 65536)

    async def main() -> None:
        bench = Bench(serve, grants=False)
        number = bench.front.send("/")
        await bench.front.until(lambda: len(bench.front.answers[number].body) == INITIAL_RESPONSE_WINDOW)
        bench.front.say(Kind.ABORT, number)
        answer = await bench.front.answer(number)
        assert answer.kinds[-1] is Kind.RESET

    run(main())


def test_what_the_pipeline_leaves_open_is_reset_and_reported() -> None:
    """An exception in serve, or no answer at all, still ends the request with 500.0."""

    async def serve(exchange: Exchange) -> None:
        if exchange.request.raw_target == "/raise":
            raise RuntimeError("broken inside")

    async def main() -> None:
        bench = Bench(serve)
        silent = await bench.front.ask("/silent")
        raised = await bench.front.ask("/raise")
        assert [(answer.status, answer.credit) for answer in (silent, raised)] == [(500, 1), (500, 1)]
        assert len(bench.errors) == 1
        assert bench.errors[0].startswith("plugin-error: ")
        assert "broken inside" in bench.errors[0]

    run(main())


def test_an_application_of_another_pool_is_refused() -> None:
    """The front's table and the worker's may differ for a moment: 503, the link stays."""

    async def main() -> None:
        bench = Bench(hello)
        assert (await bench.front.ask("/", application="2:/other")).status == 503
        assert (await bench.front.ask("/")).status == 200

    run(main())


def test_draining_ends_when_the_last_request_is_answered() -> None:
    """`drained` waits for what is in hand and for DRAIN."""
    release = asyncio.Event()

    async def serve(exchange: Exchange) -> None:
        await release.wait()
        await hello(exchange)

    async def main() -> None:
        bench = Bench(serve)
        number = bench.front.send("/")
        bench.front.say(Kind.DRAIN)
        await bench.front.until(lambda: bench.front.credit > 0)
        await until(lambda: bench.channel.requests_in_hand)
        assert not bench.channel.drained.done()
        release.set()
        assert (await bench.front.answer(number)).status == 200
        await bench.channel.drained

    run(main())


def test_a_new_front_is_served_while_the_old_one_drains() -> None:
    """Two links at once; the worker is not drained while one of them may bring requests."""

    async def main() -> None:
        bench = Bench(hello)
        new = Front()
        bench.channel.attach(new.link, new.side)
        bench.front.say(Kind.DRAIN)
        assert (await new.ask("/")).status == 200
        bench.front.close()
        await until(lambda: bench.channel.link_count != 2)
        assert (await new.ask("/")).status == 200
        assert not bench.channel.drained.done()
        new.say(Kind.DRAIN)
        await bench.channel.drained

    run(main())


def test_a_lost_front_takes_its_requests_with_it() -> None:
    """When the link ends, every request on it loses its client."""
    ended = []

    async def serve(exchange: Exchange) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(exchange.number)

    async def main() -> None:
        bench = Bench(serve)
        bench.front.send("/1")
        bench.front.send("/2")
        await until(lambda: bench.channel.requests_in_hand == 2)
        bench.front.close()
        await until(lambda: not bench.channel.requests_in_hand)
        assert sorted(ended) == [1, 2]
        assert bench.ended[0].number == 7

    run(main())


def test_the_end_of_a_client_connection_is_told_once() -> None:
    """SESSION_END names a connection that was served; an unknown one is nobody's."""

    async def main() -> None:
        bench = Bench(hello)
        await bench.front.ask("/", connection=41)
        bench.front.end_session(99)
        bench.front.end_session(41)
        bench.front.end_session(41)
        await bench.front.ask("/", connection=42)
        assert [connection.number for connection in bench.ended] == [41]

    run(main())


def test_credits_are_kept_back_while_the_worker_is_overloaded() -> None:
    """They follow as CREDIT when it has room again."""
    overloaded = True

    async def main() -> None:
        nonlocal overloaded
        channel = Channel(
            asyncio.get_running_loop(),
            hello,
            capacity=2,
            applications={b"1:/": ROOT},
            report_event=lambda event, text: pytest.fail(text),
            is_overloaded=lambda: overloaded,
        )
        CLOSERS.append(channel.close)
        front = Front()
        channel.attach(front.link, front.side)
        for _ in range(2):
            assert (await front.ask("/")).credit == 0
        assert front.credit == 2
        channel.release_credit()
        assert (await front.ask("/")).credit == 0
        overloaded = False
        channel.release_credit()
        await front.until(lambda: front.credit == 5)
        assert (await front.ask("/")).credit == 1

    run(main())


def test_fronts_that_share_a_worker_get_equal_parts_and_no_more_runs_than_it_takes() -> None:
    """Of seven requests three each. Of one, each may send one; the second runs when the first has ended."""
    running: list[str] = []
    gates: dict[str, asyncio.Event] = {}

    async def serve(exchange: Exchange) -> None:
        running.append(exchange.target)
        await gates.setdefault(exchange.target, asyncio.Event()).wait()
        exchange.send_complete(0, OK, HEAD, b"")

    async def main() -> None:
        for capacity, expected in ((7, 3), (1, 1)):
            bench, other = Bench(serve, capacity=capacity), Front()
            first = Front()
            bench.channel.attach(first.link, first.side, place=0, fronts=2)
            bench.channel.attach(other.link, other.side, place=1, fronts=2)
            await first.until(lambda front=first, credit=expected: front.credit == credit)  # type: ignore[misc]
            await other.until(lambda front=other, credit=expected: front.credit == credit)  # type: ignore[misc]
        numbers = first.send("/a"), other.send("/b")
        await until(lambda: bench.channel.requests_in_hand == 2 and running)
        for _ in range(10):  # turns in which the other one would begin, too
            await asyncio.sleep(0)
        assert running == ["/a"]
        bench.channel.put_in_front(None)  # as at the end of a trace: turns are taken all the same
        gates["/a"].set()
        await first.answer(numbers[0])
        await until(lambda: running == ["/a", "/b"])
        gates["/b"].set()
        assert (await other.answer(numbers[1])).credit == 1

    run(main())


@pytest.mark.parametrize(
    ("kind", "number", "body"),
    [(Kind.CREDIT, 0, b""), (Kind.REQUEST, 1, b"short"), (Kind.WINDOW, 1, b"xx"), (Kind.BODY, 1, b"unasked")],
)
def test_a_front_that_breaks_the_dialogue_loses_its_link(kind: Kind, number: int, body: bytes) -> None:
    """A frame that is not legal closes the link; other links would live on."""

    async def serve(exchange: Exchange) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        bench = Bench(serve)
        bench.front.send("/")
        bench.front.say(kind, number, body)
        await bench.front.closed
        assert len(bench.errors) == 1

    run(main())


def test_the_channel_works_on_the_standard_librarys_loop_too() -> None:
    """asyncio's own loop is the fallback where uvloop is missing."""

    async def main() -> None:
        assert (await Bench(hello).front.ask("/")).status == 200

    run(main(), plain=True)


def test_what_fails_in_the_plain_calls_costs_one_request() -> None:
    """The requests that came with it are served, and the channel drains."""

    def fail(exchange: Exchange) -> Awaitable[None] | None:
        if exchange.request.raw_target == "/bad":
            raise LookupError("ours")
        return hello(exchange)

    async def main() -> None:
        bench = Bench(hello)
        bench.channel.ask_first(fail)
        numbers = [bench.front.send(target) for target in ("/bad", "/good")]
        bad, good = [await bench.front.answer(number) for number in numbers]
        assert (bad.status, bad.credit, good.text) == (500, 1, "Hello /good")
        assert bench.errors == ["plugin-error: request 7-1 (/bad) failed in the worker itself: LookupError('ours')"]
        assert bench.channel.requests_in_hand == 0

    run(main())


def test_a_number_of_requests_is_told_when_it_is_served_and_soon_if_it_is_already() -> None:
    """Neither before nor again; 0 is never."""
    told: list[int] = []

    async def main() -> None:
        bench = Bench(hello)
        bench.channel.tell_when_served(3, told.append)
        for count, expected in ((1, []), (2, []), (3, [3]), (4, [3])):
            await bench.front.ask(f"/{count}")
            await asyncio.sleep(0)
            assert told == expected
        bench.channel.tell_when_served(2, told.append)
        await asyncio.sleep(0)
        assert told == [3, 4]
        bench.channel.tell_when_served(0, told.append)
        await bench.front.ask("/5")
        await asyncio.sleep(0)
        assert told == [3, 4]

    run(main())
