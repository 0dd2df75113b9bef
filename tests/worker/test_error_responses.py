"""httpErrors: which page a refusal gets."""

from __future__ import annotations

from tests.worker.front import Answer, run
from tests.worker.site import Site

CODES = """
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Code", path="*.code")]
@hookimpl
async def handle(request):
    number, _, kind = request.raw_query.partition("&")
    status, _, substatus = number.partition(".")
    if kind:
        response = Response(status=int(status), body=b"own" if kind == "body" else b"")
        response.headers.add("Allow", "GET")
        return response
    raise HttpError(int(status), int(substatus or 0), "the cause", headers={"Retry-After": "9"})
"""
PAGE = """
@hookimpl
def handler_mappings(): return [HandlerMapping(name="Page", path="*.page")]
@hookimpl
async def handle(request):
    if request.path == "/broken.page": raise HttpError(500)
    return Response.text(f"page {request.raw_query} {request.redirect_variables['REDIRECT_STATUS']} {request.method}")
"""


def errors(entries: str, *, mode: str = "Custom", existing: str = "Auto") -> str:
    return f'<httpErrors errorMode="{mode}" existingResponse="{existing}"><clear />{entries}</httpErrors>'


def ask(site: Site, *targets: str, **request: str) -> list[Answer]:
    site.extension("codes", CODES)
    site.extension("page", PAGE)

    async def main() -> list[Answer]:
        front = await site.serve()
        return [await front.ask(target, **request) for target in targets]

    return run(main())


def test_the_mode_and_the_client_decide_between_detailed_and_short(site: Site) -> None:
    """DetailedLocalOnly by default; Detailed for everybody; Custom for nobody."""
    assert "the cause" in ask(site, "/a.code?404")[0].text
    assert "the cause" not in ask(site, "/a.code?404", remote="192.0.2.1")[0].text
    site.further = errors("", mode="Detailed")
    assert "the cause" in ask(site, "/a.code?404", remote="192.0.2.1")[0].text
    site.further = errors("", mode="Custom")
    answer = ask(site, "/a.code?404")[0]
    assert "the cause" not in answer.text
    assert answer.header("Retry-After") == "9"


def test_a_custom_file_is_sent_with_the_status_of_the_error(site: Site) -> None:
    """The exact substatus goes before any; a missing file falls back to the short page."""
    site.write("any.html", "<p>any 404")
    site.write("two.txt", "exactly two")
    site.further = errors(
        f'<error statusCode="404" path="{site.root}/any.html" />'
        f'<error statusCode="404" subStatusCode="2" path="{site.root}/two.txt" />'
        f'<error statusCode="410" path="{site.root}/missing.html" />'
    )
    any_404, two, missing, other = ask(site, "/a.code?404.3", "/a.code?404.2", "/a.code?410", "/a.code?405")
    assert (any_404.status, any_404.substatus, any_404.text) == (404, 3, "<p>any 404")
    assert (two.text, two.header("Content-Type"), two.header("Retry-After")) == ("exactly two", "text/plain", "9")
    assert (missing.status, "Reference" in missing.text) == (410, True)
    assert (other.status, "Reference" in other.text) == (405, True)


def test_a_custom_url_is_run_inside_and_keeps_the_status(site: Site) -> None:
    """It knows the status and the URL of the error; one that fails itself gives way to the short page."""
    site.further = errors(
        '<error statusCode="404" path="/error.page" responseMode="ExecuteURL" />'
        '<error statusCode="403" path="/broken.page" responseMode="ExecuteURL" />'
    )
    run_page, broken = ask(site, "/a.code?404.3", "/a.code?403", method="POST")
    assert (run_page.status, run_page.substatus) == (404, 3)
    assert run_page.text == "page 404;http://localhost/a.code?404.3 404 GET"
    assert (broken.status, "Reference" in broken.text) == (403, True)


def test_a_custom_redirect_sends_the_client_elsewhere(site: Site) -> None:
    """302 with the configured URL."""
    site.further = errors('<error statusCode="404" path="http://other.example/" responseMode="Redirect" />')
    answer = ask(site, "/a.code?404")[0]
    assert (answer.status, answer.header("Location")) == (302, "http://other.example/")


def test_existing_responses_are_kept_or_replaced(site: Site) -> None:
    """Auto keeps a body and fills an empty one; Replace and PassThrough do what they say; fields survive."""
    own, empty = ask(site, "/a.code?405&body", "/a.code?405&empty")
    assert own.text == "own"
    assert (empty.status, empty.header("Allow"), "without a body" in empty.text) == (405, "GET", True)
    site.further = errors("", mode="Detailed", existing="Replace")
    assert "HTTP Error 405.0" in ask(site, "/a.code?405&body")[0].text
    site.further = errors("", mode="Detailed", existing="PassThrough")
    assert ask(site, "/a.code?405&empty")[0].text == ""
