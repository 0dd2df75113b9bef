"""The files that `isapy new` writes: plugins that work at once, and tests that pass at once.

`@NAME@` is the plugin's name; `@HEADER@` the same as a part of a header field's name.
"""

from __future__ import annotations

from typing import Final

EXTENSION: Final = '''\
"""@NAME@: answers every URL that ends in .@NAME@"""

from host.api import HandlerMapping, Request, Response, hookimpl


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    """What this file answers by itself; <handlers> in the configuration may map it elsewhere, too."""
    return [HandlerMapping(name="@NAME@", path="*.@NAME@", verbs="GET,HEAD,POST")]


@hookimpl
def handle(request: Request) -> Response:
    """Answer one request. Raise host.api.HttpError(404) to refuse it."""
    name = request.query.get("name", "world")
    return Response.text(f"Hello {name}, this is @NAME@ at {request.path}\\n")
'''

FILTER: Final = '''\
"""@NAME@: sees every request and names itself in the response."""

from host.api import FilterInfo, Request, Response, hookimpl


@hookimpl
def filter_info() -> FilterInfo:
    """What the filter says of itself. cache_aware=True would let cached answers pass it by."""
    return FilterInfo(description="@NAME@")


@hookimpl
def on_preproc_headers(request: Request) -> None:
    """The request's head is there and nothing is decided: change it, answer with a Response, or raise HttpError."""


@hookimpl
def on_send_response(request: Request, response: Response) -> None:
    """The response's head is complete and not sent yet."""
    response.headers["X-Filter-@HEADER@"] = "seen"
'''

MODULE: Final = '''\
"""@NAME@: takes part in the request pipeline: it measures requests, and refuses what lies below /@NAME@-forbidden/."""

import time

from host.api import HttpError, Request, Response, hookimpl


@hookimpl
def begin_request(request: Request) -> None:
    """First event. `request.context` is the place for what a plugin wants to know of a request later on."""
    request.context["@NAME@"] = time.monotonic()


@hookimpl
def authorize_request(request: Request) -> None:
    """May this user have this? A Response would be the answer; HttpError refuses."""
    if request.path.startswith("/@NAME@-forbidden/"):
        raise HttpError(403, 0, "@NAME@ forbids it")


@hookimpl
def post_request_handler_execute(request: Request, response: Response) -> None:
    """The handler has answered; the response may be changed from here on."""
    seconds = time.monotonic() - request.context["@NAME@"]
    response.headers["X-@HEADER@-Milliseconds"] = f"{seconds * 1000:.1f}"
'''

ISAPI: Final = '''\
"""@NAME@: an ISAPI extension in Python; it answers every URL that ends in .@NAME@"""

from urllib.parse import parse_qs

from host.api import HandlerMapping, hookimpl
from host.api.isapi import HSE_STATUS_SUCCESS_AND_KEEP_CONN, ControlBlock, ExtensionVersion


@hookimpl
def handler_mappings() -> list[HandlerMapping]:
    """What this file answers by itself; <handlers> in the configuration may map it elsewhere, too."""
    return [HandlerMapping(name="@NAME@", path="*.@NAME@", verbs="GET,HEAD,POST", allow_path_info=True)]


@hookimpl
def get_extension_version(version: ExtensionVersion) -> bool:
    """Once per worker, before the first request. False refuses to be loaded."""
    version.description = "@NAME@"
    return True


@hookimpl
def http_extension_proc(ecb: ControlBlock) -> int:
    """One request, on a thread of the worker's pool."""
    name = parse_qs(ecb.query_string).get("name", ["world"])[0]
    url = ecb.get_server_variable("URL")
    ecb.send_response_header_ex("200 OK", "Content-Type: text/plain; charset=utf-8\\r\\n\\r\\n")
    ecb.write_client(f"Hello {name}, this is @NAME@ at {url}\\n".encode())
    return HSE_STATUS_SUCCESS_AND_KEEP_CONN


@hookimpl
def terminate_extension(flags: int) -> bool:
    """Once, when the worker ends in order."""
    return True
'''

