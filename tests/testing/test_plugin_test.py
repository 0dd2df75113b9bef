"""host.testing as a plugin's author uses it."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.config.errors import ConfigErrors
from host.testing import NoAnswer, PluginNotLoaded, PluginTest

ROOT = Path(__file__).resolve().parents[2]
OWN = Path(__file__).parent / "plugins"
MISBEHAVING = ROOT / "tests" / "plugins"
WAYS = OWN / "many_ways.py"
MODES = ("WorkerProcess", "IIS5")


@pytest.fixture(params=MODES)
def ways(request: pytest.FixtureRequest) -> Iterator[PluginTest]:
    """The plugin that answers in every way, in both isolation modes."""
    with PluginTest(WAYS, modules=[WAYS], isolation_mode=request.param) as plugin:
        yield plugin


def test_a_plugin_answers_without_a_server(ways: PluginTest) -> None:
    """Status, fields and body; the client's address is the test's to say."""
    answer = ways.get("/x.way?how=text")
    assert (answer.status, answer.reason, answer.text) == (200, "OK", "GET  127.0.0.1!")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert ways.request("DELETE", "/x.way?how=text", remote="203.0.113.7").text == "DELETE  203.0.113.7!"
    assert ways.head("/x.way?how=text").body == b""
    assert ways.request("PUT", "/x.way?how=secure", body=b"abc", secure=True).json() == {"secure": True, "length": 3}


def test_load_and_unload_frame_the_test() -> None:
    """What the plugin reported, in order; the context says where it is."""
    with PluginTest(WAYS, pool_name="Shop", isolation_mode="WorkerProcess") as plugin:
        assert plugin.reported("plugin-message") == ["loaded in Shop, WorkerProcess"]
        plugin.module("many_ways").SUFFIX = "?"
        assert plugin.get("/x.way?how=text").text.endswith("?")
    assert plugin.reported("plugin-message")[-1] == "unloaded"
    plugin.close()
    assert plugin.reported("plugin-message").count("unloaded") == 1
    with PluginTest(WAYS, isolation_mode="IIS5") as again:
        assert again.module("many_ways").SUFFIX == "!", "the file's code runs anew for each test"


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_bodies_pass_both_ways(ways: PluginTest, size: int) -> None:
    """As bytes with a length, and piece by piece without one; more than every window."""
    body = os.urandom(size)
    assert ways.post("/x.way?how=echo", body).body == body
    pieces = [body[at : at + 50_000] for at in range(0, size, 50_000)]
    assert ways.post("/x.way?how=echo", iter(pieces)).body == body
    assert ways.post("/x.way?how=ignore", body).text == "not read"
    assert ways.post("/x.way?how=ignore", iter(pieces)).text == "not read"


def test_an_answer_is_whole_when_everything_after_it_is_done(ways: PluginTest) -> None:
    """end_request has run when `get` returns, also one that waits."""
    for count in range(1, 20):
        ways.get("/x.way?how=late")
        assert ways.reported("plugin-message").count("told of the end") == count


@pytest.mark.parametrize("mode", MODES)
def test_a_pipe_that_would_be_lent_comes_back_unread(mode: str) -> None:
    """Nobody reads pipes here: a body that lends its own goes on by itself, and the answer is whole."""
    with PluginTest(OWN / "lends.py", isolation_mode=mode) as plugin:
        lends = plugin.module("lends")
        assert plugin.get("/x.pipe").body == b"x" * lends.SIZE
        assert lends.returned == [(0, False)]


def test_who_is_to_blame_is_in_the_answer(ways: PluginTest) -> None:
    """The exception with its traceback, the request's own and no other's; a failed assertion shows it."""
    answer = ways.get("/x.way?how=raise")
    assert (answer.status, answer.substatus) == (500, 0)
    assert "many_ways.handle raised LookupError: no such thing" in answer.blame[0]
    assert "LookupError: no such thing" in repr(answer)
    assert ways.blamed == list(answer.blame)
    assert ways.get("/x.way").blame == ()
    stranger = ways.request("GET", "/x.way?how=raise", remote="203.0.113.7")
    assert "LookupError" not in stranger.text


def test_an_answer_that_breaks_off_is_not_complete(ways: PluginTest) -> None:
    """Less than the promised length."""
    answer = ways.get("/x.way?how=less")
    assert (answer.status, answer.body, answer.is_complete) == (200, b"123", False)
    assert "3 of the 10 bytes" in answer.failure
    assert "broken off" in repr(answer)


def test_pieces_are_seen_as_they_come_and_a_slow_client_slows_the_handler_down(ways: PluginTest) -> None:
    """An endless body: the test reads two pieces; the handler has not gone on for more than the window."""
    with ways.open("GET", "/x.way?how=forever") as request:
        assert request.status == 200
        assert [request.read()[:8], request.read()[:8]] == [b"00000000", b"00000001"]
        for _ in range(100):
            request.read()
        assert request.headers.get("Content-Length") == ""
    assert ways.blamed == []


def test_a_client_that_leaves_is_noticed(ways: PluginTest) -> None:
    """A coroutine is cancelled, a body that is being sent is closed, a thread that reads gets ClientGone."""
    with ways.open("GET", "/x.way?how=wait") as request:
        request.leave()
        assert ways.reported("plugin-message")[-1] == "cancelled"
    with ways.open("GET", "/x.way?how=told") as request:
        assert request.read() == b"first"
    assert ways.reported("plugin-message")[-1] == "the body was closed"
    with ways.open("POST", "/x.way?how=echo", body=None) as request:
        assert request.send(b"one")
        assert request.read() == b"one"
        reads = ways.module("many_ways").reads
        assert reads.acquire(timeout=90)
        assert reads.acquire(timeout=90), "it reads on: what no thread has begun is not begun any more"
    assert ways.reported("plugin-message")[-1] == "the client is gone"


def test_a_body_that_is_sent_by_and_by(ways: PluginTest) -> None:
    """Each piece comes back before the next one is sent."""
    with ways.open("POST", "/x.way?how=echo", body=None, length=8) as request:
        for piece in (b"1234", b"5678"):
            request.send(piece)
            assert request.read() == piece
        request.finish()
        answer = request.answer()
    assert (answer.status, answer.body, answer.pieces) == (200, b"12345678", (b"1234", b"5678"))


def test_unhealthy_reports_are_kept(ways: PluginTest) -> None:
    """What would have the worker replaced."""
    ways.get("/x.way?how=unhealthy")
    assert ways.unhealthy == ["tired"]


@pytest.mark.parametrize("mode", MODES)
def test_filters_are_listed_in_order_beside_those_of_isapy(mode: str) -> None:
    """A file, a bundled one by name, a whole element; log changes, the cache, the end of the connection."""
    trace = '<filter name="trace" enabled="false" />'
    with PluginTest(WAYS, filters=["request_filtering", OWN / "whole_filter.py", trace], isolation_mode=mode) as plugin:
        answer = plugin.get("/x.way", {"X-Stranger": "1"})
        assert (answer.status, answer.text) == (503, "kept out")
        assert plugin.get("/web.config").substatus == 8
        answer = plugin.request("GET", "/x.way", connection=5)
        assert answer.log_changes == {"user_name": "somebody"}
        assert answer.is_kept_from_cache
        plugin.end_session(5)
        assert plugin.module("whole_filter").ended == [5]


def test_raw_data_filters_run_in_iis5_mode_and_are_refused_elsewhere() -> None:
    """As in the real thing: bytes before they are parsed."""
    with PluginTest(filters=[OWN / "raw_filter.py"], isolation_mode="IIS5") as plugin:
        assert plugin.read_raw_data(b"GET /old HTTP/1.1\r\n") == b"GET /new HTTP/1.1\r\n"
    with (
        pytest.raises(PluginNotLoaded, match="needs IIS 5 isolation mode"),
        PluginTest(filters=[OWN / "raw_filter.py"]),
    ):
        pass


def test_pages_configuration_and_a_mapping_of_the_test_s_own() -> None:
    """Static files from their descriptors, XML of every level, an application below the root."""
    with PluginTest(
        WAYS,
        filters=["custom_headers"],
        handlers='<add name="Folder" path="/ways/*" verb="*" modules="many_ways" />',
        web_server='<httpProtocol><customHeaders><add name="X-Own" value="yes" /></customHeaders></httpProtocol>',
        configuration='<location path="Test/big.txt"><system.webServer><handlers accessPolicy="None" />'
        "</system.webServer></location>",
        pool='<processModel requestTimeLimit="00:01:00" />',
        files={"page.txt": "a page", "folder/big.bin": b"x" * 3_000_000, "big.txt": "never"},
    ) as plugin:
        assert plugin.get("/ways/anything?how=text").text == "GET  127.0.0.1!"
        page = plugin.get("/page.txt")
        assert (page.text, page.headers["X-Own"]) == ("a page", "yes")
        assert plugin.get("/folder/big.bin").body == b"x" * 3_000_000
        assert plugin.get("/big.txt").status == 403
        (plugin.root / "later.txt").write_text("later")
        assert plugin.get("/later.txt").text == "later"
    with PluginTest(WAYS, application_path="/shop", files={"a.txt": "in the shop"}) as plugin:
        assert plugin.get("/shop/a.txt").text == "in the shop"
        assert plugin.get("/shop/x.way").text == "fine"
        assert plugin.get("/elsewhere").substatus == 18


def test_a_plugin_that_does_not_load_fails_the_test_with_the_reason() -> None:
    """Unless the test is about that; a file that is not there is told at once."""
    with (
        pytest.raises(PluginNotLoaded, match=r"the database is not there at .*crash_on_load\.py:7"),
        PluginTest(MISBEHAVING / "crash_on_load.py"),
    ):
        pass
    with PluginTest(MISBEHAVING / "crash_on_load.py", may_fail=True) as plugin:
        assert plugin.get("/x.crash").substatus == 21
        assert "the database is not there" in plugin.blamed[0]
    with (
        pytest.raises(PluginNotLoaded, match="did you mean on_preproc_headers"),
        PluginTest(filters=[str(MISBEHAVING / "misspelt_hook.py")]),
    ):
        pass
    with pytest.raises(PluginNotLoaded, match="no installed plugin nobody"), PluginTest(filters=["nobody"]):
        pass
    with pytest.raises(FileNotFoundError):
        PluginTest("extensions/no_such_plugin.py")
    with pytest.raises(ConfigErrors, match="fly"), PluginTest(handlers="<fly />"):
        pass


def test_nothing_is_left_of_a_test() -> None:
    """No folder, no thread of the loop, no descriptor."""
    before = len(os.listdir("/proc/self/fd"))
    with PluginTest(WAYS, files={"a.bin": b"x" * 200_000}) as plugin:
        folder = plugin.root
        assert plugin.get("/a.bin").status == 200
        with plugin.open("GET", "/x.way?how=forever") as request:
            request.read()
    assert not folder.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "worker's event loop"]
    assert len(os.listdir("/proc/self/fd")) <= before + 1


def test_patience_ends_with_what_was_waited_for() -> None:
    """A handler that never answers, and one that blocks the loop, fail the test instead of hanging it."""
    with PluginTest(WAYS) as plugin, plugin.open("GET", "/x.way?how=wait") as request:
        plugin.patience_seconds = 0.1
        with pytest.raises(NoAnswer, match=r"waited 0\.1 s for the response's head"):
            _ = request.status
        plugin.patience_seconds = 60
        assert plugin.get("/x.way").status == 200
    with PluginTest(OWN / "holds_the_loop.py") as plugin:
        plugin.patience_seconds = 0.1
        try:
            with pytest.raises(NoAnswer, match=r"event loop is blocked; .*holds_the_loop\.py, line 17"):
                plugin.get("/x.hold")
        finally:
            plugin.module("holds_the_loop").free.set()
            plugin.patience_seconds = 60


def test_it_works_inside_a_running_event_loop() -> None:
    """An asynchronous test may use it: the worker has a loop of its own."""

    async def main() -> int:
        with PluginTest(WAYS) as plugin:
            return plugin.get("/x.way").status

    assert asyncio.run(main()) == 200


def test_each_test_of_a_python_application_has_the_process_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Applications of other folders, modules of the same name, paths relative to the test's folder: as if alone."""
    monkeypatch.chdir(OWN)
    path = list(sys.path)
    for text in ("one", "two"):
        folder = tmp_path / text
        folder.mkdir()
        (folder / "site_app.py").write_text(
            "import os\n\n\ndef application(environ, start_response):\n"
            "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
            f"    return [f'{text} in {{os.getcwd()}}'.encode()]\n"
        )
        with PluginTest(
            handlers='<add name="W" path="w/*" verb="*" modules="WsgiModule" scriptProcessor="site_app:application" />',
            web_server=f'<pythonApplication workingDirectory="{folder}" />',
        ) as plugin:
            assert plugin.get("/w/x").text == f"{text} in {folder}"
        assert (os.getcwd(), sys.path) == (str(OWN), path)
    with PluginTest("many_ways.py") as plugin:
        assert plugin.get("/x.way?how=text").status == 200


