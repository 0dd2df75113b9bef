"""From the effective `system.webServer` sections of one URL path to its frozen `PathSettings`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

from host.config.caching import CacheProfile, Caching
from host.config.cgi_settings import build_cgi
from host.config.compression import build_compression
from host.config.fastcgi import build_fastcgi
from host.config.inheritance import Effective
from host.config.log_builder import build_http_logging
from host.config.logon import Logon, build_logon
from host.config.model import (
    ApplicationInitialization,
    CustomError,
    HttpErrors,
    PathSettings,
    PythonApplication,
    RequestFiltering,
    Restriction,
    StaticContent,
)
from host.config.names import AccessPolicy, ResponseMode, is_managed_type
from host.config.pipeline_entries import Filter, Handler, HttpHandler, Module

_POLICY: Final = {
    "Read": AccessPolicy.READ,
    "Write": AccessPolicy.WRITE,
    "Execute": AccessPolicy.EXECUTE,
    "Source": AccessPolicy.SOURCE,
    "Script": AccessPolicy.SCRIPT,
    "NoRemoteWrite": AccessPolicy.NO_REMOTE_WRITE,
    "NoRemoteRead": AccessPolicy.NO_REMOTE_READ,
    "NoRemoteExecute": AccessPolicy.NO_REMOTE_EXECUTE,
    "NoRemoteScript": AccessPolicy.NO_REMOTE_SCRIPT,
}

NATIVE_MODULES: Final = frozenset(
    [
        "AnonymousAuthenticationModule",
        "ApplicationInitializationModule",
        "BasicAuthenticationModule",
        "CgiModule",
        "CertificateMappingAuthenticationModule",
        "ConfigurationValidationModule",
        "CustomErrorModule",
        "CustomLoggingModule",
        "DefaultDocumentModule",
        "DigestAuthenticationModule",
        "DirectoryListingModule",
        "DynamicCompressionModule",
        "FailedRequestsTracingModule",
        "FastCgiModule",
        "FileCacheModule",
        "HttpCacheModule",
        "HttpLoggingModule",
        "HttpRedirectionModule",
        "IISCertificateMappingAuthenticationModule",
        "IpRestrictionModule",
        "IsapiFilterModule",
        "IsapiModule",
        "ProtocolSupportModule",
        "RequestFilteringModule",
        "RequestMonitorModule",
        "RewriteModule",
        "ServerSideIncludeModule",
        "StaticCompressionModule",
        "StaticFileModule",
        "TokenCacheModule",
        "TracingModule",
        "UriCacheModule",
        "UrlAuthorizationModule",
        "WebSocketModule",
        "WindowsAuthenticationModule",
    ]
)
"""IIS's own modules: isapy's pipeline has their work built in or does not do it, so `modules` cannot load them."""

SectionLookup = Callable[[str], Effective]
"""The effective section of a name below system.webServer ("handlers", "security/requestFiltering")."""


def build_path_settings(section: SectionLookup) -> PathSettings:
    """Everything in force for one path."""
    handlers = section("handlers")
    documents = section("defaultDocument")
    restriction = section("security/isapiCgiRestriction")
    return PathSettings(
        access_policy=access_policy(handlers.names("accessPolicy")),
        handlers=tuple(_handler(entry.effective) for entry in handlers.entries),
        keeps_plugin_mappings=not handlers.is_cleared,
        removed_handlers=tuple(str(key[0]) for key in handlers.removed),
        default_document_enabled=documents.flag("enabled"),
        default_documents=tuple(entry.effective.text("value") for entry in documents.child("files").entries),
        directory_browse_enabled=section("directoryBrowse").flag("enabled"),
        static_content=_static_content(section("staticContent")),
        caching=_caching(section("caching"), section("serverRuntime")),
        compression=build_compression(section("httpCompression"), section("urlCompression")),
        cgi=build_cgi(section("cgi")),
        fastcgi=build_fastcgi(section("fastCgi")),
        http_errors=_http_errors(section("httpErrors")),
        request_filtering=_request_filtering(section("security/requestFiltering")),
        http_logging=build_http_logging(section("httpLogging")),
        custom_headers=_custom_headers(section("httpProtocol")),
        not_listed_isapis_allowed=restriction.flag("notListedIsapisAllowed"),
        not_listed_cgis_allowed=restriction.flag("notListedCgisAllowed"),
        restrictions=tuple(_restriction(entry.effective) for entry in restriction.entries),
        filters=tuple(_filter(entry.effective) for entry in section("isapiFilters").entries),
        modules=tuple(
            _module(entry.effective)
            for entry in section("modules").entries
            if is_loadable_module(entry.effective.text("name"), entry.effective.text("type"))
        ),
        runs_all_managed_modules=section("modules").flag("runAllManagedModulesForAllRequests"),
        http_modules=tuple(
            _http_module(entry.effective)
            for entry in section("system.web/httpModules").entries
            if is_managed_type(entry.effective.text("type"))
        ),
        http_handlers=tuple(
            _http_handler(entry.effective)
            for entry in section("system.web/httpHandlers").entries
            if is_managed_type(entry.effective.text("type"))
        ),
        validates_integrated_mode=section("validation").flag("validateIntegratedModeConfiguration"),
        ssl_flags=tuple(flag for flag in section("security/access").names("sslFlags") if flag != "None"),
        application_initialization=_application_initialization(section("applicationInitialization")),
        app_concurrent_request_limit=section("serverRuntime").number("appConcurrentRequestLimit"),
        upload_read_ahead_bytes=section("serverRuntime").number("uploadReadAheadSize"),
        python_application=_python_application(section("pythonApplication")),
        logon=_logon(section),
    )


def _custom_headers(section: Effective) -> tuple[tuple[str, str], ...]:
    entries = section.child("customHeaders").entries
    return tuple((entry.effective.text("name"), entry.effective.text("value")) for entry in entries)


def _logon(section: SectionLookup) -> Logon | None:
    authentication = "security/authentication"
    return build_logon(
        section(f"{authentication}/anonymousAuthentication"),
        section(f"{authentication}/basicAuthentication"),
        section("security/authorization"),
    )


def _restriction(entry: Effective) -> Restriction:
    return Restriction(path=entry.text("path"), allowed=entry.flag("allowed"))


def _python_application(section: Effective) -> PythonApplication:
    return PythonApplication(
        virtual_environment=section.text("virtualEnvironment"),
        working_directory=section.text("workingDirectory"),
        monitor_changes_to=section.text("monitorChangesTo"),
        monitor_changes=section.flag("monitorChanges"),
        multithread=section.flag("multithread"),
        lifespan=section.text("lifespan"),
        disconnect_time_limit_seconds=section.number("disconnectTimeLimit"),
    )


def _application_initialization(section: Effective) -> ApplicationInitialization:
    return ApplicationInitialization(
        do_app_init_after_restart=section.flag("doAppInitAfterRestart"),
        pages=tuple(
            (entry.effective.text("initializationPage"), entry.effective.text("hostName")) for entry in section.entries
        ),
    )


def is_loadable_module(name: str, module_type: str) -> bool:
    """Whether an entry of `modules` names a plugin: not one of IIS's native modules, not a type of .NET."""
    if module_type:
        return os.path.isabs(module_type) or is_managed_type(module_type)
    return name not in NATIVE_MODULES


