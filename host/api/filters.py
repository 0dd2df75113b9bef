"""What a filter may do beside answering: ISAPI's HTTP_FILTER_CONTEXT, for hooks that take `filter_context`.

Most filters need none of it: `request.headers` and a `Response` say the same in fewer words. It is here for filters
that were written for IIS, whatever language they are in, and for what only it can do.
"""

from __future__ import annotations

import enum
from typing import Any, Final, Protocol

from host.api.request import Connection, Request

FILTER_REVISION: Final = 0x00060000
"""HTTP_FILTER_REVISION: the contract of IIS 6 and later."""


class Notification(enum.IntFlag):
    """The notifications by ISAPI's names and numbers (SF_NOTIFY_*)."""

    SEND_RESPONSE = 0x00000040
    END_OF_REQUEST = 0x00000080
    END_OF_NET_SESSION = 0x00000100
    LOG = 0x00000200
    SEND_RAW_DATA = 0x00000400
    ACCESS_DENIED = 0x00000800
    URL_MAP = 0x00001000
    AUTHENTICATION = 0x00002000
    PREPROC_HEADERS = 0x00004000
    READ_RAW_DATA = 0x00008000
    AUTH_COMPLETE = 0x04000000

    @property
    def hook(self) -> str:
        """The hook of a single notification: `on_preproc_headers`."""
        return f"on_{(self.name or '').lower()}"


class FilterProperty(enum.IntEnum):
    """What `get_property` knows (SF_PROPERTY_*)."""

    SSL_CONTEXT = 0
    INSTANCE_NUMBER = 1


class FilterError(Exception):
    """A callback of `FilterContext` that failed: `code` is the Windows error that GetLastError would give.

    A filter that does not catch it has failed as with any other exception.
    """

    INVALID_PARAMETER: Final = 87
    NOT_SUPPORTED: Final = 50
    NO_SUCH_VARIABLE: Final = 1413  # ERROR_INVALID_INDEX

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (Windows error {code})")
        self.code = code


class FilterContext(Protocol):
    """One filter's view of the request or connection that a notification is about (HTTP_FILTER_CONTEXT).

    Every filter has its own one for each request, the same one in all notifications of that request; `on_read_raw_data`
    and `on_end_of_net_session` get one for the connection. It is good during the request: afterwards what would reach
    the client raises FilterError 87. AllocMem has no counterpart: Python keeps and frees memory by itself.
    """

    connection_state: Any
    """pFilterContext: this filter's own value for the connection, None at first. The same for every notification of the
    connection in this worker, `on_end_of_net_session` included, which is the last."""

    request_state: Any
    """This filter's own value for the request, None at first."""

    last_error: int
    """SetLastError: the Windows error that `FilterStatus.ERROR` reports, 0 for none."""

    @property
    def connection(self) -> Connection:
        """The client's connection."""

    @property
    def request(self) -> Request | None:
        """The request; None in `on_read_raw_data` and `on_end_of_net_session`."""

    @property
    def notification(self) -> Notification:
        """The notification that is being given, or was given last."""

    @property
    def is_secure_port(self) -> bool:
        """fIsSecurePort: the connection is TLS."""

    def get_server_variable(self, name: str) -> str:
        """GetServerVariable: CGI's and IIS's names. FilterError 1413 for a name that there is not, or not yet."""

    def get_header(self, name: str) -> str:
        """GetHeader of PREPROC_HEADERS, AUTH_COMPLETE and SEND_RESPONSE: `User-Agent:` with its colon.

        Special names without one: `method`, `url` and `version` of the request, `status` of the response. FilterError:
        1413 for a field that there is not, 87 for a name without a colon, 50 in another notification.
        """

    def set_header(self, name: str, value: str) -> None:
        """SetHeader: replace; an empty value deletes. Setting `url` leads the request elsewhere; the log keeps what the
        client asked for. FilterError: 87 for a name or value that is none, 50 in another notification."""

    def add_header(self, name: str, value: str) -> None:
        """AddHeader: one more field. FilterError as `set_header`; special names cannot be added."""

    def add_response_headers(self, text: str) -> None:
        """AddResponseHeaders: `Name: value` lines for the response that the server will send, whoever makes it.

        FilterError 87 for text that is not made of such lines, or when the head has been sent.
        """

    def add_headers_on_denial(self, text: str) -> None:
        """SF_REQ_ADD_HEADERS_ON_DENIAL: lines that are added if the answer is a 401."""

    def send_response_header(self, status: str = "", headers: str = "") -> None:
        """SF_REQ_SEND_RESPONSE_HEADER: begin the filter's own answer, `status` such as `302 Found` (empty: `200 OK`).

        `headers` are lines; what stands behind an empty line is the beginning of the body. The answer is sent when the
        filter says `FilterStatus.FINISHED` or `FINISHED_KEEP_CONNECTION`; `write_client` adds to its body.
        """

    def write_client(self, data: bytes) -> None:
        """WriteClient: bytes to the client as they are.

        After `send_response_header` they belong to the body. Without it, they go out in front of the response's head
        (which then ends with its connection, because nobody knows where), or in front of the piece that
        `on_send_raw_data` is about. FilterError 87 when the response has been handed over.
        """

    def close_connection(self) -> None:
        """The client's connection ends with this response."""

    def disable_notifications(self, notifications: Notification) -> None:
        """SF_REQ_DISABLE_NOTIFICATIONS: this filter does not get these for the rest of the request."""

    def set_next_read_size(self, size: int) -> None:
        """SF_REQ_SET_NEXT_READ_SIZE, for `on_read_raw_data` with READ_NEXT: at most so many new bytes come with the
        next call. FilterError: 50 in another notification, 87 for a size below 1."""

    def set_proxy_info(self, is_proxy: bool) -> None:
        """SF_REQ_SET_PROXY_INFO: the request came through a proxy, which says in `Proxy-Connection` what becomes of
        the connection."""

    def get_connection_id(self) -> int:
        """SF_REQ_GET_CONNID: the connection's number (IIS gives 0)."""

    def get_property(self, which: FilterProperty) -> int:
        """SF_REQ_GET_PROPERTY: the site's number. FilterError 50 for the TLS context, which no filter can use here."""

    def set_certificate_info(self) -> None:
        """SF_REQ_SET_CERTIFICATE_INFO: always FilterError 50, there are no SSPI contexts."""

    def normalize_url(self, url: str) -> str:
        """SF_REQ_NORMALIZE_URL: the path decoded, `..` and `//` resolved, the query gone, as the server maps URLs.

        FilterError 87 for a URL that the server would refuse.
        """
