"""CGI programs, run for real: RFC 3875 and IIS's behaviour, one test for each rule."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import uvloop

from extensions import cgi
from host.api import ClientGone, HttpError, Request, Response
from host.config.cgi_settings import Cgi
from host.config.model import PathSettings, Restriction
from tests.extensions.cgi_rig import (
    PROGRAMS,
    SETTINGS,
    CgiRig,
    StandingLoop,
    as_moments_pass,
    compile_program,
    plugin_manager,
    wait_until_gone,
    whole_body,
)
from tests.extensions.requests import open_descriptors
from tests.gateway.sample_request import PieceBody
from tests.spawner.spawner_process import SpawnerProcess

MEGABYTE = 1024 * 1024
ONE_SECOND = replace(SETTINGS, cgi=Cgi(timeout_seconds=1))
TEN_SECONDS = replace(SETTINGS, cgi=Cgi(timeout_seconds=10))


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnerProcess]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))  # uvloop keeps two descriptors from its first loop on
    process = SpawnerProcess()
    yield process
    process.close()


@pytest.fixture
def rig(tmp_path: Path, spawner: SpawnerProcess) -> Iterator[CgiRig]:
    before = open_descriptors()
    made = CgiRig(tmp_path, spawner)
    yield made
    assert open_descriptors() <= before, "a descriptor was leaked"  # garbage of an earlier test may go meanwhile


@pytest.fixture
def standing(rig: CgiRig) -> CgiRig:
    """The rig with a clock that stands."""
    rig.new_loop = StandingLoop
    return rig


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("compiled")
    return {name: compile_program(f"{name}.c", folder) for name in ("hello", "background_child")}


def refused(rig: CgiRig, script: str | Path, **options: object) -> HttpError:
    """The HttpError that a request for `script` ends with."""
    with pytest.raises(HttpError) as found:
        rig.get(script, **options)  # type: ignore[arg-type]
    return found.value


def number(error: HttpError) -> str:
    return f"{error.status}.{error.substatus}"


# --- what it is --------------------------------------------------------------------------------------------------


def test_it_is_iis_cgi_module_and_stays_in_inetinfo() -> None:
    """Its name in <handlers>, its place in IIS 5 isolation mode, hooks that match the specification."""
    manager = plugin_manager()
    assert manager.hook.module_names() == [("CgiModule",)]
    assert manager.hook.in_process_only() == [True]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_compiled_program(rig: CgiRig, compiled: dict[str, Path], loop: str) -> None:
    """A C program, whole, with either event loop."""
    if loop == "asyncio":
        rig.new_loop = asyncio.new_event_loop
    answer = rig.get(compiled["hello"], raw_query="a=b")
    assert (answer.status, answer.fields, answer.body) == (
        200,
        [("Content-Type", "text/plain")],
        b"Hello from C, a=b\n",
    )
    assert rig.events == []


def test_a_short_answer_goes_out_whole(standing: CgiRig, compiled: dict[str, Path]) -> None:
    """Its end is waited for (ten milliseconds, which do not pass here), so that it needs one frame only."""
    assert standing.get(compiled["hello"]).response.body == b"Hello from C, \n"


# --- which program ------------------------------------------------------------------------------------------------


def test_indexed_query_becomes_arguments(rig: CgiRig) -> None:
    """Split at plus signs, decoded; nothing is ever given to a shell."""
    assert rig.get("arguments.pl", raw_query="a+b%20c+$(id)+%3Bls").body == b"[a]\n[b c]\n[$(id)]\n[;ls]\n"


@pytest.mark.parametrize("query", ["-d+x", "%2ds", "a=b", "a+b=c"])
def test_switches_and_form_data_are_no_arguments(rig: CgiRig, query: str) -> None:
    """CVE-2012-1823 is closed, and a form's query is no indexed one."""
    assert rig.get("arguments.pl", raw_query=query).body == b""


def test_script_processor_runs_a_file_that_is_not_executable(rig: CgiRig) -> None:
    """The interpreter of the mapping, the script's folder as working directory."""
    script = rig.write("x.pl", 'use Cwd; print "Content-Type: text/plain\\n\\n", getcwd(), "@ARGV";', mode=0o644)
    answer = rig.get(script, processor="/usr/bin/perl", raw_query="word")
    assert answer.body == bytes(rig.folder)  # no word: the template does not ask for them


def test_words_reach_an_interpreter_only_through_the_second_placeholder(rig: CgiRig) -> None:
    """IIS's template `perl.exe "%s" %s`; switches never."""
    template = '/usr/bin/perl "%s" %s'
    assert rig.get("arguments.pl", processor=template, raw_query="a+b").body == b"[a]\n[b]\n"
    assert rig.get("arguments.pl", processor=template, raw_query="-d+x").body == b""


