"""What is said of an application that does not keep to its interface: whose it is, and no line of isapy's."""

from __future__ import annotations

import pytest

from host.testing import PluginTest

WSGI = """
def app(environ, start_response):
    {code}


FINE = [("Content-Type", "text/plain")]
"""
ASGI = """
async def app(scope, receive, send):
    {code}
"""
WRONG = [
    ("start_response('200 OK', FINE); return ['text']", "a piece of the body is no bytes"),
    ("start_response('200 OK', FINE); return 'text'", "the application returned str"),
    ("start_response('200 OK', FINE); return b'text'", "the application returned bytes"),
    ("start_response('200 OK', FINE); return None", "the application returned NoneType"),
    ("start_response('200 OK', FINE); return (piece for piece in ['text'])", "a piece of the body is str, not bytes"),
    ("return [b'x']", "without a call of start_response"),
    ("start_response('200 OK', [('A', 1)]); return [b'x']", "header fields are a list of pairs of str"),
    ("start_response('200 OK', [('A', 'b\\r\\nX: y')]); return [b'x']", "holds a control character"),
    ("start_response('200 OK', {'A': 'b'}); return [b'x']", "header fields are a list of pairs of str"),
    ("start_response('200 OK', [('Content-Length', 'x')]); return [b'x']", "Content-Length a number"),
    ("start_response('ok', []); return [b'x']", "a status is text such as"),
]


def check(text: str, words: str) -> None:
    assert words in text
    assert "app_of_mine:app" in text
    assert "extensions/wsgi.py:" not in text.partition("Traceback")[0]
    assert "extensions/asgi.py:" not in text.partition("Traceback")[0]


@pytest.mark.parametrize("threading_model", ["Free", "Single"])
@pytest.mark.parametrize(("code", "words"), WRONG)
def test_a_wsgi_application_that_breaks_its_interface_is_named(code: str, words: str, threading_model: str) -> None:
    """On the page for a local client and in the event; the code to be corrected is the application's, or not named."""
    handler = (
        '<add name="App" path="*" verb="*" modules="WsgiModule" scriptProcessor="app_of_mine:app" '
        f'threadingModel="{threading_model}" />'
    )
    files = {"app_of_mine.py": WSGI.format(code=code)}
    with PluginTest("extensions/wsgi.py", handlers=handler, files=files) as plugin:
        answer = plugin.get("/")
        assert answer.status == 500
        check(answer.text, words)
        check(plugin.reported("plugin-error")[0], words)


@pytest.mark.parametrize("code", ["pass", "await send({'type': 'http.response.start', 'status': 200})"])
def test_an_asgi_application_that_does_not_answer_is_named(code: str) -> None:
    """It has returned, and no frame of it is left."""
    handler = '<add name="App" path="*" verb="*" modules="AsgiModule" scriptProcessor="app_of_mine:app" />'
    files = {"app_of_mine.py": ASGI.format(code=code)}
    with PluginTest("extensions/asgi.py", handlers=handler, files=files) as plugin:
        answer = plugin.get("/")
        assert answer.status == 500
        check(answer.text, "the application returned without a response")
        check(plugin.reported("plugin-error")[0], "the application returned without a response")


SHORT = """
def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
    yield b"12"
    yield b"345"


async def asgi(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
    await send({"type": "http.response.body", "body": b"12345", "more_body": True})
    await send({"type": "http.response.body"})
"""


@pytest.mark.parametrize(
    "kind",
    [
        'modules="WsgiModule" scriptProcessor="short:wsgi"',
        'modules="WsgiModule" scriptProcessor="short:wsgi" threadingModel="Single"',
        'modules="AsgiModule" scriptProcessor="short:asgi"',
    ],
)
def test_an_application_whose_body_ends_too_early_is_named(kind: str) -> None:
    """The client's answer is cut; the event accuses the application, not the plugin that carries it."""
    handler = f'<add name="App" path="*" verb="*" {kind} />'
    with PluginTest("extensions/wsgi.py", "extensions/asgi.py", handlers=handler, files={"short.py": SHORT}) as plugin:
        answer = plugin.get("/")
        assert (answer.body, answer.is_complete) == (b"12345", False)
        text = plugin.reported("plugin-error")[0]
        assert text.startswith("short:"), text
        assert "the body ended after 5 of the 9 bytes that Content-Length promised" in text
