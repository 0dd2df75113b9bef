"""A request as WSGI's environ (PEP 3333): the gateway's variables as native strings, beside them the wsgi.* keys.

Every value is text whose characters are bytes (ISO 8859-1), paths are UTF-8 put so. What `host/gateway/environment.py`
closes for programs is closed here, too: fields with an underscore and `Proxy` become no variable. `Authorization` is
passed: the code runs inside the worker anyway, and applications look at it.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from host.api import Request
from host.gateway.environment import SERVER_SOFTWARE, field_variable
from host.python_apps.mount_point import mount_length

_MOST_NAMES: Final = 512  # a client that invents field names must not fill the memory
_variables: Final[dict[str, str]] = {}


def base_environ(
    request: Request, *, is_multithread: bool, is_multiprocess: bool, file_wrapper: type
) -> dict[str, Any]:
    """What is the same for every request of an application."""
    info = request.application
    root = _bytes_as_text(info.physical_path)
    return {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": SERVER_SOFTWARE.decode(),
        "DOCUMENT_ROOT": root,
        "APPL_PHYSICAL_PATH": root.rstrip("/") + "/",
        "APPL_MD_PATH": _bytes_as_text(info.metabase_path),
        "INSTANCE_ID": str(info.site_id),
        "INSTANCE_META_PATH": f"/LM/W3SVC/{info.site_id}",
        "wsgi.version": (1, 0),
        "wsgi.multithread": is_multithread,
        "wsgi.multiprocess": is_multiprocess,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": file_wrapper,
    }


def request_environ(base: dict[str, Any], request: Request) -> dict[str, Any]:
    """The environ of one request, but for wsgi.input and wsgi.errors."""
    environ = base.copy()
    connection = request.connection
    path, length = request.path, mount_length(request)
    address = request.server_name or connection.local_address
    environ["REQUEST_METHOD"] = request.method
    environ["SCRIPT_NAME"] = _bytes_as_text(path[:length])
    environ["PATH_INFO"] = _bytes_as_text(path[length:])
    environ["QUERY_STRING"] = request.raw_query
    environ["REQUEST_URI"] = environ["RAW_URI"] = request.raw_target
    environ["SERVER_PROTOCOL"] = "HTTP/" + request.http_version
    environ["SERVER_NAME"] = f"[{address}]" if ":" in address and address[0] != "[" else address
    environ["SERVER_PORT"] = str(connection.local_port)
    environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = connection.remote_address
    environ["REMOTE_PORT"] = str(connection.remote_port)
    environ["UNIQUE_ID"] = request.id
    if connection.is_secure:
        environ["wsgi.url_scheme"] = "https"
        environ["HTTPS"] = "on"
    else:
        environ["wsgi.url_scheme"] = "http"
    if request.user:
        environ["REMOTE_USER"] = environ["AUTH_USER"] = _bytes_as_text(request.user)
    if request.auth_type:
        environ["AUTH_TYPE"] = request.auth_type
    if request.context.get("warm_up"):
        environ["WARMUP_REQUEST"] = "1"
    for name, value in request.redirect_variables.items():
        environ[name if name.startswith("REDIRECT_") else f"REDIRECT_{name}"] = _bytes_as_text(value)
    _add_fields(environ, request)
    return environ


def _add_fields(environ: dict[str, Any], request: Request) -> None:
    has_length = False
    for name, value in request.fields():
        variable = _variables.get(name)
        if variable is None:
            variable = _remember(name)
        if not variable:
            continue
        if variable == "CONTENT_LENGTH":
            has_length = True
        elif variable not in environ:
            environ[variable] = value
        elif variable != "CONTENT_TYPE":
            environ[variable] += ("; " if variable == "HTTP_COOKIE" else ", ") + value
    length = request.body.length
    if length or (has_length and length is not None):
        environ["CONTENT_LENGTH"] = str(length)


def _remember(name: str) -> str:
    lower = name.lower()
    if lower in ("content-type", "content-length"):
        variable = lower.upper().replace("-", "_")
    else:
        variable = field_variable(name)
    if len(_variables) < _MOST_NAMES:
        _variables[sys.intern(name)] = variable
    return variable


def _bytes_as_text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
