"""FastCGI with processes of our own, run for real: IIS's process manager, one test for each rule."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pluggy
import pytest
import uvloop

from extensions import fastcgi
from host.api import ClientGone, HttpError, hookspecs
from host.api.whole_body import WholeBody
from host.config.cgi_settings import Cgi
from host.config.fastcgi import FastCgiApplication
from host.config.model import PathSettings
from tests.extensions.cgi_rig import StandingLoop, wait_until_gone, whole_body
from tests.extensions.fastcgi_rig import APPLICATION, FastCgiRig
from tests.extensions.requests import open_descriptors
from tests.gateway.sample_request import PieceBody
from tests.spawner.spawner_process import SpawnerProcess

MEGABYTE = 1024 * 1024
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnerProcess]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))  # uvloop keeps two descriptors from its first loop on
    process = SpawnerProcess()
    yield process
    process.close()


@pytest.fixture
def rig(tmp_path: Path, spawner: SpawnerProcess) -> Iterator[FastCgiRig]:
    before = open_descriptors()
    tempfile.tempdir = str(tmp_path)  # as TMPDIR of the pool is
    made = FastCgiRig(tmp_path, spawner)
    yield made
    tempfile.tempdir = None
    for pid in made.pids():
        wait_until_gone(pid)
    assert open_descriptors() <= before, "a descriptor was leaked"  # garbage of an earlier test may go meanwhile
    assert not list(tmp_path.glob("isapy-fastcgi-*")), "a folder of a socket was left"


@pytest.fixture
def standing(rig: FastCgiRig) -> FastCgiRig:
    """The rig with a clock that stands."""
    rig.new_loop = StandingLoop
    return rig


def number(error: HttpError) -> str:
    return f"{error.status}.{error.substatus}"


def refused(rig: FastCgiRig, query: str, **options: object) -> HttpError:
    """The HttpError that a request ends with."""
    with pytest.raises(HttpError) as found:
        rig.get(query, **options)  # type: ignore[arg-type]
    return found.value


async def refusal(rig: FastCgiRig, query: str) -> HttpError:
    """The same inside a loop."""
    with pytest.raises(HttpError) as found:
        await rig.ask(query)
    return found.value


# --- what it is ------------------------------------------------------------------------------------------------------


def test_it_is_iis_fastcgi_module_and_stays_in_inetinfo() -> None:
    """Its name in <handlers>, its place in IIS 5 isolation mode, hooks that match the specification."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(fastcgi)
    manager.check_pending()
    assert manager.hook.module_names() == [("FastCgiModule",)]
    assert manager.hook.in_process_only() == [True]


def test_a_worker_without_fastcgi_pays_nothing_for_it() -> None:
    """Loading the plugin imports nothing of the process manager: the first request does."""
    code = "import sys, extensions.fastcgi; print(any(name.startswith('host.fastcgi') for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "False\n"


# --- what the application is given -----------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("protocol", ["NamedPipe", "Tcp"])
def test_variables_of_a_request(rig: FastCgiRig, loop: str, protocol: str) -> None:
    """Those of CGI, with what PHP looks at; over both protocols, with either event loop."""
    if loop == "asyncio":
        rig.new_loop = asyncio.new_event_loop
    rig.configure(protocol=protocol)
    answer = rig.get("environment", [("Proxy", "http://evil"), ("Authorization", "x")], path_info="/a b")
    found = dict(line.split("=", 1) for line in answer.body.decode().splitlines())
    assert answer.fields == [("Content-Type", "text/plain")]
    assert found["SCRIPT_FILENAME"] == str(rig.folder / "app.fcgi")
    assert (found["DOCUMENT_ROOT"], found["REDIRECT_STATUS"]) == (str(rig.folder), "200")
    assert (found["PATH_INFO"], found["PATH_TRANSLATED"]) == ("/a b", f"{rig.folder}/a b")
    assert (found["QUERY_STRING"], found["REQUEST_METHOD"]) == ("environment", "GET")
    assert not {"CONTENT_LENGTH", "HTTP_PROXY", "HTTP_AUTHORIZATION", "NOTES"} & found.keys()


def test_environment_of_the_process(rig: FastCgiRig) -> None:
    """The pool's variables, the application's own, no other; how many requests php-cgi shall answer."""
    rig.configure(environment_variables=(("APP_MODE", "live"),), instance_max_requests=17)

    async def work() -> dict[str, str]:
        pid, _ = await rig.process()
        text = Path(f"/proc/{pid}/environ").read_bytes().decode()
        return dict(entry.split("=", 1) for entry in text.split("\0") if entry)

    os.environ["ISAPY_TEST_SECRET"] = "leaked"
    try:
        found = rig.run(work)
    finally:
        del os.environ["ISAPY_TEST_SECRET"]
    assert (found["APP_MODE"], found["NOTES"], found["PHP_FCGI_MAX_REQUESTS"]) == ("live", str(rig.notes), "17")
    allowed = {"APP_MODE", "NOTES", "PHP_FCGI_MAX_REQUESTS", "UNIQUE_ID", "PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH"}
    assert found.keys() <= allowed | {"LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE"}


