"""The server variables of ISAPI: each name of IIS's list once, and where its value comes from.

Values are bytes: header fields as the client sent them, everything else UTF-8. A name that is known and has nothing to
say is empty, as in IIS; a name or header that there is not is ERROR_INVALID_INDEX.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from host.api import Request
from host.api.isapi import IsapiError
from host.api.win32_errors import ERROR_INVALID_INDEX

SERVER_SOFTWARE: Final = b"isapy/7.5"
"""What programs parse as a number behind the slash is the version of the ISAPI contract."""


@dataclass(frozen=True, slots=True)
class Paths:
    """What depends on how the request was led to the extension."""

    path_info: str
    path_translated: str
    document_root: str


Source = Callable[[Request, Paths], bytes]


def path_bytes(text: str) -> bytes:
    """A path or another text of ours."""
    return text.encode("utf-8", "surrogateescape")


def wire_bytes(text: str) -> bytes:
    """What came over the wire, byte for byte."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:  # a filter wrote other characters
        return path_bytes(text)


def variable(request: Request, paths: Paths, name: str) -> bytes:
    """The value of a variable. Raises IsapiError 1413 (ERROR_INVALID_INDEX)."""
    source = VARIABLES.get(name)
    if source is not None:
        return source(request, paths)
    if name.startswith("HTTP_"):
        return _header(request, name[5:].replace("_", "-"), name)
    if name.startswith("HEADER_"):
        return _header(request, name[7:], name)
    raise IsapiError(ERROR_INVALID_INDEX, f"there is no server variable {name!r}")


def _header(request: Request, field: str, variable_name: str) -> bytes:
    values = request.headers.get_all(field)
    if not values:
        raise IsapiError(ERROR_INVALID_INDEX, f"the request has no field for {variable_name}")
    joiner = b"; " if field.lower() == "cookie" else b", "
    return joiner.join(wire_bytes(value) for value in values)


def _all_http(request: Request, _paths: Paths) -> bytes:
    # X_Forwarded_For may not pose as X-Forwarded-For: who reads this list cannot tell them apart (nor in CGI)
    names = dict.fromkeys(name.upper() for name, _ in request.headers if "_" not in name)
    lines = [f"HTTP_{name.replace('-', '_')}:".encode("latin-1") + _header(request, name, name) for name in names]
    return b"".join(line + b"\n" for line in lines)  # LF: programs split there and strip nothing


def _all_raw(request: Request, _paths: Paths) -> bytes:
    return b"".join(wire_bytes(f"{name}: ") + wire_bytes(value) + b"\r\n" for name, value in request.headers)


def _password(request: Request, _paths: Paths) -> bytes:
    scheme, _, value = request.headers.get("Authorization").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


def _auth_type(request: Request, _paths: Paths) -> bytes:
    return wire_bytes(request.auth_type or request.headers.get("Authorization").partition(" ")[0])


def _content_length(request: Request, _paths: Paths) -> bytes:
    length = request.body.length
    return b"" if length is None else b"%d" % length


def _host_name(request: Request, _paths: Paths) -> bytes:
    return wire_bytes(request.server_name or request.connection.local_address)


def _https(request: Request, _paths: Paths) -> bytes:
    return b"on" if request.connection.is_secure else b"off"


def _raw_path(request: Request, _paths: Paths) -> bytes:
    return wire_bytes(request.raw_target.partition("?")[0])


def _cache_url(request: Request, paths: Paths) -> bytes:
    scheme = "https" if request.connection.is_secure else "http"
    authority = f"{request.connection.local_address}:{request.connection.local_port}"
    return f"{scheme}://{authority}".encode() + _raw_path(request, paths)


def _folder(path: str) -> bytes:
    return path_bytes(path.rstrip("/") + "/")


def _nothing(_request: Request, _paths: Paths) -> bytes:
    return b""


def _user(request: Request, _paths: Paths) -> bytes:
    return path_bytes(request.user)


def _address(request: Request, _paths: Paths) -> bytes:
    return request.connection.remote_address.encode()


def _local_address(request: Request, _paths: Paths) -> bytes:
    return request.connection.local_address.encode()


def _target(request: Request, _paths: Paths) -> bytes:
    return wire_bytes(request.raw_target)


def _protocol(request: Request, _paths: Paths) -> bytes:
    return b"HTTP/" + request.http_version.encode()


def _method(request: Request, _paths: Paths) -> bytes:
    return wire_bytes(request.method)


