"""A request as WSGI's environ (PEP 3333): the gateway's variables as native strings, beside them the wsgi.* keys.

Every value is text whose characters are bytes (ISO 8859-1), paths are UTF-8 put so. What `host/gateway/environment.py`
closes for programs is closed here, too: fields with an underscore and `Proxy` become no variable. `Authorization` is
passed: the code runs inside the worker anyway, and applications look at it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from host.api import Request
from host.gateway.environment import SERVER_SOFTWARE, field_variable
from host.python_apps.mount_point import mount_length
from host.remembered import Remembered

_STATE: Final = "host.python_apps.wsgi_environ"  # in the state of a connection
_Ends = tuple[str, int, str, int, bool]


class _Template(NamedTuple):
    """What most requests of a connection for an application have in common. The first members say of which it is."""

    base: dict[str, Any]
    raw_headers: bytes
    server_name: str
    http_version: str
    ends: _Ends
    names_length: bool  # the client has sent a Content-Length
    environ: dict[str, Any]


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
    connection = request.connection
    ends = (
        connection.remote_address,
        connection.remote_port,
        connection.local_address,
        connection.local_port,
        connection.is_secure,
    )  # a proxy's connection may bring another client
    known: _Template | None = connection.state.get(_STATE)
    if (
        known is None
        or known.base is not base
        or known.raw_headers != request.raw_headers
        or not request.has_raw_headers
        or known.server_name != request.server_name
        or known.http_version != request.http_version
        or known.ends != ends
    ):
        known = _template(base, request, ends)
        if request.has_raw_headers:
            connection.state[_STATE] = known
    environ = known.environ.copy()
    path, length = request.path, mount_length(request)
    environ["REQUEST_METHOD"] = request.method
    environ["SCRIPT_NAME"] = _bytes_as_text(path[:length])
    environ["PATH_INFO"] = _bytes_as_text(path[length:])
    environ["QUERY_STRING"] = request.raw_query
    environ["REQUEST_URI"] = environ["RAW_URI"] = request.raw_target
    environ["UNIQUE_ID"] = request.id
    body_length = request.body.length
    if body_length or (known.names_length and body_length is not None):
        environ["CONTENT_LENGTH"] = str(body_length)
    if request.user:
        environ["REMOTE_USER"] = environ["AUTH_USER"] = _bytes_as_text(request.user)
    if request.auth_type:
        environ["AUTH_TYPE"] = request.auth_type
    if request.context and request.context.get("warm_up"):
        environ["WARMUP_REQUEST"] = "1"
    if request.redirect_variables:
        for name, value in request.redirect_variables.items():
            environ[name if name.startswith("REDIRECT_") else f"REDIRECT_{name}"] = _bytes_as_text(value)
    return environ


def _template(base: dict[str, Any], request: Request, ends: _Ends) -> _Template:
    environ = base.copy()
    connection = request.connection
    address = request.server_name or connection.local_address
    environ["SERVER_PROTOCOL"] = "HTTP/" + request.http_version
    environ["SERVER_NAME"] = f"[{address}]" if ":" in address and address[0] != "[" else address
    environ["SERVER_PORT"] = str(connection.local_port)
    environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = connection.remote_address
    environ["REMOTE_PORT"] = str(connection.remote_port)
    if connection.is_secure:
        environ["wsgi.url_scheme"] = "https"
        environ["HTTPS"] = "on"
    else:
        environ["wsgi.url_scheme"] = "http"
    if connection.tls is not None:
        environ.update({name: _bytes_as_text(value) for name, value in connection.tls.variables.items()})
    names_length = _add_fields(environ, request)
    return _Template(base, request.raw_headers, request.server_name, request.http_version, ends, names_length, environ)


def _add_fields(environ: dict[str, Any], request: Request) -> bool:
    """The variables of the request's fields; whether Content-Length is among them, which becomes none here."""
    has_length = False
    for name, value in request.fields():
        variable = _variables[name]
        if not variable:
            continue
        if variable == "CONTENT_LENGTH":
            has_length = True
        elif variable not in environ:
            environ[variable] = value
        elif variable != "CONTENT_TYPE":
            environ[variable] += ("; " if variable == "HTTP_COOKIE" else ", ") + value
    return has_length


def _variable(name: str) -> str:
    """The variable that a request field becomes; empty for one that becomes none."""
    lower = name.lower()
    if lower in ("content-type", "content-length"):
        return lower.upper().replace("-", "_")
    return field_variable(name)


_variables: Final = Remembered(_variable, 512, 64)


def _bytes_as_text(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")