def test_variables_larger_than_a_record(rig: FastCgiRig) -> None:
    """More than 65535 bytes of PARAMS, and no kernel limit as for a CGI program."""
    found = rig.get("environment", [("X-Large", "v" * 300_000)]).body
    assert b"HTTP_X_LARGE=" + b"v" * 300_000 in found


def test_authorization_is_passed_when_configured(rig: FastCgiRig) -> None:
    """cgi/@passAuthorization holds for every carrier: PHP_AUTH_USER needs it."""
    settings = PathSettings(fastcgi=(rig.application,), cgi=Cgi(pass_authorization=True))
    assert (
        b"HTTP_AUTHORIZATION=Basic x" in rig.get("environment", [("Authorization", "Basic x")], settings=settings).body
    )


@pytest.mark.parametrize("size", [1, 65536, 65537, 20_000_000])
@pytest.mark.parametrize("is_chunked", [False, True])
def test_body_comes_back_as_it_went_in(rig: FastCgiRig, size: int, is_chunked: bool) -> None:
    """An application that answers while it reads: no deadlock, whatever the size; a chunked body is counted first."""
    data = os.urandom(4096) * (size // 4096) + b"x" * (size % 4096)
    pieces = [data[start : start + 50000] for start in range(0, size, 50000)]
    fields = [] if is_chunked else [("Content-Length", str(size))]
    answer = rig.get("echo", fields, method="POST", body=PieceBody(pieces, None if is_chunked else size))
    assert answer.response.headers["X-Length"] == str(size)
    assert answer.body == data


def test_a_small_body_that_is_here_needs_no_task(rig: FastCgiRig) -> None:
    """It goes with the request's beginning; what a filter refuses is refused before any process hears of it."""

    async def work() -> tuple[bytes, HttpError, tuple[int, int]]:
        await rig.process()
        answer = await rig.ask("echo", [("Content-Length", "5")], method="POST", body=WholeBody(b"hello"))
        refused = WholeBody(b"hello")
        refused.refuse_above(4, HttpError(413, 1, "too much"))
        with pytest.raises(HttpError) as found:
            await rig.ask("echo", [("Content-Length", "5")], method="POST", body=refused)
        return answer.body, found.value, await rig.process()

    body, error, (_, served) = rig.run(work)
    assert (body, number(error), served) == (b"hello", "413.1", 3)
    assert rig.tasks_needed == [True, False, False]


def test_empty_post_announces_zero(rig: FastCgiRig) -> None:
    """As a CGI program gets it."""
    answer = rig.get("echo", [("Content-Length", "0")], method="POST")
    assert (answer.response.headers["X-Length"], answer.body) == ("0", b"")


def test_body_that_is_never_read_blocks_nothing_and_spoils_nothing(rig: FastCgiRig) -> None:
    """The answer is delivered; the next request of that process does not get the rest of the body."""
    rig.configure(max_instances=1)

    async def work() -> tuple[bytes, tuple[int, int]]:
        size = 50_000_000
        body = PieceBody((b"x" * 100_000 for _ in range(500)), size)
        answer = await rig.ask("ignore", [("Content-Length", str(size))], method="POST", body=body)
        return answer.body, await rig.process()

    answer, (_, served) = rig.run(work)
    assert (answer, served) == (b"not read\n", 2)


# --- what it answers -------------------------------------------------------------------------------------------------


def test_head_rules_are_those_of_cgi(rig: FastCgiRig) -> None:
    """Status, redirects by the server and by the client, a cookie beside them, a refusal, 304 without a body."""
    assert (rig.answer("Status: 404 Lost\\nContent-Type: a/b\\n\\nno").response.reason) == "Lost"
    assert rig.answer("Location: /other.txt?a=1\\n\\n").response.internal_target == "/other.txt?a=1"
    answer = rig.answer("Location: http://www.example.com/\\n\\nown")
    assert (answer.status, b"Object moved" in answer.body) == (302, True)
    answer = rig.answer("Location: /x\\nSet-Cookie: a=1\\n\\n")
    assert (answer.status, answer.response.headers["Set-Cookie"]) == (302, "a=1")
    assert rig.answer("Status: 401 No\\nContent-Type: a/b\\n\\n").response.substatus == 5
    assert rig.answer('Status: 304 Not Modified\\nETag: "x"\\n\\nignored').body == b""


def test_head_gets_no_body_and_keeps_the_announced_length(rig: FastCgiRig) -> None:
    """The application may send one; its process is free for the next request all the same."""
    rig.configure(max_instances=1)

    async def work() -> tuple[str, bytes, tuple[int, int]]:
        fields = [("X-Answer", "Content-Type: text/plain\\nContent-Length: 5\\n\\nhello")]
        answer = await rig.ask("answer", fields, method="HEAD")
        return answer.response.headers["Content-Length"], answer.body, await rig.process()

    length, body, (_, served) = rig.run(work)
    assert (length, body, served) == ("5", b"", 2)


@pytest.mark.parametrize(
    ("printed", "why"),
    [("no header\\n\\nx", "no header"), ("X-A: b\\n", "before the empty line"), ("", "printed nothing")],
)
def test_an_answer_that_is_none_is_502_2(rig: FastCgiRig, printed: str, why: str) -> None:
    """With what came, and an event that names the request."""
    with pytest.raises(HttpError) as found:
        rig.answer(printed)
    assert number(found.value) == "502.2"
    assert why in found.value.detail
    assert "8000000a-0001" in rig.event_texts("fastcgi-failed")[0]


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.kill()
        process.wait()


def start_server(rig: FastCgiRig, listening: socket.socket) -> AbstractContextManager[None]:
    """The test application, as somebody else runs it; it ends with the block."""
    command = [sys.executable, "-IS", str(APPLICATION)]
    return _ended(subprocess.Popen(command, stdin=listening.fileno(), env=rig.pool_environment))


@pytest.mark.parametrize(("printed", "why"), [("no header\\n\\nx", "no header"), ("", "printed nothing")])
def test_an_answer_that_is_none_of_a_server_names_the_server(rig: FastCgiRig, printed: str, why: str) -> None:
    """It runs by itself: whether it still runs, and how it is tried by hand, is not ours to say."""
    path = rig.folder / "server"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        server = start_server(rig, listening)
    rig.application = FastCgiApplication(full_path=f"unix:{path}")
    with server, pytest.raises(HttpError) as found:
        rig.answer(printed)
    assert number(found.value) == "502.2"
    assert why in found.value.detail
    for text in (found.value.detail, rig.event_texts("fastcgi-failed")[0]):
        assert f"the FastCGI server unix:{path}" in text
        assert "running" not in text
    assert "by hand" not in found.value.remedy


def test_padded_records_of_one_byte(rig: FastCgiRig) -> None:
    """A record for each byte makes no difference."""
    assert rig.get("byte-by-byte").body == b"slowly"


def test_an_application_status_is_its_own_business(rig: FastCgiRig) -> None:
    """Good output wins, as with CGI's exit status."""
    assert rig.get("status").body == b"good all the same"


def test_each_write_reaches_the_client(rig: FastCgiRig) -> None:
    """The first piece is there while the application waits for what the client makes of it."""
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)

    async def work() -> list[object]:
        response = await rig.respond(rig.request("lines", [("X-Fifo", str(fifo))]))
        pieces = aiter(response.body)  # type: ignore[arg-type]
        found: list[object] = [await anext(pieces)]
        await asyncio.to_thread(fifo.write_text, "seen\n")
        return found + [piece async for piece in pieces]

    assert rig.run(work) == [b"one\n", b"two seen\n"]