def managed_type_of(text: str) -> str:
    """`text` if it names a managed class; a type of .NET counts as none."""
    return text if is_managed_type(text) else ""


def access_policy(names: tuple[str, ...]) -> AccessPolicy:
    """The flags of those names."""
    policy = AccessPolicy.NONE
    for name in names:
        policy |= _POLICY[name]
    return policy


def _handler(entry: Effective) -> Handler:
    return Handler(
        name=entry.text("name"),
        path=entry.text("path"),
        verb=entry.text("verb"),
        modules=entry.text("modules"),
        script_processor=entry.text("scriptProcessor"),
        resource_type=entry.text("resourceType"),
        require_access=entry.text("requireAccess"),
        pre_condition=entry.text("preCondition"),
        allow_path_info=entry.flag("allowPathInfo"),
        response_buffer_limit=entry.number("responseBufferLimit"),
        type=managed_type_of(entry.text("type")),
        threading_model=entry.text("threadingModel"),
        settings={
            setting.effective.text("name"): setting.effective.text("value")
            for setting in entry.child("settings").entries
        },
    )


def _filter(entry: Effective) -> Filter:
    return Filter(
        name=entry.text("name"),
        path=entry.text("path"),
        enabled=entry.flag("enabled"),
        enable_cache=entry.flag("enableCache"),
        pre_condition=entry.text("preCondition"),
        is_server_wide=entry.is_server_level,
    )


def _module(entry: Effective) -> Module:
    return Module(name=entry.text("name"), type=entry.text("type"), pre_condition=entry.text("preCondition"))


def _http_module(entry: Effective) -> Module:
    return Module(name=entry.text("name"), type=entry.text("type"))