def test_handlers_are_one_text_or_a_list_of_elements(tmp_path: Path) -> None:
    """Lists are lists, and elements elements: the error says how to write it."""
    elements = [f'<add name="{name}" path="*.{name}" verb="*" modules="StaticFileModule" />' for name in ("txt", "css")]
    files = {"x.txt": "one", "x.css": "two"}
    for handlers in (elements, tuple(elements), "".join(elements)):
        with PluginTest(handlers=handlers, files=files) as plugin:
            assert [plugin.get("/x.txt").text, plugin.get("/x.css").text] == ["one", "two"]
    with pytest.raises(TypeError, match=r"handlers are elements .*<add .*, not 'hello'"):
        PluginTest(WAYS, handlers=["hello"])
    for keyword in ("filters", "modules"):
        with pytest.raises(TypeError, match=rf"{keyword} is a list: {keyword}=\['trace'\]"):
            PluginTest(WAYS, **{keyword: "trace"})  # type: ignore[arg-type]


def test_a_mapping_whose_path_holds_a_question_mark_does_not_load(tmp_path: Path) -> None:
    """It would match nothing."""
    (tmp_path / "wild.py").write_text(
        "from host.api import HandlerMapping, hookimpl\n\n\n@hookimpl\ndef handler_mappings():\n"
        "    return [HandlerMapping(name='Wild', path='/img?.x')]\n"
    )
    with (
        pytest.raises(PluginNotLoaded, match=r"of Wild matches nothing: \? is no wildcard"),
        PluginTest(tmp_path / "wild.py"),
    ):
        pass
