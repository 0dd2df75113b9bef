"""Who is to blame, and what the client gets: one table of refusals for everything that a request can get wrong."""

from __future__ import annotations

import enum
from typing import Final


class Fault(enum.Enum):
    """What is wrong with a request: status, HTTPERR reason, heading and sentence of the refusal's page.

    The wording follows HTTP.sys; statuses are the ones RFC 9110 and RFC 6585 give (414, 431, 417) where the driver of
    old answered 400.
    """

    BAD_REQUEST = (400, "BadRequest", "Invalid Request", "The request is malformed.")
    INVALID_VERB = (400, "Verb", "Invalid Verb", "The request verb is invalid.")
    INVALID_URL = (400, "URL", "Invalid URL", "The request URL is invalid.")
    INVALID_HOSTNAME = (400, "Hostname", "Invalid Hostname", "The request hostname is invalid.")
    INVALID_HEADER = (400, "Header", "Invalid Header", "The request has an invalid header name.")
    INVALID_NUMBER = (400, "Number", "Invalid Content Length", "The request has an invalid content length.")
    INVALID_LINE_END = (
        400,
        "Invalid_CR/LF",
        "Invalid Line End",
        "The request has a bare carriage return or line feed.",
    )
    INVALID_BODY = (400, "BadRequest", "Invalid Body", "The request has a malformed chunked body.")
    LENGTH_REQUIRED = (
        411,
        "LengthRequired",
        "Length Required",
        "The request must be chunked or have a content length.",
    )
    ENTITY_TOO_LARGE = (413, "EntityTooLarge", "Request Entity Too Large", "The request body is too large.")
    URL_TOO_LONG = (414, "URL_Length", "Request URL Too Long", "The request URL is too long.")
    EXPECTATION_FAILED = (417, "Precondition", "Expectation Failed", "The request expects what is not supported.")
    FIELD_TOO_LONG = (431, "FieldLength", "Request Too Long", "A request header field is too long.")
    HEAD_TOO_LONG = (431, "RequestLength", "Request Too Long", "The size of the request headers is too long.")
    METHOD_NOT_IMPLEMENTED = (501, "N/I", "Not Implemented", "The request verb is not supported.")
    CODING_NOT_IMPLEMENTED = (501, "N/I", "Not Implemented", "The request transfer-encoding type is not supported.")
    VERSION_NOT_SUPPORTED = (505, "Version_N/S", "HTTP Version Not Supported", "HTTP Version Not Supported.")

    def __init__(self, status: int, reason: str, heading: str, sentence: str) -> None:
        self.status: Final = status
        self.reason: Final = reason
        self.heading: Final = heading
        self.sentence: Final = sentence


class RemoteProtocolError(Exception):
    """The client broke HTTP or a limit: answer `fault` and close. `raw_head` is what it had sent of a head."""

    def __init__(self, fault: Fault, detail: str = "") -> None:
        super().__init__(detail or fault.sentence)
        self.fault: Final = fault
        self.raw_head = b""


class LocalProtocolError(Exception):
    """Our own side asked for something out of order: a defect in isapy, not in the client."""


class ResponseHeadError(Exception):
    """A worker's response head cannot be sent: bad syntax, a field that is the listener's, two lengths."""


class ShortBodyError(Exception):
    """A response ended before the length it had promised: only breaking the connection tells the client."""