def test_large_output_waits_for_the_client(rig: FastCgiRig) -> None:
    """100 MB pass through; while nobody reads, the process is held up and not our memory."""

    async def work() -> int:
        response = await rig.respond(rig.request("bytes&100"))
        size = 0
        async for piece in response.body:  # type: ignore[union-attr]
            assert len(piece) <= MEGABYTE  # type: ignore[arg-type]
            size += len(piece)  # type: ignore[arg-type]
        return size

    assert rig.run(work) == 100 * MEGABYTE


# --- error text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "is_told"), [("ReturnStdErrIn500", True), ("ReturnGeneric500", False), ("TerminateProcess", False)]
)
def test_error_text_before_the_answer_replaces_it(rig: FastCgiRig, mode: str, is_told: bool) -> None:
    """500.0; the text is shown or not; the process lives on or not. Each line is an event that names the request."""
    rig.configure(stderr_mode=mode, max_instances=1)

    async def work() -> tuple[HttpError, tuple[int, int]]:
        first = await rig.process()
        error = await refusal(rig, "error")
        again = await rig.process()
        assert (again[0] == first[0]) == (mode != "TerminateProcess")
        return error, again

    error, _ = rig.run(work)
    assert number(error) == "500.0"
    assert ("PHP Warning: first\nsecond line" in error.detail) == is_told
    assert "PHP Warning: first" in rig.event_texts("fastcgi-stderr")[0]
    assert "(request 8000000a-0001)" in rig.event_texts("fastcgi-stderr")[0]


