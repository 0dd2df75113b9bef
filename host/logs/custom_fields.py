"""Custom fields of a W3C log as columns: header fields of request and answer, and server variables.

What an operator wrote never becomes source text: a column's expression is one of the constants below, and the names
of header fields reach it as values (`keys`). An expression may use what those of `fields.py` may, and `answer` (header
fields of the answer by lower-case name, made safe) and `details` (a RecordDetails or None).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from host.config.log_settings import CustomField


class Variable(NamedTuple):
    """Where a server variable comes from; `header` is the request header field that it needs, empty for none."""

    expression: str
    header: str = ""


_USER: Final = Variable("text(user_name) if user_name else '-'")
_METHOD: Final = Variable("word[method]")
_PROTOCOL: Final = Variable("word[http_version]")
_CLIENT: Final = Variable("word[client_ip]")
_TARGET: Final = Variable("target or '-'")

VARIABLES: Final = {
    "APP_POOL_ID": Variable("text(details.pool) if details else '-'"),
    "APPL_MD_PATH": Variable("text(details.application) if details else '-'"),
    "AUTH_USER": _USER,
    "CONTENT_LENGTH": Variable("header.get(b'content-length', '-')", "content-length"),
    "CONTENT_TYPE": Variable("header.get(b'content-type', '-')", "content-type"),
    "GATEWAY_INTERFACE": Variable("'CGI/1.1'"),
    "HTTPS": Variable("('on' if details.is_secure else 'off') if details else '-'"),
    "HTTP_METHOD": _METHOD,
    "HTTP_URL": _TARGET,
    "HTTP_VERSION": _PROTOCOL,
    "INSTANCE_ID": Variable("site_id"),
    "INSTANCE_META_PATH": Variable("'/LM/W3SVC/' + str(site_id)"),
    "INSTANCE_NAME": Variable("text(site_name)"),
    "LOCAL_ADDR": Variable("word[server_ip]"),
    "LOGON_USER": _USER,
    "QUERY_STRING": Variable("query or '-'"),
    "REMOTE_ADDR": _CLIENT,
    "REMOTE_HOST": _CLIENT,
    "REMOTE_PORT": Variable("(details.client_port or '-') if details else '-'"),
    "REMOTE_USER": _USER,
    "REQUEST_METHOD": _METHOD,
    "SERVER_NAME": Variable("host_name(header.get(b'host', ''), word[server_ip])", "host"),
    "SERVER_PORT": Variable("server_port"),
    "SERVER_PORT_SECURE": Variable("int(details.is_secure) if details else '-'"),
    "SERVER_PROTOCOL": _PROTOCOL,
    "UNENCODED_URL": _TARGET,
}
"""What a ServerVariable column shows (`host.config.log_settings.LOGGED_VARIABLES` has the same names)."""

_UNKNOWN: Final = Variable("'-'")


class CustomColumns(NamedTuple):
    """The columns of some custom fields: an expression for each, the names that these look up by their place in
    `keys`, and the header fields (lower case) that must be found in a request and in an answer."""

    expressions: tuple[str, ...]
    keys: tuple[bytes, ...]
    request_headers: tuple[str, ...]
    answer_headers: tuple[str, ...]


def custom_columns(fields: Sequence[CustomField]) -> CustomColumns:
    """The columns of these fields, in their order."""
    expressions: list[str] = []
    keys: list[bytes] = []
    request_headers: list[str] = []
    answer_headers: list[str] = []
    for place, field in enumerate(fields):
        key = ""
        if field.source_type == "ServerVariable":
            variable = _variable(field.source_name.upper(), place)
            expression, key = variable.expression, variable.header
            request_headers.append(key)
        elif field.source_type == "ResponseHeader":
            expression, key = f"answer.get(keys[{place}], '-')", field.source_name.lower()
            answer_headers.append(key)
        else:
            expression, key = f"header.get(keys[{place}], '-')", field.source_name.lower()
            request_headers.append(key)
        keys.append(key.encode("latin-1", "replace"))
        expressions.append(f"cut({expression})")
    wanted = tuple(name for name in request_headers if name)
    return CustomColumns(tuple(expressions), tuple(keys), wanted, tuple(answer_headers))


def _variable(name: str, place: int) -> Variable:
    """The variable of that name; HTTP_ and a header field's name in capitals is that field."""
    if name not in VARIABLES and name.startswith("HTTP_"):
        return Variable(f"header.get(keys[{place}], '-')", name.removeprefix("HTTP_").replace("_", "-").lower())
    return VARIABLES.get(name, _UNKNOWN)


def host_name(host: str, server_ip: str) -> str:
    """SERVER_NAME: the host that the client asked for, without its port; the server's address when it named none."""
    name, colon, port = host.rpartition(":")
    if colon and (not port or port.isdigit()) and (":" not in name or name.endswith("]")):
        host = name
    return host or server_ip
