"""Every section: the supported ones with their declarations, and those that IIS has and isapy does not support yet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from host.config import (
    schema_caching,
    schema_cgi,
    schema_compression,
    schema_content,
    schema_fastcgi,
    schema_handlers,
    schema_listener,
    schema_logon,
    schema_logs,
    schema_managed,
    schema_pools,
    schema_python,
    schema_security,
    schema_sites,
)
from host.config.schema_types import Element, Section

SECTIONS: Final[Mapping[str, Section]] = {
    section.path: section
    for section in (
        schema_sites.ISOLATION,
        schema_pools.APPLICATION_POOLS,
        schema_sites.SITES,
        schema_logs.LOG,
        schema_sites.WEB_LIMITS,
        schema_listener.LISTENER,
        schema_handlers.HANDLERS,
        schema_handlers.ISAPI_FILTERS,
        schema_handlers.MODULES,
        schema_handlers.GLOBAL_MODULES,
        schema_managed.VALIDATION,
        schema_managed.HTTP_MODULES,
        schema_managed.HTTP_HANDLERS,
        schema_cgi.CGI,
        schema_fastcgi.FASTCGI,
        schema_caching.CACHING,
        schema_logs.HTTP_LOGGING,
        schema_compression.HTTP_COMPRESSION,
        schema_compression.URL_COMPRESSION,
        schema_content.STATIC_CONTENT,
        schema_content.DEFAULT_DOCUMENT,
        schema_content.DIRECTORY_BROWSE,
        schema_content.HTTP_ERRORS,
        schema_content.HTTP_PROTOCOL,
        schema_content.APPLICATION_INITIALIZATION,
        schema_handlers.SERVER_RUNTIME,
        schema_python.PYTHON_APPLICATION,
        schema_security.ISAPI_CGI_RESTRICTION,
        schema_security.REQUEST_FILTERING,
        schema_security.ACCESS,
        schema_logon.ANONYMOUS_AUTHENTICATION,
        schema_logon.BASIC_AUTHENTICATION,
        schema_logon.AUTHORIZATION,
    )
}
"""Section by full path."""

SECTION_GROUPS: Final = frozenset(
    {
        "system.applicationHost",
        "system.webServer",
        "system.webServer/security",
        "system.webServer/security/authentication",
        "system.web",
    }
)
"""Elements that only hold sections. Groups without a supported section are in UNSUPPORTED_SECTIONS as a whole."""

UNSUPPORTED_SECTIONS: Final[Mapping[str, str]] = {
    "system.applicationHost/configHistory": "no copies of changed files are kept",
    "system.applicationHost/customMetadata": "metabase values have no reader",
    "system.applicationHost/listenerAdapters": "http is always served",
    "system.applicationHost/serviceAutoStartProviders": "no provider is started",
    "system.webServer/asp": "classic ASP is not served",
    "system.webServer/aspNetCore": "no process of ASP.NET Core is started",
    "system.webServer/httpPlatform": "no process is started for it",
    "system.webServer/httpRedirect": "requests are not redirected",
    "system.webServer/httpTracing": "nothing is traced",
    "system.webServer/management": "there is no remote management",
    "system.webServer/odbcLogging": "logs are files",
    "system.webServer/proxy": "requests are not passed to other servers",
    "system.webServer/rewrite": "URLs are not rewritten",
    "system.webServer/serverSideInclude": "server-side includes are not executed",
    "system.webServer/tracing": "nothing is traced",
    "system.webServer/webdav": "files are not changed",
    "system.webServer/webSocket": "WebSocket is not served",
    "system.webServer/security/applicationDependencies": "it is bookkeeping only",
    "system.webServer/security/authentication/clientCertificateMappingAuthentication": "certificates name no user",
    "system.webServer/security/authentication/digestAuthentication": "nobody is asked to log on by it",
    "system.webServer/security/authentication/iisClientCertificateMappingAuthentication": "certificates name no user",
    "system.webServer/security/authentication/windowsAuthentication": "nobody is asked to log on by it",
    "system.webServer/security/dynamicIpSecurity": "it restricts NOTHING here",
    "system.webServer/security/ipSecurity": "it restricts NOTHING here",
    "system.web/authentication": "nobody is asked to log in",
    "system.web/authorization": "it restricts NOTHING here",
}
"""Sections and groups that are accepted with a warning, and what their absence means."""

FOREIGN_SECTIONS: Final = frozenset(
    {
        "appSettings",
        "assemblyBinding",
        "configProtectedData",
        "connectionStrings",
        "entityFramework",
        "mscorlib",
        "runtime",
        "startup",
        "system.codedom",
        "system.data",
        "system.diagnostics",
        "system.ftpServer",
        "system.identityModel",
        "system.net",
        "system.runtime.caching",
        "system.serviceModel",
        "system.transactions",
        "system.web.extensions",
        "system.xml.serialization",
        "webFarms",
    }
)
"""Top-level elements of .NET, FTP and load balancing that files of Windows servers hold: accepted with a warning."""


FOREIGN_GROUPS: Final = frozenset({"system.web"})
"""Groups of .NET of which isapy knows a section or two: the others are accepted with a warning."""


def elements_of(section: Section) -> Iterator[tuple[str, Element]]:
    """Every element of a section with its path below the section's group, the section's own first."""
    pending = [(section.element.name, section.element)]
    while pending:
        path, element = pending.pop(0)
        yield path, element
        inner = [*element.elements, *([element.collection.entry] if element.collection else [])]
        pending = [(f"{path}/{child.name}", child) for child in inner] + pending