def test_error_text_is_ignored_where_that_is_asked_for(rig: FastCgiRig) -> None:
    """stderrMode IgnoreAndReturn200: the page, and the event."""
    assert rig.get("error").body == b"page"
    assert [text.rpartition(": ")[2] for text in rig.event_texts("fastcgi-stderr")] == ["first", "second line"]


def test_error_text_behind_the_head_changes_nothing(rig: FastCgiRig) -> None:
    """What has left cannot be taken back: an event only."""
    rig.configure(stderr_mode="ReturnStdErrIn500")
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)

    async def work() -> bytes:
        response = await rig.respond(rig.request("late-error", [("X-Fifo", str(fifo))]))
        await asyncio.to_thread(fifo.write_text, "the head has left\n")
        return await whole_body(response)

    assert rig.run(work) == b"x" * 100_000 + b"more"
    assert len(rig.event_texts("fastcgi-stderr")) == 1


def test_standard_error_of_the_process_is_tied_to_its_request(rig: FastCgiRig) -> None:
    """A traceback that goes to descriptor 2 and not through FastCGI."""

    async def work() -> str:
        await rig.ask("own-stderr")
        return await rig.event("fastcgi-stderr")

    text = rig.run(work)
    assert "(request 8000000a-0001)" in text
    assert "from the process itself" in text


# --- the life of processes -------------------------------------------------------------------------------------------


def test_a_process_is_used_again(rig: FastCgiRig) -> None:
    """One after the other: one process, one connection."""

    async def work() -> list[tuple[int, int]]:
        return [await rig.process() for _ in range(5)]

    found = rig.run(work)
    assert {pid for pid, _ in found} == {rig.pids()[0]}
    assert [served for _, served in found] == [1, 2, 3, 4, 5]


def test_a_process_does_not_interrupt_who_gives_it_requests(rig: FastCgiRig) -> None:
    """Its scheduling policy is that of programs that compute."""

    async def work() -> int:
        pid, _ = await rig.process()
        return os.sched_getscheduler(pid)

    assert rig.run(work) == os.SCHED_BATCH


def test_short_answers_need_no_task_and_come_in_the_order_of_asking(rig: FastCgiRig) -> None:
    """One process, twenty requests at once: only the one for which it is started has a task of the event loop."""
    rig.configure(max_instances=1)

    async def work() -> list[int]:
        found = await asyncio.gather(*(rig.process() for _ in range(20)))
        return [served for _, served in found]

    assert rig.run(work) == list(range(1, 21))
    assert sorted(rig.tasks_needed) == [False] * 19 + [True]


def test_a_client_that_leaves_the_line_is_passed_over(rig: FastCgiRig) -> None:
    """Its place goes to those behind it; the process never hears of it."""
    rig.configure(max_instances=1)
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)

    async def work() -> list[int]:
        await rig.process()
        first = asyncio.ensure_future(rig.ask("lines", [("X-Fifo", str(fifo))]))
        waiting = [asyncio.ensure_future(rig.process()) for _ in range(5)]
        await rig.line_of(5)
        for leaving in (waiting[0], waiting[4]):
            leaving.cancel()
        await asyncio.wait([waiting[0], waiting[4]])
        await rig.line_of(3)
        await asyncio.to_thread(fifo.write_text, "seen\n")
        assert (await first).body == b"one\ntwo seen\n"
        return [served for _, served in await asyncio.gather(*waiting[1:4])]

    assert rig.run(work) == [3, 4, 5]


def test_an_application_that_closes_its_connection_is_connected_to_again(rig: FastCgiRig) -> None:
    """Many libraries take no notice of the flag that keeps it open."""

    async def work() -> tuple[bytes, tuple[int, int]]:
        return (await rig.ask("close")).body, await rig.process()

    answer, (_, served) = rig.run(work)
    assert (answer, served) == (b"closes", 2)


def test_an_application_that_ends_behind_its_answer_is_no_failure(rig: FastCgiRig) -> None:
    """As php-cgi does when it has answered enough; the next request never notices."""
    rig.configure(max_instances=1, rapid_fails_per_minute=1)

    async def work() -> set[int]:
        found = set()
        for _ in range(4):
            found.add((await rig.process())[0])
            await rig.ask("leave")
        return found

    assert len(rig.run(work)) == 4
    assert rig.event_texts("fastcgi-failed") == []