def _file(request: Request, _paths: Paths) -> bytes:
    return path_bytes(request.physical_path)


_OF_TLS: Final = (
    *("CERT_COOKIE", "CERT_FLAGS", "CERT_ISSUER", "CERT_SUBJECT", "CERT_SERIALNUMBER"),
    *("CERT_KEYSIZE", "CERT_SECRETKEYSIZE", "CERT_SERVER_ISSUER", "CERT_SERVER_SUBJECT"),
    *("CRYPT_PROTOCOL", "CRYPT_CIPHER_ALG_ID", "CRYPT_HASH_ALG_ID", "CRYPT_KEYEXCHANGE_ALG_ID"),
    *("HTTPS_KEYSIZE", "HTTPS_SECRETKEYSIZE", "HTTPS_SERVER_ISSUER", "HTTPS_SERVER_SUBJECT"),
)


def _of_tls(name: str) -> Source:
    """Empty without TLS, or without a client certificate, as in IIS."""

    def value(request: Request, _paths: Paths) -> bytes:
        tls = request.connection.tls
        return path_bytes(tls.variables.get(name, "")) if tls is not None else b""

    return value


VARIABLES: Final[Mapping[str, Source]] = {
    "ALL_HTTP": _all_http,
    "ALL_RAW": _all_raw,
    "APPL_MD_PATH": lambda request, _: path_bytes(request.application.metabase_path),
    "APPL_PHYSICAL_PATH": lambda request, _: _folder(request.application.physical_path),
    "APP_POOL_CONFIG": _nothing,
    "APP_POOL_ID": lambda request, _: path_bytes(request.application.pool_name),
    "AUTH_PASSWORD": _password,
    "AUTH_TYPE": _auth_type,
    "AUTH_USER": _user,
    "CACHE_URL": _cache_url,
    "CONTENT_LENGTH": _content_length,
    "CONTENT_TYPE": lambda request, _: wire_bytes(request.headers.get("Content-Type")),
    "DOCUMENT_ROOT": lambda _, paths: path_bytes(paths.document_root),
    "FORWARDED_URL": _target,
    "GATEWAY_INTERFACE": lambda *_: b"CGI/1.1",
    "HTTPS": _https,
    "HTTP_METHOD": _method,
    "HTTP_URL": _target,
    "HTTP_VERSION": _protocol,
    "INSTANCE_ID": lambda request, _: b"%d" % request.application.site_id,
    "INSTANCE_META_PATH": lambda request, _: b"/LM/W3SVC/%d" % request.application.site_id,
    "INSTANCE_NAME": lambda request, _: path_bytes(request.application.site_name),
    "LOCAL_ADDR": _local_address,
    "LOGON_USER": _user,
    "MANAGED_PIPELINE_MODE": lambda request, _: request.application.pipeline_mode.encode(),
    "PATH_INFO": lambda _, paths: path_bytes(paths.path_info),
    "PATH_TRANSLATED": lambda _, paths: path_bytes(paths.path_translated),
    "QUERY_STRING": lambda request, _: wire_bytes(request.raw_query),
    "REMOTE_ADDR": _address,
    "REMOTE_HOST": _address,  # "or the address again": isapy looks no names up
    "REMOTE_PORT": lambda request, _: b"%d" % request.connection.remote_port,
    "REMOTE_USER": _user,
    "REQUEST_FILENAME": _file,
    "REQUEST_FLAGS": lambda *_: b"0",
    "REQUEST_METHOD": _method,
    "REQUEST_URI": _raw_path,
    "SCRIPT_FILENAME": _file,
    "SCRIPT_NAME": lambda request, _: path_bytes(request.script_name),
    "SCRIPT_TRANSLATED": _file,
    "SERVER_ADDR": _local_address,
    "SERVER_NAME": _host_name,
    "SERVER_PORT": lambda request, _: b"%d" % request.connection.local_port,
    "SERVER_PORT_SECURE": lambda request, _: b"1" if request.connection.is_secure else b"0",
    "SERVER_PROTOCOL": _protocol,
    "SERVER_SOFTWARE": lambda *_: SERVER_SOFTWARE,
    "UNENCODED_URL": _target,
    "UNMAPPED_REMOTE_USER": _user,
    "URL": lambda request, _: path_bytes(request.path),
    **{name: _of_tls(name) for name in _OF_TLS},
}
"""Every name but the header fields' (HTTP_, HEADER_). UNICODE_ before any of them asks for its other form."""
