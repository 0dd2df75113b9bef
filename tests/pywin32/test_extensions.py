"""Modules written for pywin32's isapi API, unchanged, inside a worker."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from host.wire.frames import Kind
from tests.worker.front import Answer, run
from tests.worker.site import STATIC, Site

SAMPLES = Path(__file__).parent / "data"
RESTRICTION = '<security><isapiCgiRestriction notListedIsapisAllowed="true" /></security>'


def map_sample(site: Site, name: str, path: str = "*.py32") -> Path:
    """The sample outside of the site's content, and the mapping that leads to it."""
    file = Path(shutil.copy(SAMPLES / f"{name}.py", site.folder / f"{name}.py"))
    site.handlers = f'<add name="P" path="{path}" verb="*" modules="IsapiModule" scriptProcessor="{file}" />' + STATIC
    site.further = RESTRICTION
    site.write("page.txt", "the page")
    return file


def ask(site: Site, *targets: str, **request: object) -> list[Answer]:
    """The answers to requests, one after the other."""

    async def main() -> list[Answer]:
        front = await site.serve()
        return [await front.ask(target, **request) for target in targets]

    return run(main())


def test_a_simple_extension_sees_variables_with_the_types_of_pywin32(site: Site) -> None:
    """bytes, str for UNICODE_, ExtensionError with its code, and `default`; print goes into the answer."""
    map_sample(site, "simple_sample")
    answer = ask(site, "/dir/a.py32?variables")[0]
    assert answer.text.splitlines() == [
        "REQUEST_METHOD=b'GET'",
        "SCRIPT_NAME=b'/dir/a.py32'",
        "PATH_INFO=b'/dir/a.py32'",
        "QUERY_STRING=b'variables'",
        "UNICODE_SERVER_PROTOCOL='HTTP/1.1'",
        "GetServerVariable by default",
    ]


def test_names_of_pywin32_exist_for_such_modules_alone(site: Site) -> None:
    """Neither `isapi` nor the win32 modules nor sys.isapidllhandle can be seen elsewhere in the worker."""
    map_sample(site, "simple_sample")
    ask(site, "/a.py32?map")
    assert not {"isapi", "win32api", "win32file", "winerror", "simple_sample"} & set(sys.modules)
    assert not hasattr(sys, "isapidllhandle")


def test_wrong_uses_raise_what_pywin32_raises(site: Site) -> None:
    """Read-only and unknown attributes, write-only LogData, wrong types; LogData ends in the log."""
    map_sample(site, "simple_sample")
    answer = ask(site, "/a.py32?misuse")[0]
    assert answer.text.split() == [
        *("AttributeError", "AttributeError", "AttributeError"),
        *("TypeError", "TypeError", "ValueError"),
    ]
    assert answer.log is not None
    assert answer.log.target == "/a.py32?misuse|from the extension"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("raise", 200, "Python ISAPI Error"),
        ("none", 200, "must return an HSE_STATUS_, not None"),
        ("error", 500, "returned HSE_STATUS_ERROR"),
        ("map", 200, "/wwwroot/page.txt"),
    ],
)
def test_what_a_proc_does_is_answered_as_pywin32_answers_it(site: Site, query: str, status: int, words: str) -> None:
    """An exception is shown to the client in a page of status 200, logged as 500, and is in the event log."""
    map_sample(site, "simple_sample")
    answer = ask(site, f"/a.py32?{query}")[0]
    assert (answer.status, words in answer.text) == (status, True), answer.text
    if query == "raise":
        assert "as asked &lt;for&gt;" in answer.text
        assert answer.log is not None
        assert answer.log.status == "500"
        assert any("ValueError: as asked" in text for text in site.told("plugin-error"))


def test_a_large_body_is_read_to_its_end(site: Site) -> None:
    """AvailableData and ReadClient, whose default is what is left."""
    map_sample(site, "simple_sample")
    answer = ask(site, "/a.py32?body", method="POST", body=bytes(100000))[0]
    assert answer.text == "100000 49152 100000"


def test_a_thread_pool_extension_ends_its_requests_from_its_threads(site: Site) -> None:
    """Dispatch, an exception in it, TransmitFile with its callback, and a chain of asynchronous writes."""
    map_sample(site, "threaded_sample")
    page = site.root / "page.txt"
    answers = ask(site, "/a.py32", "/a.py32?raise", f"/a.py32?file={page}", "/a.py32?async")
    assert answers[0].text == "True of 3"
    assert "KeyError: &#x27;from a thread&#x27;" in answers[1].text
    assert "KeyError" in answers[1].text
    (told,) = site.told("plugin-error")
    assert "threaded_sample.Extension raised KeyError: 'from a thread'" in told
    assert "threaded_sample.py" in told
    sent = answers[2]
    assert sent.body + sent.file_bytes() in (b"the endthe page", b"the pagethe end", b"the page" + b"the end")
    assert sent.log is not None
    assert sent.log.target.endswith("|15 bytes 0")
    assert answers[3].text == "one two three"