def test_who_waits_behind_the_last_answer_of_a_process_is_answered_by_another(rig: FastCgiRig) -> None:
    """It is given to the process that has just answered, without a look whether that lives on."""
    rig.configure(max_instances=1, rapid_fails_per_minute=1)

    async def work() -> list[int]:
        _, *found = await asyncio.gather(rig.ask("leave"), rig.process(), rig.process())
        return [served for _, served in found]

    assert sorted(rig.run(work)) == [1, 2]
    assert rig.event_texts("fastcgi-failed") == []


def test_requests_at_once_get_processes_up_to_the_limit_and_wait(rig: FastCgiRig) -> None:
    """maxInstances 3: no fourth process, and forty requests are answered."""
    rig.configure(max_instances=3)

    async def work() -> list[tuple[int, int]]:
        return await asyncio.gather(*(rig.process() for _ in range(40)))

    found = rig.run(work)
    assert len({pid for pid, _ in found}) <= 3
    assert len(rig.pids()) <= 3


def test_a_full_queue_refuses_with_503_4(rig: FastCgiRig) -> None:
    """queueLength requests may wait; a client that leaves makes room."""
    rig.configure(max_instances=1, queue_length=1)

    async def work() -> HttpError:
        busy = asyncio.ensure_future(rig.ask("until-abort"))
        await rig.note("waits")
        waiting = asyncio.ensure_future(rig.ask("process"))
        await asyncio.sleep(0)
        error = await refusal(rig, "process")
        waiting.cancel()
        await asyncio.wait([waiting])
        second = asyncio.ensure_future(rig.ask("process"))
        await asyncio.sleep(0)
        busy.cancel()
        assert (await second).status == 200
        return error

    assert number(rig.run(work)) == "503.4"


def test_a_process_is_replaced_after_its_requests(rig: FastCgiRig) -> None:
    """instanceMaxRequests."""
    rig.configure(instance_max_requests=2, max_instances=1)

    async def work() -> list[int]:
        return [(await rig.process())[1] for _ in range(5)]

    assert rig.run(work) == [1, 2, 1, 2, 1]
    assert "it has answered 2 requests" in rig.event_texts("fastcgi-process-ended")[0]


def test_an_idle_process_is_ended(standing: FastCgiRig) -> None:
    """idleTimeout; the next request starts another one."""
    standing.configure(idle_timeout_seconds=20)

    async def work() -> tuple[int, int, int]:
        first, _ = await standing.process()
        standing.pass_seconds(19)
        await asyncio.sleep(0)
        second, _ = await standing.process()
        standing.pass_seconds(21)
        await standing.event("fastcgi-process-ended")
        third, _ = await standing.process()
        return first, second, third

    first, second, third = standing.run(work)
    assert first == second != third
    assert "idle for 20 seconds" in standing.event_texts("fastcgi-process-ended")[0]


def test_a_changed_file_replaces_the_processes(rig: FastCgiRig) -> None:
    """monitorChangesTo: idle ones at once, the next request gets a new one."""
    file = rig.folder / "php.ini"
    file.write_text("a=1\n")
    rig.configure(monitor_changes_to=str(file), max_instances=1)

    async def work() -> tuple[int, int, int]:
        first, _ = await rig.process()
        second, _ = await rig.process()
        file.write_text("a=1\nb=2\n")
        third, _ = await rig.process()
        return first, second, third

    first, second, third = rig.run(work)
    assert first == second != third


def test_changed_settings_replace_the_processes(rig: FastCgiRig) -> None:
    """A worker that lives through a change of the configuration (disallowRotationOnConfigChange) obeys it."""

    async def work() -> tuple[int, int]:
        first, _ = await rig.process()
        rig.configure(instance_max_requests=100)
        second, _ = await rig.process()
        return first, second

    first, second = rig.run(work)
    assert first != second


@pytest.mark.parametrize(("grace", "is_killed"), [(0, True), (1, True)])
def test_a_process_that_ignores_sigterm_is_killed_after_the_grace(rig: FastCgiRig, grace: int, is_killed: bool) -> None:
    """signalBeforeTerminateSeconds; 0 are the two seconds of every program."""
    rig.configure(more_arguments="--deaf", signal_before_terminate_seconds=grace, instance_max_requests=1)

    async def work() -> str:
        await rig.process()
        return await rig.event("fastcgi-process-ended")

    assert ("was killed by SIGKILL" in rig.run(work)) == is_killed


# --- failures --------------------------------------------------------------------------------------------------------


