"""What a plugin sees of a request."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar
from urllib.parse import parse_qsl

from host.api.errors import HttpError
from host.api.headers import Headers
from host.api.plugins import HandlerMapping
from host.api.tls import Tls
from host.remembered import Remembered

if TYPE_CHECKING:
    from host.api.response import FileBody, Response

T = TypeVar("T")

_TARGET: Final = re.compile(r"/[!-~]*")


@dataclass(frozen=True, slots=True)
class Connection:
    """The client's connection: addresses as text, ports as numbers. `number` is unique while the listener lives.

    `state` is the place for a plugin's own values about the connection, in this worker, until `on_end_of_net_session`.
    """

    remote_address: str
    remote_port: int
    local_address: str
    local_port: int
    number: int
    is_secure: bool = False  # the client speaks TLS, to isapy or to a believed proxy
    tls: Tls | None = None  # its facts, when it is to isapy
    state: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine: it may see the cause of an error (IIS: DetailedLocalOnly)."""
        return (
            self.remote_address == self.local_address
            or self.remote_address.startswith(("127.", "::ffff:127."))
            or self.remote_address in ("::1", "")
        )


class RequestBody(Protocol):
    """The request's body as it arrives, under flow control. At most one reader; what was read is gone.

    The plain methods are for handlers on the thread pool and must not be called from the event loop, unless the body
    `is_complete`.
    """

    @property
    def length(self) -> int | None:
        """Bytes the client announced; None for a chunked body; 0 when there is none."""

    @property
    def is_at_end(self) -> bool:
        """True once everything has been read."""

    @property
    def is_complete(self) -> bool:
        """True once all of it is here: no read has to wait, and the plain methods may be called on the event loop."""

    async def read(self, limit: int | None = None) -> bytes:
        """Everything that is left. Raises BodyTooLarge above `limit` bytes, ClientGone when the client left."""

    async def read_some(self) -> bytes:
        """The next piece, at least one byte; empty at the end. Raises ClientGone when the client left."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Piece by piece."""

    def read_blocking(self, limit: int | None = None) -> bytes:
        """As `read`, from a thread of the pool."""

    def read_some_blocking(self) -> bytes:
        """As `read_some`, from a thread of the pool."""

    def refuse_above(self, most_bytes: int, refusal: HttpError) -> None:
        """Whoever reads more than `most_bytes` of it gets `refusal`: for filters that limit what no length announces.

        The last call counts. To be called from the event loop, before the body is read.
        """


@dataclass(frozen=True, slots=True)
class ApplicationInfo:
    """Where the request landed: the site, the application and its pool."""

    site_id: int
    site_name: str
    path: str  # virtual path of the application: "/" or "/shop"
    physical_path: str  # folder of its root virtual directory
    pool_name: str
    environment: Mapping[str, str] = field(default_factory=dict, compare=False)  # the pool's environmentVariables
    pipeline_mode: str = "Integrated"  # or Classic: the pool's managedPipelineMode
    is_sandboxed: bool = False  # the kernel refuses what no rule of the pool's <sandbox> names

    @property
    def metabase_path(self) -> str:
        """APPL_MD_PATH: `/LM/W3SVC/1/ROOT` or `/LM/W3SVC/1/ROOT/shop`."""
        return f"/LM/W3SVC/{self.site_id}/ROOT" + ("" if self.path == "/" else self.path)


@dataclass(frozen=True, slots=True)
class MappedUrl:
    """What a URL path of the site is mapped to. `url_root` is the URL path of the virtual directory."""

    path: str  # decoded and normalised
    physical_path: str
    physical_root: str  # folder of the virtual directory
    url_root: str
    access: int  # accessPolicy's bits: 1 read, 2 write, 4 execute, 512 script


class RequestHost(Protocol):
    """What the host does for a request in hand. `Request.host` gives it; its methods belong to the event loop.

    Code on a thread reaches the coroutines by `asyncio.run_coroutine_threadsafe`.
    """

    @property
    def is_connected(self) -> bool:
        """Whether the client is still there, as far as is known. May be asked on any thread."""

    def append_to_log(self, text: str) -> None:
        """Append to the query field of the log line. Without effect once the line is settled. On any thread."""

    def set_log_status(self, status: int) -> None:
        """Log this status instead of the one that the client gets. On any thread."""

    async def run_on_thread(self, plugin: str, name: str, function: Callable[..., T], *arguments: Any) -> T:
        """`function(*arguments)` on a thread of the worker's pool, accounted for as a call of `plugin`'s `name`.

        Cancelling it takes effect when the function has returned; one that no thread has begun is dropped.
        """

    async def map_url(self, target: str) -> MappedUrl:
        """Where an absolute URL path of the site leads; on_url_map is notified. Raises HttpError."""

    async def execute(
        self,
        target: str,
        *,
        method: str = "",
        headers: Headers | None = None,
        body: bytes | RequestBody | None = None,
        user: tuple[str, str] | None = None,
        passed_over: tuple[str, ...] = (),
    ) -> Response:
        """The response of another URL of the site (path and query, percent-encoded), asked for inside the host.

        Method, header fields, body and user (name, authentication type) are the request's own where they are not
        given. Mappings named in
        `passed_over` do not answer. Nesting is limited to ten. The response is not sent: use `pieces`, or return it.
        Raises HttpError, 403.18 for a URL of an application that runs elsewhere.
        """

    def pieces(self, response: Response) -> AsyncGenerator[bytes | FileBody, None]:
        """The body of a response, whatever its kind, piece by piece. Close it (`contextlib.aclosing`): files that it
        gives are open until the next piece is asked for."""

    async def discard(self, response: Response) -> None:
        """Close what a response holds that is not sent after all: its files, its iterator."""

    async def error_page(self, error: HttpError) -> Response:
        """The response that the refusal would get: the detailed, the configured or the short page."""

    async def configured_error_page(self, error: HttpError) -> Response | None:
        """The page that `httpErrors` names for the refusal's status and substatus, if it names one."""


