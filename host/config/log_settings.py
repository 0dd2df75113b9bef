"""What is logged of requests, and where, as frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomField:
    """One entry of `logFile/customFields`: a further column of the W3C format. `source_name` is a header field's name
    when `source_type` is RequestHeader or ResponseHeader, a variable's when it is ServerVariable."""

    name: str
    source_name: str
    source_type: str = "RequestHeader"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFile:
    """`site/logFile`, expanded. `fields` are W3C column names in their fixed order. With `is_central` the site's lines
    go to the one log of all sites (`log/@centralLogFileMode`), whose settings these are then."""

    enabled: bool = True
    format: str = "W3C"  # or IIS, NCSA
    directory: str = ""
    period: str = "Daily"
    truncate_size: int = 20971520
    local_time_rollover: bool = False
    log_site_id: bool = True
    max_line_length: int = 65536  # bytes, line end included
    fields: tuple[str, ...] = ()
    custom_fields: tuple[CustomField, ...] = ()
    max_custom_field_length: int = 4096  # bytes
    is_central: bool = False
    needs_details: bool = False  # a custom field shows what is not noted of every request


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLogging:
    """`system.webServer/httpLogging` of a URL path: which of its answers are logged."""

    dont_log: bool = False
    selective_logging: str = "LogAll"  # or LogSuccessful, LogError

    def is_logged(self, status: int) -> bool:
        """Whether an answer of that status gets its line. Success is 100 to 399, an error is 400 to 999."""
        if self.dont_log:
            return False
        return self.selective_logging == "LogAll" or (self.selective_logging == "LogError") == (status >= _FIRST_ERROR)


_FIRST_ERROR: Final = 400

LOGS_EVERYTHING: Final = HttpLogging()
"""What is in force where nobody says anything: told by identity, so that the usual request pays one comparison."""

LOGGED_VARIABLES: Final = frozenset(
    {
        "APP_POOL_ID",
        "APPL_MD_PATH",
        "AUTH_USER",
        "CONTENT_LENGTH",
        "CONTENT_TYPE",
        "GATEWAY_INTERFACE",
        "HTTPS",
        "HTTP_METHOD",
        "HTTP_URL",
        "HTTP_VERSION",
        "INSTANCE_ID",
        "INSTANCE_META_PATH",
        "INSTANCE_NAME",
        "LOCAL_ADDR",
        "LOGON_USER",
        "QUERY_STRING",
        "REMOTE_ADDR",
        "REMOTE_HOST",
        "REMOTE_PORT",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "SERVER_NAME",
        "SERVER_PORT",
        "SERVER_PORT_SECURE",
        "SERVER_PROTOCOL",
        "UNENCODED_URL",
    }
)
"""Server variables that a custom field can show, because the listener knows them; and `HTTP_` with a field's name."""


def is_logged_variable(name: str) -> bool:
    """Whether the listener, which writes the logs, knows that server variable."""
    upper = name.upper()
    return upper in LOGGED_VARIABLES or (upper.startswith("HTTP_") and len(upper) > len("HTTP_"))