def test_a_process_that_exits_before_its_answer(rig: FastCgiRig) -> None:
    """500.0 with its exit status, an event, and a new process for the next request."""

    async def work() -> HttpError:
        error = await refusal(rig, "exit&7")
        assert (await rig.process())[1] == 1
        return error

    error = rig.run(work)
    assert (number(error), error.win32_status) == ("500.0", 7)
    assert "exited with status 7" in error.detail
    assert "(request 8000000a-0001)" in rig.event_texts("fastcgi-failed")[0]


def test_a_process_that_is_gone_before_it_has_read_a_request_costs_nobody_an_answer(rig: FastCgiRig) -> None:
    """It had answered before: another one gets the request, if that has no body."""
    rig.configure(max_instances=1)

    async def work() -> tuple[int, int]:
        first, _ = await rig.process()
        os.kill(first, 9)
        second, _ = await rig.process()
        return first, second

    first, second = rig.run(work)
    assert first != second


@pytest.mark.parametrize(("method", "expected"), [("GET", "200"), ("POST", "500.0")])
def test_a_request_that_was_given_to_a_process_that_goes_away(rig: FastCgiRig, method: str, expected: str) -> None:
    """It had answered before and hangs up without a word: another one gets GET; POST may have been carried out."""
    rig.configure(max_instances=1)

    async def work() -> str:
        await rig.ask("hang-up-next")
        try:
            return str((await rig.ask("process", method=method)).status)
        except HttpError as error:
            return number(error)

    assert rig.run(work) == expected
    assert len(rig.event_texts("fastcgi-failed")) == (method == "POST")


@pytest.mark.parametrize(("method", "expected"), [("GET", "another 1"), ("POST", "500.0")])
def test_what_a_process_writes_behind_its_end_is_not_the_next_answer(
    rig: FastCgiRig, method: str, expected: str
) -> None:
    """In a packet of its own, when the next request is under way: the process is ended, another one gets GET."""
    rig.configure(max_instances=1)

    async def work() -> str:
        first, _ = await rig.process()
        await rig.ask("late-output")
        try:
            pid, served = (await rig.ask("process", method=method)).body.split()
        except HttpError as error:
            return number(error)
        return f"{'the same' if int(pid) == first else 'another'} {int(served)}"

    assert rig.run(work) == expected
    assert "came behind the end of its request" in rig.event_texts("fastcgi-failed")[0]


def test_an_application_that_answers_as_request_1_whatever_it_is_asked(rig: FastCgiRig) -> None:
    """Such are written where only servers that never ask as anything else are known."""
    rig.configure(more_arguments="--always-one")

    async def work() -> list[tuple[int, int]]:
        return [await rig.process() for _ in range(3)]

    answers = rig.run(work)
    assert [served for _, served in answers] == [1, 2, 3]
    assert not rig.event_texts("fastcgi-failed")


def test_a_process_that_dies_in_its_page_cuts_it(rig: FastCgiRig) -> None:
    """What has been sent stays; the end is an error, never a silent one."""

    async def work() -> bytes:
        response = await rig.respond(rig.request("die-in-body"))
        pieces, found = aiter(response.body), b""  # type: ignore[arg-type]
        while len(found) < 100_000:
            found += await anext(pieces)  # type: ignore[operator]
        with pytest.raises(HttpError, match="SIGKILL"):
            await anext(pieces)
        return found

    assert rig.run(work) == b"x" * 100_000


def test_what_is_no_fastcgi_is_502_2_and_ends_the_process(rig: FastCgiRig) -> None:
    """HTTP instead of records."""

    async def work() -> HttpError:
        error = await refusal(rig, "garbage")
        assert (await rig.process())[1] == 1
        return error

    error = rig.run(work)
    assert number(error) == "502.2"
    assert "does not speak FastCGI" in error.detail


@pytest.mark.parametrize(("status", "expected"), [(1, "502.2"), (2, "503.4"), (3, "502.2"), (99, "502.2")])
def test_a_request_that_the_application_refuses(rig: FastCgiRig, status: int, expected: str) -> None:
    """END_REQUEST's protocolStatus: CANT_MPX_CONN, OVERLOADED, UNKNOWN_ROLE, and what nobody knows."""
    assert number(refused(rig, f"overloaded&{status}")) == expected