ORIGINAL_TARGET: Final = "isapy.original-target"
"""Key in `Request.context`: what `original_target` gives."""


IGNORES_CASE: Final = "isapy.ignores-case"
"""Key in `Request.context`: what `ignores_case` gives."""


@dataclass(slots=True, kw_only=True)
class Request:
    """One request, from the moment a worker receives it to the end of its log line.

    Filters may change `method`, `raw_target` (through `set_url`), `headers`, `physical_path` and `user`; handlers
    treat it as read-only. `context` is the place for a plugin's own values about this request.
    """

    id: str  # unique text, the same in the log, the error page and the CGI variable UNIQUE_ID
    method: str
    raw_target: str  # as the client sent it, path and query, percent-encoding kept
    http_version: str  # "1.1" or "1.0"
    raw_headers: bytes
    connection: Connection
    application: ApplicationInfo
    body: RequestBody
    path: str = ""  # decoded, normalised path: what is mapped to a file. Set by the worker
    raw_query: str = ""  # what stands after "?", still encoded
    physical_path: str = ""  # file or folder that `path` maps to, without path_info
    physical_root: str = ""  # folder of the virtual directory that holds it: nothing outside may be shown
    script_name: str = ""  # URL path of the script, decoded
    path_info: str = ""  # what follows the script in the URL, decoded; empty when nothing does
    mapping: HandlerMapping | None = None  # the handler mapping that answers
    settings: Any = None  # the configuration in force for this path (host.config.model.PathSettings)
    user: str = ""  # authenticated user, empty for anonymous
    auth_type: str = ""
    server_name: str = ""  # host name the client asked for, without port
    redirect_count: int = 0  # local redirects so far
    redirect_variables: Mapping[str, str] = field(default_factory=dict)  # REDIRECT_* of the request that led here
    context: dict[str, Any] = field(default_factory=dict)
    passed_over: tuple[str, ...] = ()  # names of mappings that do not answer this request (`RequestHost.execute`)
    _headers: Headers | None = None
    _host: RequestHost | None = None
    _host_source: tuple[Callable[..., RequestHost], Any, Any] | None = None  # what makes `_host` when it is wanted

    @property
    def host(self) -> RequestHost:
        """What the host does for this request. Raises RuntimeError when the request has ended."""
        if self._host is None:
            if self._host_source is None:
                raise RuntimeError(f"request {self.id} has ended, or nobody serves it")
            open_host, exchange, plan = self._host_source
            self._host = open_host(self, exchange, plan)
        return self._host

    @property
    def original_target(self) -> str:
        """The target of the request that led here by a local redirect, a default document or an error page; else
        `raw_target`."""
        return str(self.context.get(ORIGINAL_TARGET, self.raw_target)) if self.redirect_count else self.raw_target

    @property
    def ignores_case(self) -> bool:
        """Whether the virtual directory finds files whose names differ from the URL in case only."""
        return IGNORES_CASE in self.context

    def set_url(self, target: str) -> None:
        """Rewrite the URL: an absolute path with an optional query, percent-encoded. For filters and modules before
        the handler is chosen; the log keeps the client's URL. Raises ValueError for anything else."""
        if _TARGET.fullmatch(target) is None:
            raise ValueError(f"not an absolute path of visible ASCII characters: {target!r}")
        self.raw_target = target

    def first_header(self, name: str) -> str:
        """The first value of a field, or nothing; a head that nobody has looked at is not split for a field that it
        does not have."""
        if self._headers is None and name.lower().encode("latin-1") not in self.raw_headers.lower():
            return ""
        return self.headers.get(name)

    @property
    def has_raw_headers(self) -> bool:
        """Whether `raw_headers` still says all: nobody has taken `headers`, so nobody has changed them."""
        return self._headers is None

    @property
    def headers(self) -> Headers:
        """The request's header fields (split on first use)."""
        if self._headers is None:
            self._headers = Headers.from_raw(self.raw_headers)
        return self._headers

    def fields(self) -> list[tuple[str, str]]:
        """Every header field as (name, value), in order: `headers.items()`, cheaper when nobody has read `headers`."""
        if self._headers is not None:
            return self._headers.items()
        return [_lines[line] for line in self.raw_headers.decode("latin-1").split("\r\n") if line]

    @property
    def query(self) -> dict[str, str]:
        """The query string as names and first values, decoded as UTF-8 form data."""
        found: dict[str, str] = {}
        for name, value in parse_qsl(self.raw_query, keep_blank_values=True):
            found.setdefault(name, value)
        return found

    @property
    def url(self) -> str:
        """The absolute URL the client asked for, as far as it can be told."""
        scheme = "https" if self.connection.is_secure else "http"
        return f"{scheme}://{self.headers.get('Host') or self.server_name}{self.raw_target}"


def _split(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.strip(" \t")


_lines: Final = Remembered(_split, 512, 256)
"""Lines of request heads: clients send most of theirs again and again."""
