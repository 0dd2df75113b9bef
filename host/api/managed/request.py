"""HttpRequest: what managed code sees of a request."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from host.api.headers import Headers
from host.api.managed.contracts import PlatformNotSupportedException
from host.api.managed.posted_files import HttpFileCollection, MultipartForm
from host.api.managed.values import NameValueCollection, ServerVariables
from host.api.request import Request

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"


class ReadOnlyHeaders(Headers):
    """The header fields of a request in classic mode."""

    __slots__ = ()

    def add(self, name: str, value: str) -> None:
        """Refused: PlatformNotSupportedException."""
        raise PlatformNotSupportedException(f"changing the request header {name} to {value!r}")

    def set(self, name: str, value: str) -> None:
        """Refused: PlatformNotSupportedException."""
        raise PlatformNotSupportedException(f"changing the request header {name} to {value!r}")

    def remove(self, name: str) -> bool:
        """Refused: PlatformNotSupportedException."""
        raise PlatformNotSupportedException(f"removing the request header {name}")


class HttpRequest:
    """A request. `native` is the host's own object; names without case where HTTP has them so."""

    def __init__(
        self,
        native: Request,
        *,
        is_integrated: bool,
        variables: Callable[[Request], list[tuple[str, str]]],
        parse_multipart: Callable[[str, bytes], MultipartForm],
    ) -> None:
        self.native = native
        self._is_integrated = is_integrated
        self._variables = variables
        self._parse_multipart = parse_multipart

    # --- the URL

    @property
    def http_method(self) -> str:
        """GET, POST and so on."""
        return self.native.method

    @property
    def raw_url(self) -> str:
        """Path and query as the client sent them, or as they were rewritten."""
        return self.native.raw_target

    @property
    def url(self) -> str:
        """The absolute URL."""
        return self.native.url

    @property
    def path(self) -> str:
        """The decoded path, path information included."""
        return self.native.path

    @property
    def file_path(self) -> str:
        """The path without path information."""
        return self.native.script_name or self.native.path

    @property
    def path_info(self) -> str:
        """What follows the resource's name in the path."""
        return self.native.path_info

    @property
    def physical_path(self) -> str:
        """The file that the path is mapped to."""
        return self.native.physical_path

    @property
    def application_path(self) -> str:
        """Virtual path of the application."""
        return self.native.application.path

    @property
    def physical_application_path(self) -> str:
        """Folder of the application."""
        return self.native.application.physical_path

    @property
    def query_string(self) -> NameValueCollection:
        """The query, decoded as UTF-8 form data."""
        return NameValueCollection(parse_qsl(self.native.raw_query, keep_blank_values=True))

    # --- head and body

    @property
    def headers(self) -> Headers:
        """The header fields; in classic mode they cannot be changed."""
        if self._is_integrated:
            return self.native.headers
        headers = ReadOnlyHeaders()
        headers._fields = self.native.headers.items()
        return headers

    @cached_property
    def server_variables(self) -> ServerVariables:
        """CGI's variables; integrated mode lets modules set them."""
        return ServerVariables(self._variables(self.native), is_writable=self._is_integrated)

    @property
    def content_type(self) -> str:
        """Of the body."""
        return self.native.headers.get("Content-Type")

    @property
    def content_length(self) -> int:
        """Bytes of the body as announced; 0 when there is none or it is chunked."""
        return self.native.body.length or 0

    @cached_property
    def input_stream(self) -> io.BytesIO:
        """The whole body. The first use reads it, which blocks: on a thread only."""
        return io.BytesIO(self.native.body.read_blocking())

    def binary_read(self, count: int) -> bytes:
        """The next bytes of the body."""
        return self.input_stream.read(count)

    @cached_property
    def form(self) -> NameValueCollection:
        """The fields of a posted form, urlencoded or multipart. Raises HttpException 400 for one that is malformed."""
        media_type = self.content_type.partition(";")[0].strip().lower()
        if media_type == _MULTIPART:
            return NameValueCollection(self._multipart.fields)
        if media_type != _FORM:
            return NameValueCollection()
        text = self.input_stream.getvalue().decode("utf-8", "replace")
        return NameValueCollection(parse_qsl(text, keep_blank_values=True))

    @cached_property
    def files(self) -> HttpFileCollection:
        """The files of a multipart form. Raises HttpException 400 for one that is malformed."""
        if self.content_type.partition(";")[0].strip().lower() != _MULTIPART:
            return HttpFileCollection()
        return HttpFileCollection(self._multipart.files)

    @cached_property
    def _multipart(self) -> MultipartForm:
        return self._parse_multipart(self.content_type, self.input_stream.getvalue())

    @cached_property
    def cookies(self) -> NameValueCollection:
        """The cookies that the client sent."""
        jar: SimpleCookie = SimpleCookie()
        for field in self.native.headers.get_all("Cookie"):
            try:
                jar.load(field)
            except CookieError:
                continue
        return NameValueCollection((name, morsel.value) for name, morsel in jar.items())

    @property
    def params(self) -> NameValueCollection:
        """Query, form, cookies and server variables, in this order."""
        sources = (self.query_string, self.form, self.cookies, self.server_variables)
        return NameValueCollection((name, value) for one in sources for name in one for value in one.get_values(name))

    def __getitem__(self, name: str) -> str:
        return next(
            (
                source[name]
                for source in (self.query_string, self.form, self.cookies, self.server_variables)
                if name in source
            ),
            "",
        )

    # --- the client

    @property
    def user_agent(self) -> str:
        """What the client says it is."""
        return self.native.headers.get("User-Agent")

    @property
    def url_referrer(self) -> str:
        """Where the client comes from."""
        return self.native.headers.get("Referer")

    @property
    def user_host_address(self) -> str:
        """The client's address."""
        return self.native.connection.remote_address

    @property
    def is_authenticated(self) -> bool:
        """Whether there is a user."""
        return bool(self.native.user)

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine."""
        return self.native.connection.is_local

    @property
    def is_secure_connection(self) -> bool:
        """Whether it came over TLS."""
        return self.native.connection.is_secure
