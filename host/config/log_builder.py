"""`site/logFile`, `system.applicationHost/log` and `httpLogging` in force to the values of `log_settings.py`."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from host.config.errors import ValueProblem
from host.config.expansion import Expander
from host.config.inheritance import Effective
from host.config.log_settings import LOGS_EVERYTHING, CustomField, HttpLogging, LogFile, is_logged_variable
from host.config.problems import Problems

LOG_COLUMNS: Final = (
    ("date", "Date"),
    ("time", "Time"),
    ("s-sitename", "SiteName"),
    ("s-computername", "ComputerName"),
    ("s-ip", "ServerIP"),
    ("cs-method", "Method"),
    ("cs-uri-stem", "UriStem"),
    ("cs-uri-query", "UriQuery"),
    ("s-port", "ServerPort"),
    ("cs-username", "UserName"),
    ("c-ip", "ClientIP"),
    ("cs-version", "ProtocolVersion"),
    ("cs(User-Agent)", "UserAgent"),
    ("cs(Cookie)", "Cookie"),
    ("cs(Referer)", "Referer"),
    ("cs-host", "Host"),
    ("sc-status", "HttpStatus"),
    ("sc-substatus", "HttpSubStatus"),
    ("sc-win32-status", "Win32Status"),
    ("sc-bytes", "BytesSent"),
    ("cs-bytes", "BytesRecv"),
    ("time-taken", "TimeTaken"),
)
"""Column and flag of the W3C format, in the order in which IIS writes them."""

_FIELD_NAME: Final = re.compile(r"[!-~]+")
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 5.6.2: token


class LogBuilder:
    """Makes the LogFile of each site. `log` is `system.applicationHost/log`, of which all sites' one log is made."""

    def __init__(self, log: Effective, expander: Expander, problems: Problems) -> None:
        self._expander = expander
        self._problems = problems
        mode = log.text("centralLogFileMode")
        self._central = self._central_log(log.child("centralW3CLogFile")) if mode == "CentralW3C" else None
        node = log.node_of("centralLogFileMode")
        if mode == "CentralBinary" and node is not None:
            message = "isapy writes no binary log; each site has a log of its own, in its own format"
            remedy = 'write centralLogFileMode="CentralW3C" for one log of all sites'
            problems.warnings.append(node.error(message, remedy, attribute="centralLogFileMode"))

    def log_file(self, log: Effective) -> LogFile:
        """The settings of `site/logFile`, or those of the log of all sites."""
        if self._central is not None:
            return self._central if log.flag("enabled") else replace(self._central, enabled=False)
        log_format = self._format(log)
        custom = log.child("customFields")
        custom_fields = self._custom_fields(custom) if log_format == "W3C" else ()
        directory = log.text("directory")
        return LogFile(
            enabled=log.flag("enabled"),
            format=log_format,
            directory=directory if "directory" in log.values else self._expander.path(directory),
            period=log.text("period"),
            truncate_size=log.number("truncateSize"),
            local_time_rollover=log.flag("localTimeRollover"),
            log_site_id=log.flag("logSiteId"),
            max_line_length=log.number("maxLogLineLength"),
            fields=_columns(log),
            custom_fields=custom_fields,
            max_custom_field_length=custom.number("maxCustomFieldLength"),
            needs_details=any(
                field.source_type == "ResponseHeader"
                or (field.source_type == "ServerVariable" and not field.source_name.upper().startswith("HTTP_"))
                for field in custom_fields
            ),
        )

    def _central_log(self, log: Effective) -> LogFile:
        directory = log.text("directory")
        try:
            directory = self._expander.path(directory)
        except ValueProblem as problem:
            node = log.node_of("directory")
            if node is not None:
                self._problems.errors.append(node.error(problem.message, problem.remedy, attribute="directory"))
        return LogFile(
            enabled=log.flag("enabled"),
            directory=directory,
            period=log.text("period"),
            truncate_size=log.number("truncateSize"),
            local_time_rollover=log.flag("localTimeRollover"),
            fields=_columns(log),
            is_central=True,
        )

    def _format(self, log: Effective) -> str:
        log_format = log.text("logFormat")
        if log_format != "Custom":
            return log_format
        if (node := log.node_of("logFormat")) is not None:
            message = "isapy loads no logging component; the log is written in the W3C format"
            self._problems.warnings.append(node.error(message, attribute="logFormat"))
        return "W3C"

    def _custom_fields(self, element: Effective) -> tuple[CustomField, ...]:
        fields = []
        for entry in (one.effective for one in element.entries):
            field = CustomField(
                name=entry.text("logFieldName"),
                source_name=entry.text("sourceName"),
                source_type=entry.text("sourceType"),
            )
            if self._is_field(entry, field):
                fields.append(field)
        return tuple(fields)

    def _is_field(self, entry: Effective, field: CustomField) -> bool:
        node = entry.node
        if node is None:
            return False
        if not _FIELD_NAME.fullmatch(field.name):
            message = f'"{field.name}" cannot be the name of a column'
            remedy = "write it without blanks, of ASCII characters that print"
            self._problems.errors.append(node.error(message, remedy, attribute="logFieldName"))
            return False
        if not _HEADER_NAME.fullmatch(field.source_name):
            message = f'"{field.source_name}" is no name of a header field or server variable'
            remedy = "write X-Forwarded-For, for example"
            self._problems.errors.append(node.error(message, remedy, attribute="sourceName"))
            return False
        if field.source_type == "ServerVariable" and not is_logged_variable(field.source_name):
            message = f"the listener, which writes the log, does not know {field.source_name}; the column stays empty"
            remedy = "docs/configuration.md lists the variables that it knows"
            self._problems.warnings.append(node.error(message, remedy, attribute="sourceName"))
        return True


def build_http_logging(section: Effective) -> HttpLogging:
    """`httpLogging`; LOGS_EVERYTHING itself when nothing is left out."""
    logging = HttpLogging(dont_log=section.flag("dontLog"), selective_logging=section.text("selectiveLogging"))
    return LOGS_EVERYTHING if logging == LOGS_EVERYTHING else logging


def _columns(log: Effective) -> tuple[str, ...]:
    chosen = log.names("logExtFileFlags")
    return tuple(column for column, flag in LOG_COLUMNS if flag in chosen)