def test_path_with_spaces_and_quotes_is_one_argument(rig: CgiRig) -> None:
    """No part of a path is ever split or expanded."""
    script = rig.write("a b'$(id).sh", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n%s' \"$0\"\n")
    assert rig.get(script).body == bytes(script)
    assert rig.get(script, processor="/bin/sh %s").body == bytes(script)


def test_bad_script_processor_is_a_configuration_error(rig: CgiRig) -> None:
    """500.19 that names it."""
    error = refused(rig, "environment.sh", processor="perl %s")
    assert number(error) == "500.19"
    assert "'perl %s'" in str(error)


def test_file_that_is_not_executable_is_refused_with_the_remedy(rig: CgiRig) -> None:
    """403.1 without a scriptProcessor: chmod +x."""
    script = rig.write("x.sh", "#!/bin/sh\n", mode=0o644)
    error = refused(rig, script)
    assert number(error) == "403.1"
    assert f"chmod +x {script}" in error.remedy


@pytest.mark.parametrize("path", ["/nowhere/x.sh", "/etc", "/etc/passwd/x", "/tmp/a\0b", "/dev/null"])
def test_what_is_no_file_is_not_found(rig: CgiRig, path: str) -> None:
    """Missing, a folder, below a file, a name with a zero byte, a device: 404.0."""
    assert number(refused(rig, "environment.sh", physical_path=path)) == "404.0"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("#!/nowhere/perl\n", "/nowhere/perl"),
        ("#!/nowhere/perl\r\n", "/nowhere/perl"),
        ("#!C:\\Perl\\bin\\perl.exe\r\n", '<add name="perl"'),
        ("echo no first line\n", "#! line"),
        ("MZ\x01\x00\x03", "a program of Windows"),
    ],
)
def test_script_that_cannot_be_started_is_explained(rig: CgiRig, text: str, why: str) -> None:
    """502.2 with the remedy, and an event: interpreter missing, one of Windows, no `#!` line, no program of Linux."""
    error = refused(rig, rig.write("x.sh", text))
    assert number(error) == "502.2"
    assert why in error.remedy
    assert len(rig.event_texts("cgi-failed")) == 1


def test_unlisted_programs_need_permission(rig: CgiRig) -> None:
    """404.2: the restriction list decides by program or whole command line; unlisted ones by notListedCgisAllowed."""
    listed = Restriction(path=str(PROGRAMS / "ignores_body.sh"), allowed=True)
    strict = PathSettings(restrictions=(listed,))
    assert rig.get("ignores_body.sh", settings=strict).body == b"not read\n"
    error = refused(rig, "arguments.pl", settings=strict)
    assert number(error) == "404.2"
    assert str(PROGRAMS / "arguments.pl") in error.remedy
    assert number(refused(rig, "arguments.pl", processor="/usr/bin/perl", settings=strict)) == "404.2"
    perl = PathSettings(restrictions=(Restriction(path="/usr/bin/perl", allowed=True),))
    assert rig.get("arguments.pl", processor="/usr/bin/perl -w", settings=perl).status == 200
    denied = replace(SETTINGS, restrictions=(Restriction(path="/usr/bin/perl -w", allowed=False),))
    assert number(refused(rig, "arguments.pl", processor="/usr/bin/perl -w", settings=denied)) == "404.2"
    assert rig.get("arguments.pl", processor="/usr/bin/perl", settings=denied).status == 200


# --- what it is given -----------------------------------------------------------------------------------------------


def environment_of(body: bytes) -> tuple[str, dict[str, str]]:
    folder, *lines = body.decode().splitlines()
    return folder, dict(line.split("=", 1) for line in lines if "=" in line)


def test_environment_of_a_get(rig: CgiRig) -> None:
    """No body: no CONTENT_LENGTH, an empty QUERY_STRING; the script's folder; nothing of the worker leaks."""
    rig.pool_environment = {"GIT_PROJECT_ROOT": "/srv/git"}
    os.environ["ISAPY_TEST_SECRET"] = "leaked"
    try:
        answer = rig.get("environment.sh", [("Proxy", "http://evil"), ("Authorization", "Basic x"), ("X_A", "b")])
    finally:
        del os.environ["ISAPY_TEST_SECRET"]
    folder, found = environment_of(answer.body)
    assert folder == str(PROGRAMS)
    assert "CONTENT_LENGTH" not in found
    assert (found["QUERY_STRING"], found["REQUEST_METHOD"], found["REMOTE_ADDR"]) == ("", "GET", "127.0.0.1")
    assert found["SERVER_SOFTWARE"] == "isapy"
    assert found["GIT_PROJECT_ROOT"] == "/srv/git"
    assert not {"ISAPY_TEST_SECRET", "HTTP_PROXY", "HTTP_AUTHORIZATION", "HTTP_X_A", "PYTHONPATH"} & found.keys()
    of_request = r"(HTTP|SERVER|REMOTE|REQUEST|REDIRECT|APPL|INSTANCE|PATH|SCRIPT)_\w+|GATEWAY_INTERFACE|QUERY_STRING"
    of_server = "DOCUMENT_ROOT|HTTPS|LOCAL_ADDR|UNIQUE_ID|PATH|TZ|LANG|LANGUAGE|LC_ALL|LC_CTYPE|LD_LIBRARY_PATH"
    of_shell_and_pool = "PWD|OLDPWD|_|SHLVL|GIT_PROJECT_ROOT"
    allowed = re.compile(f"{of_request}|{of_server}|{of_shell_and_pool}")
    assert [name for name in found if not allowed.fullmatch(name)] == []


