"""What an application says of its body's length, and what it gives."""

from __future__ import annotations

import pytest

from host.testing import PluginTest

APPLICATION = """
def wsgi(environ, start_response):
    length = environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", length)])
    return [b"12345"] if environ["PATH_INFO"] != "/steps" else iter([b"12", b"345"])


async def asgi(scope, receive, send):
    length = scope["query_string"]
    status = 304 if scope["path"] == "/old" else 200
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": b"12345" if status == 200 else b""})
"""
KINDS = pytest.mark.parametrize(
    "kind",
    [
        'modules="WsgiModule" scriptProcessor="lengths:wsgi"',
        'modules="WsgiModule" scriptProcessor="lengths:wsgi" threadingModel="Single"',
        'modules="AsgiModule" scriptProcessor="lengths:asgi"',
    ],
)


def told(plugin: PluginTest) -> list[str]:
    return [text for text in plugin.reported("plugin-warning") if "Content-Length" in text]


@KINDS
@pytest.mark.parametrize("length", [3, 9])
def test_another_length_than_the_body_has_is_told_once_and_the_answer_is_right(kind: str, length: int) -> None:
    """The body goes out whole, with its own length, and the event says what the application said."""
    handler = f'<add name="App" path="*" verb="*" {kind} />'
    with PluginTest(
        "extensions/wsgi.py", "extensions/asgi.py", handlers=handler, files={"lengths.py": APPLICATION}
    ) as plugin:
        for _ in range(3):
            assert plugin.get(f"/?{length}").body == b"12345"
        assert len(told(plugin)) == 1
        assert f"said Content-Length: {length} and gave a body of 5 bytes" in told(plugin)[0]
        assert "lengths:" in told(plugin)[0]


@KINDS
def test_a_length_that_is_right_or_of_a_body_that_is_not_sent_is_not_told(kind: str) -> None:
    """HEAD, and 304, name the length of what a GET would have got."""
    handler = f'<add name="App" path="*" verb="*" {kind} />'
    with PluginTest(
        "extensions/wsgi.py", "extensions/asgi.py", handlers=handler, files={"lengths.py": APPLICATION}
    ) as plugin:
        assert plugin.get("/?5").body == b"12345"
        assert plugin.head("/?7").status == 200
        if "asgi" in kind:
            assert plugin.get("/old?7").status == 304
        assert told(plugin) == []


STREAMS = """
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    yield b"12"
    yield b"345"
    yield b"6"


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    for piece in (b"12", b"345"):
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body"})
"""


@KINDS
def test_a_stream_that_goes_on_behind_its_length_is_told_once(kind: str) -> None:
    """Its client gets what was promised, and the author an event."""
    handler = f'<add name="App" path="*" verb="*" {kind} />'
    with PluginTest(
        "extensions/wsgi.py", "extensions/asgi.py", handlers=handler, files={"lengths.py": STREAMS}
    ) as plugin:
        for _ in range(3):
            assert plugin.get("/").body == b"123"
        assert len(told(plugin)) == 1
        assert "said Content-Length: 3 and gave more" in told(plugin)[0]
