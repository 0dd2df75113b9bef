"""The whole contract with plugin files. `from host.api import ...` is all that a plugin ever imports of isapy."""

from host.api.black_box import BlackBox
from host.api.caching import CachePolicy, FileStamp, file_stamp
from host.api.errors import SUBSTATUS_MEANINGS, BodyTooLarge, ClientGone, HttpError, describe, reason_phrase
from host.api.filters import FILTER_REVISION, FilterContext, FilterError, FilterProperty, Notification
from host.api.headers import Headers
from host.api.hookspecs import FilterAnswer, hookimpl, hookspec
from host.api.modules import ModuleEntry, ModuleInfo, ModulePriority
from host.api.notifications import (
    Credentials,
    Denial,
    DenialReason,
    FilterInfo,
    FilterPriority,
    FilterStatus,
    LogEntry,
    RawData,
    UrlMap,
)
from host.api.plugins import (
    HandlerInfo,
    HandlerMapping,
    LaunchRefused,
    PluginContext,
    Program,
    ProgramExit,
    ProgramLauncher,
    RequireAccess,
    ResourceLimits,
    ResourceType,
    ScriptRun,
    WarmStart,
)
from host.api.request import (
    ApplicationInfo,
    Connection,
    MappedUrl,
    Request,
    RequestBody,
    RequestHost,
    ThreadCall,
)
from host.api.response import Body, FileBody, Response, SourceFile
from host.api.threads import PendingResult, ThreadAnswer, Threads
from host.api.tls import ClientCertificate, Tls

__all__ = [
    "FILTER_REVISION",
    "SUBSTATUS_MEANINGS",
    "ApplicationInfo",
    "BlackBox",
    "Body",
    "BodyTooLarge",
    "CachePolicy",
    "ClientCertificate",
    "ClientGone",
    "Connection",
    "Credentials",
    "Denial",
    "DenialReason",
    "FileBody",
    "FileStamp",
    "FilterAnswer",
    "FilterContext",
    "FilterError",
    "FilterInfo",
    "FilterPriority",
    "FilterProperty",
    "FilterStatus",
    "HandlerInfo",
    "HandlerMapping",
    "Headers",
    "HttpError",
    "LaunchRefused",
    "LogEntry",
    "MappedUrl",
    "ModuleEntry",
    "ModuleInfo",
    "ModulePriority",
    "Notification",
    "PendingResult",
    "PluginContext",
    "Program",
    "ProgramExit",
    "ProgramLauncher",
    "RawData",
    "Request",
    "RequestBody",
    "RequestHost",
    "RequireAccess",
    "ResourceLimits",
    "ResourceType",
    "Response",
    "ScriptRun",
    "SourceFile",
    "ThreadAnswer",
    "ThreadCall",
    "Threads",
    "Tls",
    "UrlMap",
    "WarmStart",
    "describe",
    "file_stamp",
    "hookimpl",
    "hookspec",
    "reason_phrase",
]