def test_authorization_is_passed_when_configured(rig: CgiRig) -> None:
    """cgi/@passAuthorization."""
    settings = replace(SETTINGS, cgi=Cgi(pass_authorization=True))
    answer = rig.get("environment.sh", [("Authorization", "Bearer x")], settings=settings)
    assert environment_of(answer.body)[1]["HTTP_AUTHORIZATION"] == "Bearer x"


def test_path_behind_a_script_can_be_refused(rig: CgiRig) -> None:
    """cgi/@acceptPathInfo="false" (Apache: AcceptPathInfo Off): 404.0, and nothing is started."""
    settings = replace(SETTINGS, cgi=Cgi(accept_path_info=False))
    assert number(refused(rig, "environment.sh", settings=settings, path_info="/more")) == "404.0"
    assert rig.get("environment.sh", settings=settings).status == 200


def test_path_info_and_its_translation(rig: CgiRig) -> None:
    """PATH_INFO decoded, PATH_TRANSLATED below the application, none for a path that climbs."""
    _, found = environment_of(rig.get("environment.sh", path_info="/a/b c").body)
    assert (found["PATH_INFO"], found["PATH_TRANSLATED"]) == ("/a/b c", f"{PROGRAMS}/a/b c")
    _, found = environment_of(rig.get("environment.sh", path_info="/../x").body)
    assert "PATH_TRANSLATED" not in found


@pytest.mark.parametrize("path_info", ["/a\0b", "/a\nb"])
def test_path_info_with_control_characters_is_refused_before_anything_starts(rig: CgiRig, path_info: str) -> None:
    """400.0; the program would have left a file."""
    script = rig.write("x.sh", f"#!/bin/sh\ntouch {rig.folder}/started\n")
    assert number(refused(rig, script, path_info=path_info)) == "400.0"
    assert not (rig.folder / "started").exists()


def test_environment_too_large_is_told(rig: CgiRig) -> None:
    """The kernel's limit for one value: 431."""
    assert number(refused(rig, "environment.sh", fields=[("X-Large", "v" * 200000)])) == "431.0"


def test_large_environment_within_the_limit(rig: CgiRig) -> None:
    """More than a packet between worker and spawner holds."""
    fields = [(f"X-Large-{index}", "v" * 100000) for index in range(4)]
    _, found = environment_of(rig.get("environment.sh", fields).body)
    assert [len(found[f"HTTP_X_LARGE_{index}"]) for index in range(4)] == [100000] * 4


def test_program_has_three_descriptors(rig: CgiRig) -> None:
    """0, 1 and 2, besides that of the listing."""
    assert rig.get("descriptors.sh").body.split() == [b"0", b"1", b"2", b"3"]


