"""What is logged of requests: `site/logFile`, `system.applicationHost/log`, `system.webServer/httpLogging`."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import (
    Attribute,
    Collection,
    Element,
    Expansion,
    Kind,
    Scope,
    Section,
    Support,
    boolean,
    choice,
    flags,
    string,
    uint,
)

_UNSUPPORTED: Final = Support.UNSUPPORTED
_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

LOG_FIELD_FLAGS: Final = {
    "Date": 1,
    "Time": 2,
    "ClientIP": 4,
    "UserName": 8,
    "SiteName": 16,
    "ComputerName": 32,
    "ServerIP": 64,
    "Method": 128,
    "UriStem": 256,
    "UriQuery": 512,
    "HttpStatus": 1024,
    "Win32Status": 2048,
    "BytesSent": 4096,
    "BytesRecv": 8192,
    "TimeTaken": 16384,
    "ServerPort": 32768,
    "UserAgent": 65536,
    "Cookie": 131072,
    "Referer": 262144,
    "ProtocolVersion": 524288,
    "Host": 1048576,
    "HttpSubStatus": 2097152,
}
_PERIODS: Final = {"MaxSize": 0, "Daily": 1, "Weekly": 2, "Monthly": 3, "Hourly": 4}
_LOG_DIRECTORY: Final = "%ISAPY_STATE%/logs/LogFiles"
_LOG_FIELDS: Final = (
    "Date, Time, ClientIP, UserName, ServerIP, Method, UriStem, UriQuery, TimeTaken, HttpStatus, Win32Status, "
    "ServerPort, UserAgent, HttpSubStatus, Referer"
)

LOG_FILE: Final = Element(
    name="logFile",
    meaning="the site's log",
    attributes=(
        choice(
            "logFormat",
            "W3C",
            "format of the lines; Custom (a logging component) is not there: W3C is written",
            {"IIS": 0, "NCSA": 1, "W3C": 2, "Custom": 3},
        ),
        flags("logExtFileFlags", _LOG_FIELDS, "columns of the W3C format", LOG_FIELD_FLAGS),
        flags("logTargetW3C", "File", "where lines go", {"File": 1, "ETW": 2}, support=_WITHOUT_MEANING),
        string("directory", "folder that holds W3SVC1 and so on", _LOG_DIRECTORY, expansion=Expansion.PATH),
        choice("period", "Daily", "when a new file begins", _PERIODS),
        Attribute(
            name="truncateSize",
            kind=Kind.INT64,
            default="20971520",
            meaning="bytes of one file with period MaxSize",
            minimum=1048576,
            maximum=4294967295,
        ),
        boolean("localTimeRollover", False, "new files begin by local time, not UTC"),
        boolean("enabled", True, "write the log"),
        boolean("logSiteId", True, "s-sitename holds the id (W3SVC1), else the name"),
        uint("flushByEntryCountW3CLog", 0, "lines per flush", support=_WITHOUT_MEANING),
        uint("maxLogLineLength", 65536, "bytes of one line", within=(2, 65536)),
        string("customLogPluginClsid", "logging component", support=_UNSUPPORTED),
    ),
    elements=(
        Element(
            name="customFields",
            meaning="further columns of the W3C format; `_x` is appended to the file's name",
            attributes=(uint("maxCustomFieldLength", 4096, "bytes of one value", within=(2, 65536)),),
            collection=Collection(
                clear="clear",
                entry=Element(
                    name="add",
                    meaning="one column",
                    attributes=(
                        string("logFieldName", "name of the column, without blanks", required=True, key=True),
                        string("sourceName", "header field, or server variable that the listener knows", required=True),
                        choice(
                            "sourceType",
                            "RequestHeader",
                            "where the value comes from",
                            {"RequestHeader": 0, "ResponseHeader": 1, "ServerVariable": 2},
                        ),
                    ),
                ),
            ),
        ),
    ),
)

_CENTRAL_LOG: Final = (
    string("directory", "folder that holds W3SVC, the file's folder", _LOG_DIRECTORY),  # a path in that mode alone
    choice("period", "Daily", "when a new file begins", _PERIODS),
    Attribute(
        name="truncateSize",
        kind=Kind.INT64,
        default="20971520",
        meaning="bytes of one file with period MaxSize",
        minimum=1048576,
        maximum=4294967295,
    ),
    boolean("localTimeRollover", False, "new files begin by local time, not UTC"),
)

LOG: Final = Section(
    path="system.applicationHost/log",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    is_per_path=False,
    element=Element(
        name="log",
        meaning="what concerns the logs of all sites",
        attributes=(
            boolean("logInUTF8", True, "encoding of the logs (isapy always writes UTF-8)", support=_WITHOUT_MEANING),
            choice(
                "centralLogFileMode",
                "Site",
                "a log per site, or one for all; CentralBinary is not there: a log per site is written",
                {"Site": 0, "CentralBinary": 1, "CentralW3C": 2},
            ),
        ),
        elements=(
            Element(
                name="centralBinaryLogFile",
                meaning="the binary log of all sites",
                support=_UNSUPPORTED,
                attributes=(boolean("enabled", False, "write it"), *_CENTRAL_LOG),
            ),
            Element(
                name="centralW3CLogFile",
                meaning="the W3C log of all sites; a site whose logFile is not enabled is not in it",
                attributes=(
                    boolean("enabled", True, "write it"),
                    *_CENTRAL_LOG,
                    flags("logExtFileFlags", _LOG_FIELDS + ", SiteName", "columns", LOG_FIELD_FLAGS),
                ),
            ),
        ),
    ),
)

HTTP_LOGGING: Final = Section(
    path="system.webServer/httpLogging",
    allows_override=False,
    element=Element(
        name="httpLogging",
        meaning="which answers of this URL are logged",
        attributes=(
            boolean("dontLog", False, "log none of them"),
            choice(
                "selectiveLogging",
                "LogAll",
                "log all, those of status 100 to 399, or those from 400 on",
                {"LogAll": 0, "LogSuccessful": 1, "LogError": 2},
            ),
        ),
    ),
)