def test_a_redirector_with_a_filter_in_the_same_module(site: Site) -> None:
    """The filter rewrites, answers, fails and logs; the extension runs other URLs and redirects."""
    file = map_sample(site, "redirector_sample", "/python/*")
    site.filters.append(f'<filter name="redirector" path="{file}" />')
    site.write("python/pass.txt", "behind the map")
    targets = ("/old/x%20y", "/python/other", "/python/pass.txt", "/python/away", "/finish", "/fail", "/mapped.txt")
    led, other, passed, away, finished, failed, mapped = ask(site, *targets)
    assert (led.status, led.text, led.header("X-Requests")) == (200, "asked for /python/x%20y", "1")
    assert (other.text, other.header("Content-Type")) == ("the page", "text/plain")
    assert other.log is not None
    assert (other.log.target, other.log.user_name) == ("/python/other?|the argument 200.0 0", "somebody")
    assert passed.text == "behind the map"
    assert (away.status, away.header("Location")) == (302, "http://example.com/there?x=1")
    assert (finished.status, finished.body) == (403, b"stop")
    assert failed.status == 500
    assert any("the filter fails" in text for text in site.told("plugin-error"))
    assert mapped.text == "the page"


def test_a_module_that_asks_for_it_is_loaded_again(site: Site) -> None:
    """InternalReloadException: terminate, load, version with None, and the call once more."""
    file = map_sample(site, "simple_sample")
    file.write_text(
        "import isapi\nfrom isapi import isapicon\nfrom isapi.simple import SimpleExtension\nimport marks\n"
        "class E(SimpleExtension):\n"
        "  def GetExtensionVersion(self, vi): marks.CALLS.append(vi is None)\n"
        "  def TerminateExtension(self, status): marks.CALLS.append(status)\n"
        "  def HttpExtensionProc(self, ecb):\n"
        "    if len(marks.CALLS) == 1: raise isapi.InternalReloadException\n"
        "    ecb.SendResponseHeaders('200 OK', '\\r\\n')\n"
        "    ecb.write(repr(marks.CALLS))\n"
        "    return isapicon.HSE_STATUS_SUCCESS\n"
        "def __ExtensionFactory__(): return E()\n"
    )
    (site.folder / "marks.py").write_text("CALLS = []\n")
    assert ask(site, "/a.py32")[0].text == "[False, 0, True]"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise OSError('at import')", "OSError: at import"),
        ("X = 1", "neither __ExtensionFactory__ nor http_extension_proc"),
        ("def __ExtensionFactory__(): return object()", "has no GetExtensionVersion"),
        ("def __ExtensionFactory__(): raise SystemExit('no')", "SystemExit: no"),
        ("import nowhere_to_be_found", "No module named"),
        ("def get_extension_version(v): return False\ndef http_extension_proc(ecb): return 1", "ExtensionRefused"),
        ("async def http_extension_proc(ecb): return 1", "http_extension_proc is a coroutine function"),
        ("def http_extension_proc(ecb, more): return 1", "http_extension_proc(ecb) takes other arguments"),
    ],
)
def test_what_cannot_be_loaded_is_a_500_and_is_tried_again(site: Site, source: str, words: str) -> None:
    """The cause is in the page and in the event log; a corrected file serves at the next request."""
    file = map_sample(site, "simple_sample")
    file.write_text(source)

    async def main() -> None:
        front = await site.serve()
        for _ in range(2):
            answer = await front.ask("/a.py32")
            assert (answer.status, answer.substatus, words in answer.text) == (500, 0, True), answer.text
        assert len(site.told("plugin-failed")) == 1
        file.write_text("def http_extension_proc(ecb):\n    ecb.write_client('right')\n    return 1\n")
        assert (await front.ask("/a.py32")).text == "right"

    run(main())


def test_an_extension_by_its_own_url_must_be_allowed(site: Site) -> None:
    """`/isapi/x.py/tail`: PATH_INFO is the tail; 404.2 for a file that the restriction list does not allow."""
    source = (
        "def http_extension_proc(ecb):\n    ecb.write_client(ecb.path_info + ' ' + ecb.path_translated)\n    return 1\n"
    )
    allowed, denied = site.write("isapi/allowed.py", source), site.write("isapi/denied.py", source)
    site.access = "Read, Script, Execute"
    site.handlers = (
        '<add name="ByName" path="/isapi/*" verb="*" modules="IsapiModule" resourceType="File" '
        'requireAccess="Execute" />' + STATIC
    )
    site.further = (
        f'<security><isapiCgiRestriction><add path="{allowed}" allowed="true" />'
        f'<add path="{denied}" allowed="false" /></isapiCgiRestriction></security>'
    )
    site.write("isapi/page.other", "x")
    first, second, third = ask(site, "/isapi/allowed.py/zip", "/isapi/denied.py", "/isapi/page.other")
    assert first.text == f"/zip {site.root}/zip"
    assert (second.status, second.substatus) == (404, 2)
    assert (third.status, third.substatus) == (404, 2)


def test_the_client_leaves_a_thread_pool_extension(site: Site) -> None:
    """Its request ends; the extension goes on to serve."""
    map_sample(site, "threaded_sample")

    async def main() -> None:
        front = await site.serve()
        number = front.send("/a.py32")
        front.say(Kind.ABORT, number)
        await front.answers[number].done.wait()
        assert (await front.ask("/a.py32")).text == "True of 3"

    run(main())