# --- the request's body ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 65536, 65537, 20_000_000])
def test_body_comes_back_as_it_went_in(rig: CgiRig, size: int) -> None:
    """A program that writes while it reads: no deadlock, whatever the size."""
    data = os.urandom(4096) * (size // 4096) + b"x" * (size % 4096)
    pieces = [data[start : start + 50000] for start in range(0, size, 50000)]
    fields = [("Content-Length", str(size))]
    answer = rig.get("echo_body.sh", fields, method="POST", body=PieceBody(pieces, size))
    assert answer.response.headers["X-Length"] == str(size)
    assert answer.body == data


@pytest.mark.parametrize("size", [0, 5, 262144, 3_000_000])
def test_chunked_body_is_counted_first(rig: CgiRig, size: int) -> None:
    """CONTENT_LENGTH is its decoded size; large ones go through a temporary file."""
    data = os.urandom(size)
    pieces = [data[start : start + 50000] for start in range(0, size, 50000)]
    fields = [("Transfer-Encoding", "chunked")]
    answer = rig.get("echo_body.sh", fields, method="POST", body=PieceBody(pieces, None))
    assert answer.response.headers["X-Length"] == str(size)
    assert answer.body == data


@pytest.mark.parametrize("size", [10, MEGABYTE])
def test_body_that_is_held_back_is_asked_for_only_when_the_program_does_not_refuse(standing: CgiRig, size: int) -> None:
    """Expect: 100-continue: a program that answers by the request's fields answers before a byte was sent; one that
    takes its time, because it reads, gets the body."""
    refuses = standing.write("refuses.sh", "#!/bin/sh\nprintf 'Status: 403 No\\n\\n'\n")
    fields = [("Expect", "100-continue"), ("Content-Length", str(size))]

    def post(script: str | Path) -> tuple[Request, PieceBody]:
        body = PieceBody([b"x" * size], length=size)
        return standing.request(script, fields, method="POST", body=body), body

    async def work() -> int:
        request, body = post(refuses)
        response = await cgi.handle(request)
        assert (response.status, body.bytes_read) == (403, 0)
        request, body = post("echo_body.sh")

        async def echo() -> bytes:
            return await whole_body(await cgi.handle(request))

        answer = asyncio.ensure_future(echo())
        while not answer.done():
            time_passes(0.001)
            await asyncio.sleep(0)
        return len(await answer)

    assert standing.run(work) == size


def test_empty_post_announces_zero(rig: CgiRig) -> None:
    """Content-Length: 0 from the client is CONTENT_LENGTH=0, which old scripts convert without a look."""
    answer = rig.get("echo_body.sh", [("Content-Length", "0")], method="POST")
    assert (answer.response.headers["X-Length"], answer.body) == ("0", b"")
    assert rig.get("echo_body.sh").response.headers["X-Length"] == "none"


@pytest.mark.parametrize("program", ["#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\nexec wc -c\n", "#!/no/such\n"])
def test_a_large_body_goes_into_the_pipe_while_the_program_is_started(rig: CgiRig, program: str) -> None:
    """All of it is there before the spawner, which stands still, has heard of the program; one that cannot be started
    is a 502 all the same."""
    size = 4 * 65536
    script = rig.write("x.sh", program)
    body = PieceBody([b"x" * 65536] * 4, size)
    stat = Path(f"/proc/{rig.spawner.process.pid}/stat")

    async def work() -> tuple[int, bytes]:
        before = open_descriptors()
        os.kill(rig.spawner.process.pid, signal.SIGSTOP)
        try:
            while stat.read_text().rpartition(")")[2].split()[0] != "T":  # noqa: ASYNC110 - it stops by itself
                await asyncio.sleep(0)
            answer = asyncio.ensure_future(cgi.handle(rig.request(script, method="POST", body=body)))
            while not body.is_at_end:  # noqa: ASYNC110 - the pipe takes it
                await asyncio.sleep(0)
            assert not answer.done()
        finally:
            os.kill(rig.spawner.process.pid, signal.SIGCONT)
        try:
            response = await answer
        except HttpError as failure:
            while open_descriptors() > before:  # noqa: ASYNC110 - the feeder lets go of the pipe
                await asyncio.sleep(0)
            return failure.status, b""
        return response.status, await whole_body(response)

    assert rig.run(work) == ((200, b"%d\n" % size) if "wc" in program else (502, b""))


def test_body_that_is_never_read_blocks_nothing(rig: CgiRig) -> None:
    """100 MB posted to a program that ends without a look at them: the answer is delivered."""
    size = 100_000_000
    body = PieceBody((b"x" * 100000 for _ in range(1000)), size)
    answer = rig.get("ignores_body.sh", [("Content-Length", str(size))], method="POST", body=body)
    assert answer.body == b"not read\n"


class LeavingBody(PieceBody):
    """A client that leaves in the middle of its body."""

    async def read_some(self) -> bytes:
        piece = self.read_some_blocking()
        if not piece:
            raise ClientGone
        return piece


def test_client_that_leaves_in_its_body_ends_the_program(rig: CgiRig) -> None:
    """The program waits for the rest in vain: it is killed, not left to its timeout. More comes than its pipe holds, so
    it has begun to read."""
    pid_file = rig.folder / "pid"
    script = rig.write("x.sh", f"#!/bin/sh\necho $$ > {pid_file}\nprintf 'Content-Type: a/b\\n\\n'\nexec cat\n")
    rig.get(script, method="POST", body=LeavingBody([b"x" * 100000] * 20, 3000000))
    wait_until_gone(int(pid_file.read_text()))


# --- the head of the answer -----------------------------------------------------------------------------------------


def test_headers_in_one_byte_writes(rig: CgiRig) -> None:
    """A write for each byte makes no difference."""
    answer = rig.get("byte_by_byte.pl")
    assert (answer.body, answer.response.headers["X-Slow"]) == (b"slowly", "yes")


def test_line_feed_only_and_http_status_line(rig: CgiRig) -> None:
    """As programs of the IIS era print."""
    answer = rig.answer("HTTP/1.0 404 Lost\\nContent-Type: text/plain\\n\\nno")
    assert (answer.status, answer.response.reason, answer.body) == (404, "Lost", b"no")


def test_good_output_wins_over_the_exit_status(rig: CgiRig) -> None:
    """Exit status 1 behind a complete page is the program's own business."""
    answer = rig.answer("Content-Type: text/plain\\n\\ngood\\n", exits="1")
    assert (answer.status, answer.body) == (200, b"good\n")


@pytest.mark.parametrize(
    ("printed", "exits", "why"),
    [
        ("", "0", "it printed nothing. It exited with status 0."),
        ("", "3", "It exited with status 3."),
        ("", "SIGSEGV", "It was killed by SIGSEGV."),
        ("Content-Type: text/plain\\n", "0", "before the empty line"),
        ("hello world\\n\\nbody", "0", "no header: 'hello world'"),
        ("<html>\\n<p>no head", "0", "no head"),
        ("Content-Type: a/b\\nX: a\\rb\\n\\n", "0", "no valid header"),
    ],
)
def test_output_that_is_no_answer_is_explained(rig: CgiRig, printed: str, exits: str, why: str) -> None:
    """502.2 with what it printed and how it ended, and an event with the request's id."""
    with pytest.raises(HttpError) as found:
        rig.answer(printed, exits=exits, id="8000000a-0001")
    assert number(found.value) == "502.2"
    assert why in found.value.detail
    (event,) = rig.event_texts("cgi-failed")
    assert "request 8000000a-0001" in event


def test_standard_error_explains_a_failure(rig: CgiRig) -> None:
    """It is part of the error page's detail and of the event; each line is an event of its own, tied to the request."""
    script = rig.write("x.sh", "#!/bin/sh\necho first >&2\necho 'second line' >&2\nexit 2\n")
    error = refused(rig, script, id="8000000a-0001")
    assert "first\nsecond line" in error.detail
    assert [text.rpartition(": ")[2] for text in rig.event_texts("cgi-stderr")] == ["first", "second line"]
    assert all("(request 8000000a-0001)" in text for text in rig.event_texts("cgi-stderr"))
    assert "first | second line" in rig.event_texts("cgi-failed")[0]


def test_flood_of_errors_before_the_headers(rig: CgiRig) -> None:
    """Ten megabytes on standard error do not hold up the answer, and do not flood the log."""
    assert rig.get("noisy.pl").body == b"still here\n"
    assert 200 <= len(rig.event_texts("cgi-stderr")) <= 202


def test_not_modified_has_no_body(rig: CgiRig) -> None:
    """Status: 304 and its fields, whatever is printed below."""
    answer = rig.answer('Status: 304 Not Modified\\nETag: "x"\\n\\nignored')
    assert (answer.status, answer.fields, answer.body) == (304, [("ETag", '"x"')], b"")


def test_head_gets_no_body_and_keeps_the_announced_length(rig: CgiRig) -> None:
    """The program may print one; the client never sees it."""
    answer = rig.answer("Content-Type: text/plain\\nContent-Length: 5\\n\\nhello", method="HEAD")
    assert (answer.response.headers["Content-Length"], answer.body) == ("5", b"")
    answer = rig.answer("Content-Type: text/plain\\n\\nhello", method="HEAD")
    assert not isinstance(answer.response.body, bytes)  # so that nobody announces a length of 0
    assert answer.body == b""


def test_refusal_by_the_program_is_401_5(rig: CgiRig) -> None:
    """IIS's substatus in the log."""
    answer = rig.answer("Status: 401 No\\nContent-Type: text/plain\\n\\nno")
    assert (answer.status, answer.response.substatus) == (401, 5)


def test_local_redirect(rig: CgiRig) -> None:
    """A path, with its query, is answered by the host itself; the host counts them."""
    assert rig.answer("Location: /other.txt?a=1\\n\\n").response.internal_target == "/other.txt?a=1"
    assert rig.answer("Content-Type: a/b\\nLocation: /x\\n\\nbody").response.internal_target == "/x"


def test_client_redirects(rig: CgiRig) -> None:
    """Without Status: 302 with our page; with Status: the program's page; a cookie is never lost."""
    answer = rig.answer("Location: http://www.example.com/\\n\\nown")
    assert (answer.status, b"Object moved" in answer.body, b"own" in answer.body) == (302, True, False)
    answer = rig.answer("Status: 303 See\\nLocation: http://www.example.com/\\nContent-Type: a/b\\n\\nown")
    assert (answer.status, answer.body) == (303, b"own")
    answer = rig.answer("Location: /x\\nSet-Cookie: a=1\\n\\n")
    assert (answer.status, answer.response.headers["Set-Cookie"]) == (302, "a=1")
    assert answer.response.internal_target == ""


def test_nph_program_speaks_for_itself(rig: CgiRig) -> None:
    """Its output is the whole answer; the connection is closed behind it; the log knows its status."""
    answer = rig.get("nph-whole.sh")
    assert (answer.response.raw, answer.response.close_connection, answer.status) == (True, True, 418)
    assert answer.body == b"HTTP/1.1 418 Short and stout\r\nX-Own: yes\r\nContent-Length: 6\r\n\r\nteapot"


def test_nph_program_that_prints_nothing(rig: CgiRig) -> None:
    """502.2 as for any other."""
    assert number(refused(rig, rig.write("nph-empty.sh", "#!/bin/sh\n"))) == "502.2"


# --- the body of the answer -----------------------------------------------------------------------------------------


def test_each_write_reaches_the_client(rig: CgiRig) -> None:
    """The first piece is there while the program waits for what the client makes of it."""
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)

    async def work() -> list[bytes]:
        response = await cgi.handle(rig.request("streams.sh", [("X-Fifo", str(fifo))]))
        pieces = aiter(response.body)  # type: ignore[arg-type]
        found = [await anext(pieces)]
        with open(fifo, "wb", buffering=0) as file:
            file.write(b"seen\n")
        found += [piece async for piece in pieces]
        return found  # type: ignore[return-value]

    assert rig.run(work) == [b"one\n", b"two seen\n"]


