"""`system.applicationHost` without the pools: sites, webLimits, isolation and what IIS keeps beside them."""

from __future__ import annotations

from typing import Final

from host.config.schema_bindings import BINDINGS, HSTS
from host.config.schema_logs import LOG_FILE
from host.config.schema_types import (
    Attribute,
    Collection,
    Element,
    Expansion,
    Kind,
    Rule,
    Scope,
    Section,
    Support,
    boolean,
    choice,
    defaults_element,
    string,
    time_span,
    uint,
)

_UNSUPPORTED: Final = Support.UNSUPPORTED
_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

LIMITS: Final = Element(
    name="limits",
    meaning="limits of the site",
    attributes=(
        uint(
            "maxBandwidth",
            4294967295,
            "bytes per second to clients; the largest number: no limit",
            refused=(0, 1023),
        ),
        uint("maxConnections", 4294967295, "connections at once"),
        time_span("connectionTimeout", "00:02:00", "an idle connection is closed", within=(0, 65535)),
        uint("maxUrlSegments", 32, "segments of a URL path; one more is 404.20; 0: no limit", within=(0, 16383)),
    ),
)

VIRTUAL_DIRECTORY: Final = Element(
    name="virtualDirectory",
    meaning="a URL path of the application and the folder it shows",
    attributes=(
        string("path", "path below the application's; / is its root", required=True, key=True, rule=Rule.URL_PATH),
        string("physicalPath", "the folder; required here or by virtualDirectoryDefaults", expansion=Expansion.PATH),
        string("userName", "account that opens the folder", support=_UNSUPPORTED),
        string("password", "its password", case_sensitive=True, support=_UNSUPPORTED),
        choice(
            "logonMethod",
            "ClearText",
            "kind of logon",
            {"Interactive": 0, "Batch": 1, "Network": 2, "ClearText": 3},
            support=_WITHOUT_MEANING,
        ),
        boolean("allowSubDirConfig", True, "false: no web.config is read in folders below this one"),
        boolean(
            "caseInsensitivePaths",
            False,
            "find files whose names differ from the URL in case only, as Windows",
            ours=True,
        ),
    ),
)
_VIRTUAL_DIRECTORY_DEFAULTS: Final = defaults_element(
    VIRTUAL_DIRECTORY, "virtualDirectoryDefaults", "values for virtual directories that do not set them"
)

APPLICATION: Final = Element(
    name="application",
    meaning="an application: a URL path with a pool of its own choice",
    attributes=(
        string("path", "URL path; / is the site's root application", required=True, key=True, rule=Rule.URL_PATH),
        string("applicationPool", "the pool it runs in", "DefaultAppPool"),
        string("enabledProtocols", "protocols of the application", "http", support=_WITHOUT_MEANING),
        boolean(
            "preloadEnabled",
            False,
            "a new worker requests the application's initialization pages, or its root, before it takes requests",
        ),
        boolean("serviceAutoStartEnabled", False, "run an auto-start provider", support=_UNSUPPORTED),
        string("serviceAutoStartProvider", "its name", support=_UNSUPPORTED),
        choice(
            "isolation",
            "Medium",
            "process it runs in under isolation mode IIS5",
            {"Low": 0, "High": 1, "Medium": 2},
            ours=True,
        ),
    ),
    elements=(_VIRTUAL_DIRECTORY_DEFAULTS,),
    collection=Collection(entry=VIRTUAL_DIRECTORY, clear="clear"),
)
_APPLICATION_DEFAULTS: Final = defaults_element(
    APPLICATION, "applicationDefaults", "values for applications that do not set them"
)

_TRACE: Final = Element(
    name="traceFailedRequestsLogging",
    meaning="traces of failed requests",
    support=_UNSUPPORTED,
    attributes=(
        boolean("enabled", False, "write traces"),
        string("directory", "folder of the traces", expansion=Expansion.NONE),
        uint("maxLogFiles", 50, "files kept", within=(1, 10000)),
        uint("maxLogFileSizeKB", 1024, "size of one file", within=(0, 1048576)),
        boolean("customActionsEnabled", False, "run custom actions"),
    ),
)
_FTP: Final = Element(name="ftpServer", meaning="the site's FTP server", support=_UNSUPPORTED)
SITE: Final = Element(
    name="site",
    meaning="one site",
    attributes=(
        string("name", "name of the site", required=True, key=True, rule=Rule.SITE_NAME),
        Attribute(
            name="id",
            kind=Kind.UINT,
            meaning="number of the site, as in W3SVC1",
            required=True,
            minimum=1,
            maximum=4294967295,
        ),
        boolean(
            "serverAutoStart",
            True,
            "whether the site starts with the service; later only `isapy start` and `stop` count",
        ),
    ),
    elements=(BINDINGS, LIMITS, LOG_FILE, _TRACE, _FTP, HSTS, _APPLICATION_DEFAULTS, _VIRTUAL_DIRECTORY_DEFAULTS),
    collection=Collection(entry=APPLICATION, clear="clear"),
)

SITES: Final = Section(
    path="system.applicationHost/sites",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    is_per_path=False,
    element=Element(
        name="sites",
        meaning="the sites",
        elements=(
            defaults_element(SITE, "siteDefaults", "values for sites that do not set them"),
            _APPLICATION_DEFAULTS,
            _VIRTUAL_DIRECTORY_DEFAULTS,
        ),
        collection=Collection(entry=SITE),
    ),
)

WEB_LIMITS: Final = Section(
    path="system.applicationHost/webLimits",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    is_per_path=False,
    element=Element(
        name="webLimits",
        meaning="limits of the listener",
        attributes=(
            time_span("connectionTimeout", "00:02:00", "an idle connection is closed", within=(0, 65535)),
            time_span(
                "headerWaitTimeout", "00:00:00", "a request head must be complete; 0: 120 seconds", within=(0, 65535)
            ),
            uint(
                "minBytesPerSecond",
                240,
                "a client is cut off when its response has taken longer than at this rate; 0: no limit",
            ),
            uint(
                "maxGlobalBandwidth",
                4294967295,
                "bytes per second to the clients of all sites; the largest number: no limit",
                refused=(0, 1023),
            ),
            uint(
                "demandStartThreshold",
                2147483647,
                "most workers on the server: with so many no request starts another one",
                within=(10, 2147483647),
            ),
            uint(
                "dynamicIdleThreshold",
                0,
                "percent of physical memory; with 80 to 100 % of that in use idle time-outs are halved 1 to 5 times",
                within=(0, 10000),
            ),
            uint("dynamicRegistrationThreshold", 100, "pools registered at once", support=_WITHOUT_MEANING),
        ),
    ),
)

ISOLATION: Final = Section(
    path="system.applicationHost/isolation",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    is_per_path=False,
    ours=True,
    element=Element(
        name="isolation",
        meaning="the process model of the whole server",
        attributes=(
            choice(
                "mode",
                "WorkerProcess",
                "IIS 6's worker process isolation, or IIS 5's inetinfo and dllhosts",
                {"WorkerProcess": 0, "IIS5": 1},
                ours=True,
            ),
            uint(
                "maxConcurrentRequests",
                256,
                "requests that inetinfo takes at a time, and each dllhost, under IIS5; the others wait in the queue",
                within=(1, 65535),
                ours=True,
            ),
        ),
    ),
)