def _http_handler(entry: Effective) -> HttpHandler:
    return HttpHandler(verb=entry.text("verb"), path=entry.text("path"), type=entry.text("type"))


def _static_content(content: Effective) -> StaticContent:
    cache = content.child("clientCache")
    return StaticContent(
        mime_map={
            entry.effective.text("fileExtension").lower(): entry.effective.text("mimeType") for entry in content.entries
        },
        cache_control_mode=cache.text("cacheControlMode"),
        cache_control_max_age_seconds=cache.number("cacheControlMaxAge"),
        cache_control_custom=cache.text("cacheControlCustom"),
        http_expires=cache.text("httpExpires"),
        set_etag=cache.flag("setEtag"),
        follow_symbolic_links_outside_root=content.flag("followSymbolicLinksOutsideRoot"),
        serve_precompressed_files=content.flag("servePrecompressedFiles"),
    )


def _caching(section: Effective, runtime: Effective) -> Caching:
    entries = section.child("profiles").entries
    return Caching(
        is_enabled=section.flag("enabled") and section.flag("enableKernelCache"),
        max_response_bytes=section.number("maxResponseSize"),
        profiles={
            entry.effective.text("extension").lower(): CacheProfile(
                kernel_cache_policy=entry.effective.text("kernelCachePolicy"),
                duration_seconds=entry.effective.number("duration"),
                varies=bool(entry.effective.text("varyByHeaders") or entry.effective.text("varyByQueryString")),
                is_shared=entry.effective.flag("sharedCache"),
            )
            for entry in entries
        },
        has_shared=any(entry.effective.flag("sharedCache") for entry in entries),
        frequent_hit_threshold=runtime.number("frequentHitThreshold"),
        frequent_hit_seconds=runtime.number("frequentHitTimePeriod"),
    )


def _http_errors(section: Effective) -> HttpErrors:
    return HttpErrors(
        error_mode=section.text("errorMode"),
        existing_response=section.text("existingResponse"),
        errors=tuple(_custom_error(entry.effective) for entry in section.entries),
    )


def _custom_error(entry: Effective) -> CustomError:
    mode = ResponseMode(entry.text("responseMode"))
    return CustomError(
        status=entry.number("statusCode"),
        sub_status=entry.number("subStatusCode"),
        path=_error_file(entry) if mode is ResponseMode.FILE else entry.text("path"),
        response_mode=mode,
    )


def _error_file(entry: Effective) -> str:
    """prefixLanguageFilePath and path joined (isapy has no folder per language); relative to the file that says so."""
    path = entry.text("path").replace("\\", "/")
    node = entry.node_of("path")
    folder = entry.text("prefixLanguageFilePath") or os.path.dirname(node.file if node is not None else "")
    return os.path.normpath(os.path.join(folder, path))


def _request_filtering(section: Effective) -> RequestFiltering:
    limits = section.child("requestLimits")
    extensions, verbs = section.child("fileExtensions"), section.child("verbs")
    return RequestFiltering(
        allow_double_escaping=section.flag("allowDoubleEscaping"),
        allow_high_bit_characters=section.flag("allowHighBitCharacters"),
        remove_server_header=section.flag("removeServerHeader"),
        max_allowed_content_length=limits.number("maxAllowedContentLength"),
        max_url=limits.number("maxUrl"),
        max_query_string=limits.number("maxQueryString"),
        header_limits={
            entry.effective.text("header").lower(): entry.effective.number("sizeLimit")
            for entry in limits.child("headerLimits").entries
        },
        allow_unlisted_verbs=verbs.flag("allowUnlisted"),
        verbs={entry.effective.text("verb"): entry.effective.flag("allowed") for entry in verbs.entries},
        allow_unlisted_extensions=extensions.flag("allowUnlisted"),
        extensions=_allowed_extensions(extensions),
        hidden_segments=_texts(section.child("hiddenSegments"), "segment"),
        deny_url_sequences=_texts(section.child("denyUrlSequences"), "sequence"),
        deny_query_string_sequences=_texts(section.child("denyQueryStringSequences"), "sequence"),
        always_allowed_urls=_texts(section.child("alwaysAllowedUrls"), "url"),
    )


def _allowed_extensions(extensions: Effective) -> Mapping[str, bool]:
    return {
        entry.effective.text("fileExtension").lower(): entry.effective.flag("allowed") for entry in extensions.entries
    }


def _texts(element: Effective, name: str) -> tuple[str, ...]:
    return tuple(entry.effective.text(name).lower() for entry in element.entries)