def test_large_output_needs_little_memory_and_waits_for_the_client(rig: CgiRig) -> None:
    """100 MB pass through; a client that has read little has let the program write little."""

    async def work() -> tuple[int, int]:
        response = await cgi.handle(rig.request("large.pl", raw_query="100"))
        this_process = psutil.Process()
        before, growth, size = this_process.memory_info().rss, 0, 0
        async for piece in response.body:  # type: ignore[union-attr]
            assert isinstance(piece, bytes)
            size += len(piece)
            if size % MEGABYTE < len(piece):
                growth = max(growth, this_process.memory_info().rss - before)
        return size, growth

    size, growth = rig.run(work)
    assert size == 100 * MEGABYTE
    assert growth < 8 * MEGABYTE


def test_content_length_is_kept(rig: CgiRig) -> None:
    """More than promised is cut; exactly that goes out whole."""
    head = "Content-Type: a/b\\nContent-Length: 5\\n\\n"
    assert rig.answer(head + "hello world").body == b"hello"
    exact = rig.answer(head + "hello")
    assert (exact.body, isinstance(exact.response.body, bytes)) == (b"hello", True)


def test_less_than_promised_is_explained_while_nothing_has_left(standing: CgiRig) -> None:
    """502.2 with both numbers, and an event: the client can still be told."""
    with pytest.raises(HttpError) as found:
        standing.answer("Content-Type: a/b\\nContent-Length: 5\\n\\nhel")
    assert number(found.value) == "502.2"
    assert "3 of the 5 bytes" in found.value.detail
    assert "3 of the 5 bytes" in standing.event_texts("cgi-failed")[0]


