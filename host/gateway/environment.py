"""A request as CGI meta-variables (RFC 3875 section 4.1), with IIS's and Apache's usual additions.

Everything is bytes: header values are what the client sent, paths are UTF-8. What a client could use to fool a
program is closed here, and only here:

- `X_Forwarded_For` would become the same variable as `X-Forwarded-For`: names with any other character than letters,
  digits and `-` are dropped;
- `Proxy:` would become HTTP_PROXY, which many HTTP libraries obey ("httpoxy", CVE-2016-5385): dropped;
- `Authorization` and `Proxy-Authorization` would show passwords to every program: dropped unless asked for;
- CR, LF or NUL in a value that comes from the URL: the request is refused with 400.

Hop-by-hop fields are dropped by name. Fields that `Connection` nominates are kept: dropping them would let a client
strip a field that a proxy in front of us added.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

from host.api import Headers, HttpError, Request

_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9-]+")
_REFUSED_IN_VALUE: Final = re.compile(rb"[\x00\r\n]")

NOT_PASSED: Final = frozenset(
    # given as variables of their own; dangerous; hop-by-hop (RFC 9110 section 7.6.1)
    [
        "content-type",
        "content-length",
        "proxy",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Request fields that never become an HTTP_ variable, in lower case."""

CREDENTIAL_FIELDS: Final = frozenset({"authorization", "proxy-authorization"})
"""Request fields that become variables only when the configuration passes them (Apache: CGIPassAuth)."""

SERVER_SOFTWARE: Final = b"isapy"
"""What the Server field of every response says."""

KNOWN_FIELDS: Final = 512
"""Names of request fields whose meaning is remembered; a client that invents names makes others be forgotten."""

KNOWN_BLOCKS: Final = 128
LONGEST_KNOWN_BLOCK: Final = 2048
"""So many header blocks, of up to so many bytes, are remembered with their variables."""


def meta_variables(
    request: Request,
    *,
    content_length: int | None,
    pass_authorization: bool = False,
) -> dict[bytes, bytes]:
    """Every meta-variable of `request`.

    `content_length` is the body's size in bytes as the program will read it, None when there is no body.
    Raises HttpError 400.0 when a value cannot be an environment value.
    """
    try:
        variables = _from_fields(request, pass_authorization)
        variables.update(_from_request(request))
        variables.update(_from_connection(request))
    except UnicodeEncodeError as error:
        raise HttpError(400, 0, f"the request cannot be told to a program: {error}") from None
    if content_length is not None:
        variables[b"CONTENT_LENGTH"] = b"%d" % content_length
    _refuse_control_characters(variables)
    return variables


def mount(variables: dict[bytes, bytes], path: str, length: int) -> None:
    """Of an application that answers for a whole folder: the first `length` characters of the URL path are its own
    (SCRIPT_NAME), the others are PATH_INFO."""
    variables[b"SCRIPT_NAME"], variables[b"PATH_INFO"] = _path(path[:length]), _path(path[length:])
    variables.pop(b"PATH_TRANSLATED", None)
    if translated := _translate(variables[b"DOCUMENT_ROOT"], path[length:]):
        variables[b"PATH_TRANSLATED"] = translated


def _from_request(request: Request) -> dict[bytes, bytes]:
    application = request.application
    root = _path(application.physical_path)
    variables = {
        **_from_application(application.site_id, application.metabase_path, application.physical_path),
        b"REQUEST_METHOD": request.method.encode(),
        b"REQUEST_URI": _raw(request.original_target),  # Apache, lighttpd and nginx: never the one led to inside
        b"QUERY_STRING": _raw(request.raw_query),
        b"SCRIPT_NAME": _path(request.script_name),
        b"SCRIPT_FILENAME": _path(request.physical_path),
        b"PATH_INFO": _path(request.path_info),
        b"SERVER_PROTOCOL": b"HTTP/" + request.http_version.encode(),
        b"UNIQUE_ID": request.id.encode(),
    }
    if request.redirect_count:
        url_path = _url_path(request.original_target)
    else:
        url_path = variables[b"SCRIPT_NAME"] + variables[b"PATH_INFO"]
    variables[b"SCRIPT_URL"] = url_path
    connection = request.connection
    name = request.server_name or connection.local_address
    variables[b"SCRIPT_URI"] = _origin(name, connection.local_port, connection.is_secure) + url_path
    translated = _translate(root, request.path_info)
    if translated:
        variables[b"PATH_TRANSLATED"] = translated
    if request.user:
        user = _path(request.user)
        variables.update({b"REMOTE_USER": user, b"AUTH_USER": user, b"LOGON_USER": user})
    if request.auth_type:
        variables[b"AUTH_TYPE"] = request.auth_type.encode()
    if request.context.get("warm_up"):  # no client has asked: isapy wants the application to be ready
        variables[b"WARMUP_REQUEST"] = b"1"
    for name, value in request.redirect_variables.items():
        key = name if name.startswith("REDIRECT_") else f"REDIRECT_{name}"
        variables[key.encode()] = _path(value)
    return variables