@pytest.mark.parametrize(
    ("word", "note", "changes"),
    [
        ("hang", "hangs", {"activity_timeout_seconds": 20, "request_timeout_seconds": 1000}),
        ("hang", "hangs", {"activity_timeout_seconds": 1000, "request_timeout_seconds": 20}),
    ],
)
def test_a_limit_that_has_passed_ends_the_process(
    standing: FastCgiRig, word: str, note: str, changes: dict[str, int]
) -> None:
    """500.0 with WAIT_TIMEOUT, the event, and the next request gets another process."""
    standing.configure(max_instances=1, **changes)

    async def work() -> HttpError:
        answer = asyncio.ensure_future(standing.ask(word))
        pid = await standing.note(note)
        standing.pass_seconds(19)
        await asyncio.sleep(0)
        assert not answer.done()
        standing.pass_seconds(2)
        with pytest.raises(HttpError) as found:
            await answer
        assert (await standing.process())[0] != pid
        return found.value

    error = standing.run(work)
    assert (number(error), error.win32_status) == ("500.0", 258)
    assert len(standing.event_texts("fastcgi-timeout")) == 1
    assert ("activityTimeout" if changes["activity_timeout_seconds"] == 20 else "requestTimeout") in error.detail


def test_the_request_limit_cuts_a_page_that_never_ends(standing: FastCgiRig) -> None:
    """It is active all the time."""
    standing.configure(request_timeout_seconds=20)

    async def work() -> None:
        answer = asyncio.ensure_future(standing.ask("drip"))
        await standing.note("drips")
        for _ in range(100):
            standing.pass_seconds(0.01)
            await asyncio.sleep(0)
        standing.pass_seconds(21)
        with pytest.raises(HttpError, match="requestTimeout"):
            await answer

    standing.run(work)


def test_too_many_failures_in_a_minute(standing: FastCgiRig) -> None:
    """rapidFailsPerMinute: 503.0 without a process being started, until the minute is over."""
    standing.configure(rapid_fails_per_minute=2, max_instances=1)

    async def work() -> list[str]:
        found = [number(await refusal(standing, "exit&1")) for _ in range(3)]
        found.append(number(await refusal(standing, "process")))
        standing.pass_seconds(61)
        found.append(str((await standing.ask("process")).status))
        return found

    assert standing.run(work) == ["500.0", "500.0", "500.0", "503.0", "200"]
    assert len(standing.event_texts("fastcgi-rapid-fail")) == 1
    assert len(standing.pids()) == 4


@pytest.mark.parametrize(
    ("application", "expected", "why"),
    [
        (FastCgiApplication(full_path="/nowhere/php-cgi"), "500.0", "No such file"),
        (FastCgiApplication(full_path="/etc/passwd"), "500.0", "Permission denied"),
        (FastCgiApplication(full_path="php-cgi"), "500.19", "no absolute path"),
        (FastCgiApplication(full_path="/bin/true", arguments="'open"), "500.19", "quotation"),
        (FastCgiApplication(full_path="unix:relative"), "500.19", "no absolute path of a socket"),
        (FastCgiApplication(full_path="unix:/nowhere/fpm.sock"), "502.0", "No such file"),
    ],
)
def test_what_cannot_be_started_is_explained(
    rig: FastCgiRig, application: FastCgiApplication, expected: str, why: str
) -> None:
    """The reason is in the error page's detail."""
    rig.application = application
    error = refused(rig, "process")
    assert number(error) == expected
    assert why in error.detail


def test_a_server_that_is_down_is_one_event_and_another_when_it_is_back(rig: FastCgiRig) -> None:
    """Not one for each request: thousands a second would hide everything else in the event log."""
    path = rig.folder / "server.sock"
    rig.application = FastCgiApplication(full_path=f"unix:{path}", stderr_mode="IgnoreAndReturn200")

    async def work() -> None:
        for _ in range(3):
            assert number(await refusal(rig, "process")) == "502.0"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(path))  # what is bound and does not listen refuses: another reason
        assert "refused" in (await refusal(rig, "process")).detail
        listening.listen()
        with listening, start_server(rig, listening):
            for _ in range(2):
                assert (await rig.ask("process")).status == 200

    rig.run(work)
    told = rig.event_texts("fastcgi-failed")
    assert ["No such file" in told[0], "refused" in told[1]] == [True, True]
    assert told[2:] == [f"the FastCGI server unix:{path} is reached again; 4 requests got 502.0"]


def test_a_process_that_ends_at_its_start_says_why(rig: FastCgiRig) -> None:
    """Its exit status and what it wrote to standard error."""
    rig.configure(more_arguments="--refuse-to-start")
    error = refused(rig, "process")
    assert number(error) == "500.0"
    assert "exited with status 4" in error.detail
    assert any("no configuration file" in text for text in rig.event_texts("fastcgi-stderr"))


def test_a_program_that_fastcgi_does_not_list_is_not_started(rig: FastCgiRig) -> None:
    """500.0 with the line to add: web.config can name only what the server's file has."""
    error = refused(rig, "process", processor=f"{sys.executable}|-c 1")
    assert number(error) == "500.0"
    assert f'<application fullPath="{sys.executable}" arguments="-c 1" />' in error.remedy