def test_less_than_promised_of_a_streamed_page_is_left_to_break(rig: CgiRig) -> None:
    """The client has its beginning: it must not take the part for the whole, and the event log says why."""
    script = rig.write(
        "x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\nContent-Length: 200000\\n\\n'\nhead -c 100000 /dev/zero\n"
    )
    error = refused(rig, script)
    assert number(error) == "502.2"
    assert "100000 of the 200000 bytes" in rig.event_texts("cgi-failed")[0]


def test_sender_that_stops_at_the_promised_length_leaves_the_program_alone(rig: CgiRig) -> None:
    """It has what was promised and closes the body; the program may finish its work."""
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)
    text = "#!/bin/sh\nprintf 'Content-Type: a/b\\nContent-Length: 200000\\n\\n'\nhead -c 200000 /dev/zero\necho more\n"
    script = rig.write("x.sh", text + f"echo worked > {fifo}\n")

    async def work() -> tuple[int, str]:
        body = (await cgi.handle(rig.request(script))).body
        size = 0
        async for piece in body:  # type: ignore[union-attr]
            size += len(piece)  # type: ignore[arg-type]
            if size == 200000:
                break
        await body.aclose()  # type: ignore[union-attr]
        return size, await asyncio.to_thread(fifo.read_text)

    assert rig.run(work) == (200000, "worked\n")