@functools.lru_cache(maxsize=64)
def _from_application(site_id: int, metabase_path: str, physical_path: str) -> Mapping[bytes, bytes]:
    root = _path(physical_path)
    return {
        b"GATEWAY_INTERFACE": b"CGI/1.1",
        b"SERVER_SOFTWARE": SERVER_SOFTWARE,
        b"REDIRECT_STATUS": b"200",  # php-cgi runs nothing without it (force-cgi-redirect)
        b"DOCUMENT_ROOT": root,
        b"INSTANCE_ID": b"%d" % site_id,
        b"INSTANCE_META_PATH": b"/LM/W3SVC/%d" % site_id,
        b"APPL_MD_PATH": _path(metabase_path),
        b"APPL_PHYSICAL_PATH": root.rstrip(b"/") + b"/",
    }


def _from_connection(request: Request) -> dict[bytes, bytes]:
    connection = request.connection
    remote = connection.remote_address.encode()
    local = connection.local_address.encode()
    secure = connection.is_secure
    of_tls = {} if connection.tls is None else connection.tls.variables
    return {name.encode(): _path(value) for name, value in of_tls.items()} | {
        b"REMOTE_ADDR": remote,
        b"REMOTE_HOST": remote,  # "or the address when unknown": isapy looks no names up
        b"REMOTE_PORT": b"%d" % connection.remote_port,
        b"LOCAL_ADDR": local,
        b"SERVER_ADDR": local,
        b"SERVER_NAME": _server_name(request),
        b"SERVER_PORT": b"%d" % connection.local_port,
        b"SERVER_PORT_SECURE": b"1" if secure else b"0",
        b"REQUEST_SCHEME": b"https" if secure else b"http",
        b"HTTPS": b"on" if secure else b"off",
    }


def _url_path(target: str) -> bytes:
    return unquote_to_bytes(_raw(target.partition("?")[0]))


@functools.lru_cache(maxsize=64)
def _origin(name: str, port: int, is_secure: bool) -> bytes:
    """`http://www.example.com:8080`; a scheme's own port is left away."""
    origin = (b"https://" if is_secure else b"http://") + _bracketed(name)
    return origin if port == (443 if is_secure else 80) else origin + b":%d" % port


def _server_name(request: Request) -> bytes:
    return _bracketed(request.server_name or request.connection.local_address)


def _bracketed(text: str) -> bytes:
    name = text.encode()
    return b"[" + name + b"]" if b":" in name and not name.startswith(b"[") else name


def _from_fields(request: Request, pass_authorization: bool) -> dict[bytes, bytes]:
    if request.has_raw_headers and len(request.raw_headers) <= LONGEST_KNOWN_BLOCK:
        return _from_block(request.raw_headers, pass_authorization).copy()
    return _of_fields(request.headers.items(), pass_authorization)


@functools.lru_cache(maxsize=KNOWN_BLOCKS)
def _from_block(raw_headers: bytes, pass_authorization: bool) -> dict[bytes, bytes]:
    """Of fields as they came: a client says the same with each request of a connection."""
    return _of_fields(Headers.from_raw(raw_headers).items(), pass_authorization)


def _of_fields(fields: list[tuple[str, str]], pass_authorization: bool) -> dict[bytes, bytes]:
    variables: dict[bytes, bytes] = {}
    for name, value in fields:
        variable, joint, is_secret = _meaning(name)
        if not variable or (is_secret and not pass_authorization):
            continue
        earlier = variables.get(variable)
        if earlier is None:
            variables[variable] = _raw(value)
        elif joint:
            variables[variable] = earlier + joint + _raw(value)
    return variables


@functools.lru_cache(maxsize=KNOWN_FIELDS)
def _meaning(name: str) -> tuple[bytes, bytes, bool]:
    """Of a request field: its variable (empty: none), what joins repeated ones (empty: the first counts), and whether
    it holds credentials."""
    lower = name.lower()
    if lower == "content-type":
        return b"CONTENT_TYPE", b"", False
    return field_variable(name).encode(), b"; " if lower == "cookie" else b", ", lower in CREDENTIAL_FIELDS


def field_variable(name: str) -> str:
    """The HTTP_ variable that a request field becomes; empty for a field that becomes none (or one of its own)."""
    if name.lower() in NOT_PASSED or _FIELD_NAME.fullmatch(name) is None:
        return ""
    return "HTTP_" + name.upper().replace("-", "_")


def _translate(root: bytes, path_info: str) -> bytes:
    """PATH_INFO taken as a URL path of the application; empty when it is none or would lead out of it."""
    if not path_info or ".." in path_info.split("/"):
        return b""
    return root.rstrip(b"/") + b"/" + _path(path_info).lstrip(b"/")


def _path(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _raw(text: str) -> bytes:
    try:
        return text.encode("latin-1")  # bytes as they came over the wire
    except UnicodeEncodeError:
        return _path(text)  # a filter wrote other characters


def _refuse_control_characters(variables: Mapping[bytes, bytes]) -> None:
    values = b"".join(
        variables.values()
    )  # looked through three times by the C library: a pattern takes five times as long
    if b"\n" not in values and b"\r" not in values and b"\0" not in values:
        return
    name = next(name for name, value in variables.items() if _REFUSED_IN_VALUE.search(value))
    raise HttpError(400, 0, f"{name.decode('latin-1')} would hold a line end or a zero byte")
