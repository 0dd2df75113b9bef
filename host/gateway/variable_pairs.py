"""A request's meta-variables as FastCGI sends them; what is the same as with the request before is not looked at again.

A client says the same with each request of a connection, but for the URL; the same URLs are asked for by many clients.
So both are remembered as bytes, with all that they depend on, and what is left of a request is its number. Nothing here
knows what a variable means: that is `environment.py`.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from host.api import ApplicationInfo, Headers, HttpError, Request
from host.gateway.environment import (
    KNOWN_BLOCKS,
    KNOWN_URLS,
    LONGEST_KNOWN_BLOCK,
    LONGEST_KNOWN_TARGET,
    client_groups,
    ends_of,
    own_group,
    url_group,
    variable_groups,
)
from host.gateway.fastcgi_records import encode_pairs
from host.gateway.variable_group import pairs_of

_KNOWN_HERE: Final = "isapy.meta-variables.client"
"""Key in `Connection.state`."""

_LONGEST_ID: Final = 127  # its length takes one byte
_ID_LENGTHS: Final = [
    encode_pairs([(b"UNIQUE_ID", bytes(length))]).removesuffix(bytes(length)) for length in range(_LONGEST_ID + 1)
]
"""What stands in front of a request's id of that length."""


class _Client:
    """The variables of a client's requests but for the URL and what is each one's own."""

    __slots__ = ("announces_length", "application", "ends", "pairs", "passes_authorization", "raw_headers")

    def __init__(self, request: Request, ends: tuple[Any, ...], *, passes_authorization: bool) -> None:
        """Raises HttpError, and UnicodeEncodeError."""
        self.raw_headers: bytes = request.raw_headers
        self.application: ApplicationInfo = request.application
        self.ends = ends
        self.passes_authorization = passes_authorization
        self.announces_length = _names_length(request.raw_headers)
        self.pairs = pairs_of(client_groups(request, passes_authorization))


class _Url:
    """The variables of a URL, and what they depend on."""

    __slots__ = ("_application", "_connection", "_mount_length", "_names", "pairs")

    def __init__(self, request: Request, mount_length: int) -> None:
        """Raises HttpError, and UnicodeEncodeError."""
        self._application: ApplicationInfo = request.application
        self._names = _names(request)
        self._connection = _connection_facts(request)
        self._mount_length = mount_length
        self.pairs: bytes = url_group(request, mount_length).pairs

    def is_of(self, request: Request, mount_length: int) -> bool:
        """Whether that request's are the same."""
        return (
            self._application is request.application
            and self._mount_length == mount_length
            and self._names == _names(request)
            and self._connection == _connection_facts(request)
        )


def variable_pairs(
    request: Request, *, content_length: int | None, pass_authorization: bool, mount_length: int
) -> bytes:
    """The pairs of `variable_groups`, whose arguments and errors these are."""
    if request.redirect_count or request.redirect_variables or not _is_repeated(request):
        return pairs_of(
            variable_groups(
                request,
                content_length=content_length,
                pass_authorization=pass_authorization,
                mount_length=mount_length,
            )
        )
    try:
        client = _client_of(request, pass_authorization)
        return client + _url_pairs(request, mount_length) + _own_pairs(request, content_length)
    except UnicodeEncodeError as error:
        raise HttpError(400, 0, f"the request cannot be told to a program: {error}") from None


def announces_length(request: Request) -> bool:
    """Whether the client has sent a Content-Length, if only 0."""
    if not _is_repeated(request):
        return bool(request.first_header("Content-Length"))
    known: _Client | None = request.connection.state.get(_KNOWN_HERE)
    if known is not None and known.raw_headers == request.raw_headers:
        return known.announces_length
    return _names_length(request.raw_headers)


def _is_repeated(request: Request) -> bool:
    """Whether its fields are as the client sent them, and may come again."""
    return request.has_raw_headers and len(request.raw_headers) <= LONGEST_KNOWN_BLOCK


def _client_of(request: Request, pass_authorization: bool) -> bytes:
    """Kept with the connection. A proxy's may bring another client with each request."""
    connection, ends = request.connection, ends_of(request)
    known: _Client | None = connection.state.get(_KNOWN_HERE)
    if (
        known is None
        or known.raw_headers != request.raw_headers
        or known.application is not request.application
        or known.passes_authorization != pass_authorization
        or known.ends != ends
    ):
        known = connection.state[_KNOWN_HERE] = _Client(request, ends, passes_authorization=pass_authorization)
    return known.pairs


def _url_pairs(request: Request, mount_length: int) -> bytes:
    """Kept for all clients: of each target the last one."""
    target = request.raw_target
    known = _urls.get(target)
    if known is None or not known.is_of(request, mount_length):
        known = _Url(request, mount_length)
        if len(target) <= LONGEST_KNOWN_TARGET:
            if len(_urls) >= KNOWN_URLS:
                _urls.clear()
            _urls[target] = known
    return known.pairs


def _own_pairs(request: Request, content_length: int | None) -> bytes:
    number = request.id.encode()
    if content_length is not None or request.user or request.auth_type or request.context or len(number) > _LONGEST_ID:
        return own_group(request, content_length).pairs
    return _ID_LENGTHS[len(number)] + number


def _names(request: Request) -> tuple[str, ...]:
    return (
        request.method,
        request.raw_query,
        request.path,
        request.script_name,
        request.path_info,
        request.physical_path,
        request.http_version,
        request.server_name,
    )


def _connection_facts(request: Request) -> tuple[str, int, bool]:
    connection = request.connection
    return connection.local_address, connection.local_port, connection.is_secure


@functools.lru_cache(maxsize=KNOWN_BLOCKS)
def _names_length(raw_headers: bytes) -> bool:
    if b"content-length" not in raw_headers.lower():
        return False
    return bool(Headers.from_raw(raw_headers).get("Content-Length"))


_urls: Final[dict[str, _Url]] = {}