def test_program_killed_in_the_middle_of_its_page_is_not_completed(standing: CgiRig) -> None:
    """A page that was streamed and cut by a signal must not look complete."""
    script = standing.write(
        "x.pl", "#!/usr/bin/perl\n$|=1;print \"Content-Type: a/b\\n\\n\", 'x' x 100000;kill 9, $$;\n"
    )

    async def work() -> str:
        response = await as_moments_pass(cgi.handle(standing.request(script)))
        with pytest.raises(HttpError) as found:
            await whole_body(response)
        return found.value.detail

    assert "was killed by SIGKILL" in standing.run(work)
    assert "output is cut" in standing.event_texts("cgi-failed")[0]


@pytest.mark.parametrize("length", ["", "Content-Length: 5\\n"])
def test_a_short_page_whose_program_was_killed_is_no_page(standing: CgiRig, length: str) -> None:
    """Nothing of it has left: 502.2 says which signal it was. A page that has the length it promised is whole."""
    script = standing.write("x.sh", f"#!/bin/sh\nprintf 'Content-Type: a/b\\n{length}\\nshort'\nkill -SEGV $$\n")
    if length:
        assert standing.get(script).body == b"short"
        return
    error = refused(standing, script)
    assert number(error) == "502.2"
    assert "its output is cut. It was killed by SIGSEGV" in error.detail
    assert "killed by SIGSEGV" in standing.event_texts("cgi-failed")[0]


def test_a_program_that_works_on_behind_its_page_does_not_hold_it_up(rig: CgiRig) -> None:
    """It has closed its output and lives: the page leaves at once, and is whole a second later at the latest."""
    end = rig.folder / "end"
    os.mkfifo(end)
    script = rig.write("x.sh", f"#!/bin/sh\nprintf 'Content-Type: a/b\\n\\npage'\nexec >&- 2>&-\nread line < {end}\n")

    async def work() -> bytes:
        response = await cgi.handle(rig.request(script))
        try:
            return await whole_body(response)
        finally:
            await asyncio.to_thread(end.write_text, "now\n")  # it runs still: else this would block for ever

    assert rig.run(work) == b"page"


# --- the end of a program -------------------------------------------------------------------------------------------


def tree_of(rig: CgiRig) -> tuple[Path, list[tuple[str, str]]]:
    pids = rig.folder / "pids"
    pids.touch()
    return pids, [("X-Pids", str(pids))]


async def everybody_is_there(pids: Path) -> None:
    """All four processes of tree.sh have begun."""
    while pids.read_text().count("\n") < 4:  # noqa: ASYNC110 - another process writes them
        await asyncio.sleep(0)


def time_passes(seconds: float) -> None:
    """For the loop that runs now."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, StandingLoop)
    loop.pass_seconds(seconds)


async def while_time_passes(answer: asyncio.Future[Response]) -> Response:
    """The clock goes on until there is an answer: a launch may be known of only after its processes are there."""
    while not answer.done():
        time_passes(2)
        await asyncio.sleep(0)
    return await answer


def test_timeout_before_the_headers_kills_the_tree(standing: CgiRig) -> None:
    """502.1, an event, and not one process is left: group, session, orphan."""
    pids, fields = tree_of(standing)

    async def work() -> HttpError:
        answer = asyncio.ensure_future(cgi.handle(standing.request("tree.sh", fields, settings=TEN_SECONDS)))
        await everybody_is_there(pids)
        time_passes(9)
        await asyncio.sleep(0)
        assert not answer.done()
        with pytest.raises(HttpError) as found:
            await while_time_passes(answer)
        return found.value

    assert number(standing.run(work)) == "502.1"
    assert len(standing.event_texts("cgi-timeout")) == 1
    for line in pids.read_text().split():
        wait_until_gone(int(line))


def test_timeout_in_the_body_cuts_the_response(standing: CgiRig) -> None:
    """What has been sent stays; the end is an error, never a silent one."""
    pids, fields = tree_of(standing)

    async def work() -> bytes:
        request = standing.request("tree.sh", fields, settings=TEN_SECONDS, raw_query="page")
        answer = asyncio.ensure_future(cgi.handle(request))
        while not answer.done():  # its head is there; the end that is waited for a moment does not come
            time_passes(0.00001)  # no faster than real time does: a busy machine starts the script late
            await asyncio.sleep(0)
        pieces = aiter(answer.result().body)  # type: ignore[arg-type]
        first = await anext(pieces)
        time_passes(11)
        with pytest.raises(HttpError, match=r"502\.1"):
            await anext(pieces)
        assert isinstance(first, bytes)
        return first

    assert standing.run(work) == b"first piece\n"
    for line in pids.read_text().split():
        wait_until_gone(int(line))


@pytest.mark.slow
def test_timeout_ends_a_background_child_that_prints_for_ever(rig: CgiRig) -> None:
    """The program itself has ended long ago; its child never falls silent."""
    text = "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\n'\n(while :; do echo x; sleep 0.1; done) &\n"
    error = refused(rig, rig.write("x.sh", text), settings=ONE_SECOND)
    assert number(error) == "502.1"


@pytest.mark.parametrize("leaves", ["cancelled while waiting", "closes the body", "forgets the body"])
def test_client_that_leaves_ends_the_tree(rig: CgiRig, leaves: str) -> None:
    """Before the head: the handler is cancelled. In the body: its iterator is closed, or dropped."""
    pids, fields = tree_of(rig)
    request = rig.request("tree.sh", fields, raw_query="" if leaves.startswith("cancelled") else "page")

    async def work() -> None:
        task = asyncio.ensure_future(cgi.handle(request))
        if leaves.startswith("cancelled"):
            await everybody_is_there(pids)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return
        body = (await task).body
        assert await anext(aiter(body)) == b"first piece\n"  # type: ignore[arg-type]
        if leaves.startswith("closes"):
            await body.aclose()  # type: ignore[union-attr]
        del body, task

    async def work_and_a_turn() -> None:
        await work()
        await asyncio.sleep(0)  # a loop turn: the kill is sent from a task of its own
        await asyncio.sleep(0)

    rig.run(work_and_a_turn)
    for line in pids.read_text().split():
        wait_until_gone(int(line))


@pytest.mark.slow
def test_background_child_does_not_keep_the_answer_open_for_ever(rig: CgiRig, compiled: dict[str, Path]) -> None:
    """Five seconds of silence after the program has ended; the child, which is nobody's answer, lives on."""
    answer = rig.get(compiled["background_child"])
    pid = int(answer.body)
    os.kill(pid, 9)
    wait_until_gone(pid)


