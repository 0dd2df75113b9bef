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
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

from host.api import Connection, Headers, HttpError, Request
from host.gateway.variable_group import VariableGroup, merged
from host.remembered import Remembered

_FIELD_NAME: Final = re.compile(r"[A-Za-z0-9-]+")

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

KNOWN_BLOCKS: Final = 128
LONGEST_KNOWN_BLOCK: Final = 2048
"""So many header blocks, of up to so many bytes, are remembered with their variables."""

KNOWN_URLS: Final = 256
LONGEST_KNOWN_TARGET: Final = 512
"""The same for URLs, of up to so many characters."""

_KNOWN_HERE: Final = "isapy.meta-variables"
"""Key in `Connection.state`."""


def meta_variables(
    request: Request,
    *,
    content_length: int | None,
    pass_authorization: bool = False,
    mount_length: int = -1,
) -> dict[bytes, bytes]:
    """Every meta-variable of `request`; arguments and errors are those of `variable_groups`."""
    return merged(
        variable_groups(
            request,
            content_length=content_length,
            pass_authorization=pass_authorization,
            mount_length=mount_length,
        )
    )


def variable_groups(
    request: Request,
    *,
    content_length: int | None,
    pass_authorization: bool = False,
    mount_length: int = -1,
) -> tuple[VariableGroup, ...]:
    """Every meta-variable of `request`, in groups that have no name in common: what has been the same before is the
    same group.

    `content_length` is the body's size in bytes as the program will read it, None when there is no body.
    `mount_length` is for an application that answers for a whole folder: so many characters of the URL path are its own
    (SCRIPT_NAME), the others are PATH_INFO. Raises HttpError 400.0 when a value cannot be an environment value.
    """
    try:
        groups = (
            *client_groups(request, pass_authorization),
            url_group(request, mount_length),
            own_group(request, content_length),
        )
    except UnicodeEncodeError as error:
        raise HttpError(400, 0, f"the request cannot be told to a program: {error}") from None
    if request.redirect_variables:  # REDIRECT_STATUS may be among them
        return (VariableGroup(merged(groups)),)
    return groups


def client_groups(request: Request, pass_authorization: bool) -> tuple[VariableGroup, ...]:
    """What a client's requests for an application mostly have in common: its fields, its connection, the application.
    Raises as `variable_groups`, and UnicodeEncodeError."""
    application = request.application
    return (
        _from_fields(request, pass_authorization),
        _from_connection(request),
        _from_application(application.site_id, application.metabase_path, application.physical_path),
    )


def own_group(request: Request, content_length: int | None) -> VariableGroup:
    """What no other request has. Raises as `client_groups`."""
    variables = {b"UNIQUE_ID": request.id.encode()}
    if content_length is not None:
        variables[b"CONTENT_LENGTH"] = b"%d" % content_length
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
    return VariableGroup(variables)


class _UrlFacts(NamedTuple):
    """What the variables of a URL depend on."""

    method: str
    target: str
    query: str
    script_name: str
    path_info: str
    physical_path: str
    http_version: str
    host: str
    port: int
    is_secure: bool
    root: str
    is_led_here: bool  # by a local redirect, a default document or an error page
    mounted: tuple[str, str] | None


def url_group(request: Request, mount_length: int) -> VariableGroup:
    """What follows from the URL, and from what it led to. Raises as `client_groups`."""
    connection = request.connection
    target = request.original_target  # Apache, lighttpd and nginx: never the one led to inside
    path = request.path
    values = (
        request.method,
        target,
        request.raw_query,
        request.script_name,
        request.path_info,
        request.physical_path,
        request.http_version,
        request.server_name or connection.local_address,
        connection.local_port,
        connection.is_secure,
        request.application.physical_path,
        bool(request.redirect_count),
        (path[:mount_length], path[mount_length:]) if mount_length >= 0 else None,
    )
    facts = tuple.__new__(_UrlFacts, values)  # its own constructor is a function in Python
    return _known_url(facts) if len(target) <= LONGEST_KNOWN_TARGET else _of_url(facts)


def _of_url(facts: _UrlFacts) -> VariableGroup:
    script_name, path_info = facts.script_name, facts.path_info
    url_path = _url_path(facts.target) if facts.is_led_here else _path(script_name) + _path(path_info)
    if facts.mounted is not None:
        script_name, path_info = facts.mounted
    variables = {
        b"REQUEST_METHOD": facts.method.encode(),
        b"REQUEST_URI": _raw(facts.target),
        b"QUERY_STRING": _raw(facts.query),
        b"SCRIPT_NAME": _path(script_name),
        b"SCRIPT_FILENAME": _path(facts.physical_path),
        b"PATH_INFO": _path(path_info),
        b"SERVER_PROTOCOL": b"HTTP/" + facts.http_version.encode(),
        b"SCRIPT_URL": url_path,
        b"SCRIPT_URI": _origin(facts.host, facts.port, facts.is_secure) + url_path,
    }
    if not path_info and facts.mounted is None:  # programs ask whether it is there, as with Apache and lighttpd
        del variables[b"PATH_INFO"]
    if translated := _translate(_path(facts.root), path_info):
        variables[b"PATH_TRANSLATED"] = translated
    return VariableGroup(variables)