# --- clients that leave ----------------------------------------------------------------------------------------------


def test_a_client_that_leaves_aborts_its_request_and_the_process_lives_on(rig: FastCgiRig) -> None:
    """ABORT_REQUEST; an application that obeys it keeps its process."""
    rig.configure(max_instances=1)

    async def work() -> tuple[int, int]:
        answer = asyncio.ensure_future(rig.ask("until-abort"))
        pid = await rig.note("waits")
        answer.cancel()
        await rig.note("aborted")
        return pid, (await rig.process())[0]

    first, second = rig.run(work)
    assert first == second
    assert rig.event_texts("fastcgi-failed") == []


def test_a_form_behind_an_answer_that_nobody_waits_for_is_not_lost(rig: FastCgiRig) -> None:
    """The abort comes too late: the process closes the connection for it, and a POST may not be given twice."""
    rig.configure(max_instances=1)
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)

    async def work() -> bytes:
        pid, _ = await rig.process()
        leaving = asyncio.ensure_future(rig.ask("lines", [("X-Fifo", str(fifo))]))
        await asyncio.sleep(0)
        fields = [("Content-Length", "4")]
        form = asyncio.ensure_future(rig.ask("echo", fields, method="POST", body=PieceBody([b"form"], 4)))
        await rig.line_of(1)
        leaving.cancel()
        await asyncio.wait([leaving])
        await asyncio.to_thread(fifo.write_text, "seen\n")
        answer = (await form).body
        assert (await rig.process())[0] == pid
        return answer

    assert rig.run(work) == b"form"
    assert rig.event_texts("fastcgi-failed") == []


def test_a_process_that_does_not_obey_an_abort_is_ended(standing: FastCgiRig) -> None:
    """Five seconds later; nobody waits for it meanwhile."""
    standing.configure(max_instances=1)

    async def work() -> tuple[int, int]:
        answer = asyncio.ensure_future(standing.ask("hang"))
        pid = await standing.note("hangs")
        answer.cancel()
        await asyncio.wait([answer])
        waiting = asyncio.ensure_future(standing.process())
        standing.pass_seconds(6)
        return pid, (await waiting)[0]

    first, second = standing.run(work)
    assert first != second
    assert "its client had left" in standing.event_texts("fastcgi-process-ended")[0]


class LeavingBody(PieceBody):
    """A client that leaves in the middle of its body."""

    async def read_some(self) -> bytes:
        piece = self.read_some_blocking()
        if not piece:
            raise ClientGone
        return piece


def test_a_client_that_leaves_in_its_body(rig: FastCgiRig) -> None:
    """The request ends; the process is told, and is free again."""

    async def work() -> None:
        first, _ = await rig.process()
        body = LeavingBody([b"x" * 100_000], 200_000)
        with pytest.raises(ClientGone):
            await rig.ask("echo", [("Content-Length", "200000")], method="POST", body=body)
        while first not in {process for process, _ in await asyncio.gather(rig.process(), rig.process())}:
            pass

    rig.run(work)


class SlowBody(PieceBody):
    """A client that sends the rest when it is told to."""

    def __init__(self, size: int) -> None:
        super().__init__([b"x" * 1000], size)
        self.goes_on = asyncio.Event()
        self._rest = b"y" * (size - 1000)

    @property
    def is_complete(self) -> bool:
        return False

    async def read_some(self) -> bytes:
        if piece := self.read_some_blocking():
            return piece
        await self.goes_on.wait()
        piece, self._rest = self._rest, b""
        return piece


@pytest.mark.parametrize("instances", [1, 2])
def test_clients_that_send_slowly_leave_half_of_the_processes_to_others(rig: FastCgiRig, instances: int) -> None:
    """One of two may be fed as the body comes; the bodies of all others are collected first, and come whole."""
    rig.configure(max_instances=instances)
    size = 200_000
    fields = [("Content-Length", str(size))]

    async def work() -> list[bytes]:
        slow = [SlowBody(size) for _ in range(4)]
        answers = [asyncio.ensure_future(rig.ask("echo", fields, method="POST", body=body)) for body in slow]
        for _ in range(3):
            await rig.process()
        at_once = await rig.ask("echo", fields, method="POST", body=PieceBody([b"z" * size], size))
        for body in slow:
            body.goes_on.set()
        return [at_once.body, *[answer.body for answer in await asyncio.gather(*answers)]]

    assert rig.run(work) == [b"z" * size, *[b"x" * 1000 + b"y" * (size - 1000)] * 4]