def test_content_length_ends_the_answer_at_once(standing: CgiRig, compiled: dict[str, Path]) -> None:
    """The same child, but the program said how long its page is: no time needs to pass."""
    pid = int(standing.get(compiled["background_child"], raw_query="length").body)
    os.kill(pid, 9)
    wait_until_gone(pid)


def test_program_may_work_on_after_its_answer(rig: CgiRig) -> None:
    """It closed its output: the answer is complete, the work goes on."""
    fifo = rig.folder / "fifo"
    os.mkfifo(fifo)

    async def work() -> tuple[bytes, str]:
        body = await whole_body(await cgi.handle(rig.request("closes_output.sh", [("X-Fifo", str(fifo))])))
        return body, await asyncio.to_thread(fifo.read_text)

    assert rig.run(work) == (b"quick\n", "worked\n")


def test_many_requests_at_once(rig: CgiRig, compiled: dict[str, Path]) -> None:
    """Two hundred programs side by side, each answer its own."""

    async def work() -> list[bytes]:
        requests = [rig.request(compiled["hello"], raw_query=f"n={n}", id=f"r{n}") for n in range(200)]
        responses = await asyncio.gather(*(cgi.handle(request) for request in requests))
        return await asyncio.gather(*(whole_body(response) for response in responses))

    assert rig.run(work) == [b"Hello from C, n=%d\n" % n for n in range(200)]


# --- old Python scripts ---------------------------------------------------------------------------------------------


def form_body() -> tuple[list[tuple[str, str]], PieceBody]:
    content = b"\x00\x01binary\r\n" * 20000
    data = b'--frontier\r\nContent-Disposition: form-data; name="title"\r\n\r\nOld form\r\n'
    data += b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n'
    data += b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--frontier--\r\n"
    fields = [("Content-Type", "multipart/form-data; boundary=frontier"), ("Content-Length", str(len(data)))]
    return fields, PieceBody([data[start : start + 30000] for start in range(0, len(data), 30000)], len(data))


def pythons() -> list[str]:
    """This Python, and every 3.13 of pyenv."""
    return [sys.executable, *map(str, Path.home().glob(".pyenv/versions/3.13*/bin/python3.13"))]


@pytest.mark.slow
@pytest.mark.parametrize("python", pythons())
def test_upload_with_field_storage(rig: CgiRig, python: str) -> None:
    """`import cgi`, FieldStorage and a file of 200 KB, on Pythons with and without the module."""
    fields, body = form_body()
    answer = rig.get("upload.cgi", fields, method="POST", body=body, processor=python)
    assert answer.body.startswith(b"title=Old form\nname=a.bin size=200000\n")


@pytest.mark.slow
def test_cgitb_page_is_an_answer(rig: CgiRig) -> None:
    """The traceback that cgitb prints before any header of the script reaches the browser."""
    answer = rig.get("broken.cgi", processor=sys.executable)
    assert (answer.status, answer.response.headers["Content-Type"]) == (200, "text/html")
    assert b"told by cgitb" in answer.body