_known_url: Final = functools.lru_cache(maxsize=KNOWN_URLS)(_of_url)


@functools.lru_cache(maxsize=64)
def _from_application(site_id: int, metabase_path: str, physical_path: str) -> VariableGroup:
    root = _path(physical_path)
    return VariableGroup(
        {
            b"GATEWAY_INTERFACE": b"CGI/1.1",
            b"SERVER_SOFTWARE": SERVER_SOFTWARE,
            b"REDIRECT_STATUS": b"200",  # php-cgi runs nothing without it (force-cgi-redirect)
            b"DOCUMENT_ROOT": root,
            b"INSTANCE_ID": b"%d" % site_id,
            b"INSTANCE_META_PATH": b"/LM/W3SVC/%d" % site_id,
            b"APPL_MD_PATH": _path(metabase_path),
            b"APPL_PHYSICAL_PATH": root.rstrip(b"/") + b"/",
        }
    )


def ends_of(request: Request) -> tuple[object, ...]:
    """What variables say of the connection: while it is the same, they are. A proxy's may bring other ends with each
    request."""
    connection = request.connection
    return (
        request.server_name,
        connection.remote_address,
        connection.remote_port,
        connection.local_address,
        connection.local_port,
        connection.is_secure,
        connection.tls,
    )


def _from_connection(request: Request) -> VariableGroup:
    """Kept with the connection, for the client and the host name of its last request: a proxy's connection may bring
    another client with each."""
    connection, ends = request.connection, ends_of(request)
    known: tuple[object, VariableGroup] | None = connection.state.get(_KNOWN_HERE)
    if known is None or known[0] != ends:
        known = connection.state[_KNOWN_HERE] = ends, _of_connection(connection, request.server_name)
    return known[1]


def _of_connection(connection: Connection, server_name: str) -> VariableGroup:
    remote = connection.remote_address.encode()
    local = connection.local_address.encode()
    secure = connection.is_secure
    of_tls = {} if connection.tls is None else connection.tls.variables
    return VariableGroup(
        {name.encode(): _path(value) for name, value in of_tls.items()}
        | {
            b"REMOTE_ADDR": remote,
            b"REMOTE_HOST": remote,  # "or the address when unknown": isapy looks no names up
            b"REMOTE_PORT": b"%d" % connection.remote_port,
            b"LOCAL_ADDR": local,
            b"SERVER_ADDR": local,
            b"SERVER_NAME": _bracketed(server_name or connection.local_address),
            b"SERVER_PORT": b"%d" % connection.local_port,
            b"SERVER_PORT_SECURE": b"1" if secure else b"0",
            b"REQUEST_SCHEME": b"https" if secure else b"http",
            b"HTTPS": b"on" if secure else b"off",
        }
    )


def _url_path(target: str) -> bytes:
    return unquote_to_bytes(_raw(target.partition("?")[0]))


@functools.lru_cache(maxsize=64)
def _origin(name: str, port: int, is_secure: bool) -> bytes:
    """`http://www.example.com:8080`; a scheme's own port is left away."""
    origin = (b"https://" if is_secure else b"http://") + _bracketed(name)
    return origin if port == (443 if is_secure else 80) else origin + b":%d" % port


def _bracketed(text: str) -> bytes:
    name = text.encode()
    return b"[" + name + b"]" if b":" in name and not name.startswith(b"[") else name


def _from_fields(request: Request, pass_authorization: bool) -> VariableGroup:
    if request.has_raw_headers and len(request.raw_headers) <= LONGEST_KNOWN_BLOCK:
        return _from_block(request.raw_headers, pass_authorization)
    return VariableGroup(_of_fields(request.headers.items(), pass_authorization))


@functools.lru_cache(maxsize=KNOWN_BLOCKS)
def _from_block(raw_headers: bytes, pass_authorization: bool) -> VariableGroup:
    """Of fields as they came: a client says the same with each request of a connection."""
    return VariableGroup(_of_fields(Headers.from_raw(raw_headers).items(), pass_authorization))


def _of_fields(fields: list[tuple[str, str]], pass_authorization: bool) -> dict[bytes, bytes]:
    variables: dict[bytes, bytes] = {}
    for name, value in fields:
        variable, joint, is_secret = _meanings[name]
        if not variable or (is_secret and not pass_authorization):
            continue
        earlier = variables.get(variable)
        if earlier is None:
            variables[variable] = _raw(value)
        elif joint:
            variables[variable] = earlier + joint + _raw(value)
    return variables


def _meaning(name: str) -> tuple[bytes, bytes, bool]:
    """Of a request field: its variable (empty: none), what joins repeated ones (empty: the first counts), and whether
    it holds credentials."""
    lower = name.lower()
    if lower == "content-type":
        return b"CONTENT_TYPE", b"", False
    return field_variable(name).encode(), b"; " if lower == "cookie" else b", ", lower in CREDENTIAL_FIELDS


_meanings: Final = Remembered(_meaning, 512, 64)


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