ISAPI_C: Final = """\
/* @NAME@: an ISAPI extension in C.
 *
 *     isapy cc @NAME@.c
 */
#include <httpext.h>
#include <stdio.h>

/* Once per worker, before the first request. FALSE refuses to be loaded. */
BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    version->dwExtensionVersion = HSE_VERSION;
    snprintf(version->lpszExtensionDesc, sizeof version->lpszExtensionDesc, "@NAME@");
    return TRUE;
}

/* One request, on a thread of the worker's pool: many at a time. */
DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    static char status[] = "200 OK", fields[] = "Content-Type: text/plain; charset=utf-8\\r\\n\\r\\n";
    HSE_SEND_HEADER_EX_INFO head = {status, fields, sizeof status - 1, sizeof fields - 1, TRUE};
    char text[512];
    int length = snprintf(text, sizeof text, "Hello %.400s, this is @NAME@\\n", ecb->lpszQueryString);
    DWORD size = (DWORD)length;

    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &head, NULL, NULL))
        return HSE_STATUS_ERROR;
    if (!ecb->WriteClient(ecb->ConnID, text, &size, HSE_IO_SYNC))
        return HSE_STATUS_ERROR;
    return HSE_STATUS_SUCCESS_AND_KEEP_CONN;
}

/* Once, when the worker ends in order. */
BOOL TerminateExtension(DWORD flags)
{
    (void)flags;
    return TRUE;
}
"""

WSGI: Final = '''\
"""@NAME@: a WSGI application (PEP 3333)."""

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request, on a thread of the worker's pool."""
    name = parse_qs(environ["QUERY_STRING"]).get("name", ["world"])[0]
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [f"Hello {name}, this is @NAME@ at {environ['SCRIPT_NAME']}{environ['PATH_INFO']}\\n".encode()]
'''

ASGI: Final = '''\
"""@NAME@: an ASGI application (ASGI 3.0)."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer one request, on the worker's event loop."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    name = parse_qs(scope["query_string"].decode()).get("name", ["world"])[0]
    fields = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    text = f"Hello {name}, this is @NAME@ at {scope['path']}\\n"
    await send({"type": "http.response.body", "body": text.encode()})
'''

# --- their tests -----------------------------------------------------------------------------------------------------

_TEST_HEAD: Final = '''\
"""@NAME@, called by the real worker pipeline without a server: python -m pytest"""

from pathlib import Path

from host.testing import PluginTest

ROOT = Path(__file__).resolve().parents[1]
'''

EXTENSION_TEST: Final = (
    _TEST_HEAD
    + """

def test_it_answers() -> None:
    with PluginTest(ROOT / "extensions" / "@NAME@.py") as plugin:
        answer = plugin.get("/x.@NAME@?name=you")
        assert (answer.status, answer.text) == (200, "Hello you, this is @NAME@ at /x.@NAME@\\n")
"""
)

FILTER_TEST: Final = (
    _TEST_HEAD
    + """

def test_it_sees_every_request() -> None:
    with PluginTest(filters=[ROOT / "filters" / "@NAME@.py"], files={"page.txt": "a page"}) as plugin:
        for target, status in (("/page.txt", 200), ("/missing.txt", 404)):
            answer = plugin.get(target)
            assert (answer.status, answer.headers["X-Filter-@HEADER@"]) == (status, "seen")
"""
)

MODULE_TEST: Final = (
    _TEST_HEAD
    + """

def test_it_measures_and_forbids() -> None:
    with PluginTest(modules=[ROOT / "extensions" / "@NAME@.py"], files={"page.txt": "a page"}) as plugin:
        assert float(plugin.get("/page.txt").headers["X-@HEADER@-Milliseconds"]) >= 0
        assert plugin.get("/@NAME@-forbidden/page.txt").status == 403
"""
)

ISAPI_TEST: Final = EXTENSION_TEST

ISAPI_C_TEST: Final = '''\
"""@NAME@, built by isapy cc and called by the real worker pipeline without a server: python -m pytest"""

import subprocess
import sys
from pathlib import Path

from host.testing import PluginTest

SOURCE = Path(__file__).resolve().parents[1] / "isapi" / "@NAME@.c"
MAPPING = '<add name="@NAME@" path="*.@NAME@" verb="*" modules="IsapiModule" scriptProcessor="{}" />'


def test_it_builds_and_answers(tmp_path: Path) -> None:
    library = tmp_path / "@NAME@.so"
    subprocess.run([sys.executable, "-m", "host", "cc", "-o", str(library), str(SOURCE)], check=True)
    with PluginTest(handlers=MAPPING.format(library)) as plugin:
        answer = plugin.get("/x.@NAME@?you")
        assert (answer.status, answer.text) == (200, "Hello you, this is @NAME@\\n")
'''

APPLICATION_TEST: Final = (
    _TEST_HEAD
    + """MAPPING = '<add name="@NAME@" path="@NAME@/*" modules="@MODULE@" verb="*" '
MAPPING += 'scriptProcessor="@NAME@:application" />'


def test_it_answers() -> None:
    folder = f'<pythonApplication workingDirectory="{ROOT / "applications"}" />'
    with PluginTest(handlers=MAPPING, web_server=folder) as plugin:
        answer = plugin.get("/@NAME@/page?name=you")
        assert (answer.status, answer.text) == (200, "Hello you, this is @NAME@ at /@NAME@/page\\n")
"""
)
