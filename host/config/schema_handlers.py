"""`system.webServer`, the part that runs programs: handlers, filters, modules, limits of an application."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import (
    Collection,
    Element,
    Expansion,
    Rule,
    Scope,
    Section,
    Support,
    boolean,
    choice,
    flags,
    string,
    time_span,
    uint,
)

_UNSUPPORTED: Final = Support.UNSUPPORTED
_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

NAME_VALUE: Final = (
    string("name", "name", required=True, key=True, rule=Rule.NON_EMPTY),
    string("value", "value", case_sensitive=True),
)

HANDLER: Final = Element(
    name="add",
    meaning="one mapping; the first one that fits path and verb answers the request",
    attributes=(
        string("name", "name of the mapping", required=True, key=True, rule=Rule.NON_EMPTY, case_sensitive=True),
        string("path", "pattern: *.ext, *, *. (no extension), name.ext, /dir/*", required=True, rule=Rule.HANDLER_PATH),
        string("verb", "comma list of methods, or *", required=True, rule=Rule.NON_EMPTY, case_sensitive=True),
        string(
            "type",
            "managed handler: the class module:Class of the application's folders App_Code and bin, or installed "
            "(types of .NET are ignored with a warning)",
            case_sensitive=True,
        ),
        string("modules", "plugins that are tried in order", "ManagedPipelineHandler", case_sensitive=True),
        string(
            "scriptProcessor",
            "program or library that runs the script: program, program|arguments, or a template with %s",
            expansion=Expansion.COMMAND,
            case_sensitive=True,
        ),
        choice(
            "resourceType",
            "Unspecified",
            "what the URL must be on disk",
            {"File": 0, "Directory": 1, "Either": 2, "Unspecified": 3},
        ),
        choice(
            "requireAccess",
            "Script",
            "what accessPolicy must grant",
            {"None": 0, "Read": 1, "Write": 2, "Script": 3, "Execute": 4},
        ),
        boolean(
            "allowPathInfo",
            False,
            "ISAPI: PATH_INFO is only what follows the script, not the whole path (elsewhere it always is: RFC 3875)",
        ),
        string("preCondition", "comma list; an entry that does not meet it is treated as absent", case_sensitive=True),
        uint(
            "responseBufferLimit",
            4194304,
            "ISAPI: bytes of an answer kept before it begins to be sent (other handlers' are sent as they come)",
        ),
        choice(
            "threadingModel",
            "Free",
            "where plain code that answers is called (WSGI, ISAPI, plain plugins): Free: on a thread, where it may "
            "block; Single: on the worker's main thread, which does nothing else meanwhile",
            {"Free": 0, "Single": 1},
            ours=True,
        ),
    ),
    elements=(
        Element(
            name="settings",
            meaning="settings that the mapping's plugin reads",
            ours=True,
            collection=Collection(
                remove="remove",
                clear="clear",
                entry=Element(name="add", meaning="one setting", attributes=NAME_VALUE),
            ),
        ),
    ),
)

ACCESS_POLICY_FLAGS: Final = {
    "None": 0,
    "Read": 1,
    "Write": 2,
    "Execute": 4,
    "Source": 16,
    "Script": 512,
    "NoRemoteWrite": 1024,
    "NoRemoteRead": 4096,
    "NoRemoteExecute": 8192,
    "NoRemoteScript": 16384,
}

HANDLERS: Final = Section(
    path="system.webServer/handlers",
    element=Element(
        name="handlers",
        meaning="which plugin answers which URLs",
        attributes=(
            flags(
                "accessPolicy", "Read, Script", "what requests may do; IIS's setup writes it so", ACCESS_POLICY_FLAGS
            ),
        ),
        collection=Collection(
            entry=HANDLER,
            remove="remove",
            clear="clear",
            merge_append=False,
            default_entries=(
                {
                    "name": "StaticFile",
                    "path": "*",
                    "verb": "*",
                    "modules": "StaticFileModule,DefaultDocumentModule,DirectoryListingModule",
                    "resourceType": "Either",
                    "requireAccess": "Read",
                },
            ),
        ),
    ),
)

ISAPI_FILTERS: Final = Section(
    path="system.webServer/isapiFilters",
    scope=Scope.MACHINE_TO_APPLICATION,
    allows_override=False,
    element=Element(
        name="isapiFilters",
        meaning="the filters that run, in this order",
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="filter",
                meaning="one filter",
                attributes=(
                    string(
                        "name",
                        "name of the filter; without path the plugin of that name",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                        case_sensitive=True,
                    ),
                    string("path", "its file", expansion=Expansion.PATH),
                    boolean("enabled", True, "false: it is not loaded"),
                    boolean("enableCache", False, "the filter lets responses enter the listener's cache"),
                    string("preCondition", "comma list that must hold", case_sensitive=True),
                ),
            ),
        ),
    ),
)

MODULES: Final = Section(
    path="system.webServer/modules",
    scope=Scope.MACHINE_TO_APPLICATION,
    element=Element(
        name="modules",
        meaning="the pipeline modules that run, in this order; IIS's native ones are built in and ignored here",
        attributes=(
            boolean("runAllManagedModulesForAllRequests", False, "preCondition managedHandler counts as met"),
            boolean("runManagedModulesForWebDavRequests", False, "the same for WebDAV", support=_WITHOUT_MEANING),
        ),
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="add",
                meaning="one module",
                attributes=(
                    string(
                        "name",
                        "name of the module; without type the plugin of that name",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                        case_sensitive=True,
                    ),
                    string(
                        "type",
                        "its file, or the class module:Class of a managed module (types of .NET are ignored with a "
                        "warning)",
                        expansion=Expansion.PLUGIN,
                        case_sensitive=True,
                    ),
                    string("preCondition", "comma list that must hold", case_sensitive=True),
                ),
            ),
        ),
    ),
)

GLOBAL_MODULES: Final = Section(
    path="system.webServer/globalModules",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    element=Element(
        name="globalModules",
        meaning="the native modules of IIS; isapy has its own and ignores the list",
        support=_UNSUPPORTED,
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="add",
                meaning="one native module",
                attributes=(
                    string("name", "name of the module", required=True, key=True, case_sensitive=True),
                    string("image", "its library", required=True),
                    string("preCondition", "comma list that must hold", case_sensitive=True),
                ),
            ),
        ),
    ),
)

SERVER_RUNTIME: Final = Section(
    path="system.webServer/serverRuntime",
    allows_override=False,
    element=Element(
        name="serverRuntime",
        meaning="limits of an application",
        attributes=(
            boolean("enabled", True, "false: the URL serves nothing", support=_UNSUPPORTED),
            uint("appConcurrentRequestLimit", 5000, "requests at once; one more is refused with 503.2"),
            uint("maxRequestEntityAllowed", 4294967295, "bytes of a body", support=_UNSUPPORTED),
            uint(
                "uploadReadAheadSize",
                49152,
                "bytes of a body that an ISAPI extension finds when it is called",
                within=(0, 2147483647),
            ),
            string("alternateHostName", "host name of the machine", support=_WITHOUT_MEANING),
            boolean("enableNagling", False, "wait 200 ms for more", support=_WITHOUT_MEANING),
            uint(
                "frequentHitThreshold",
                2,
                "so many requests for a URL within frequentHitTimePeriod make it one for the listener's cache",
                within=(1, 4294967295),
            ),
            time_span("frequentHitTimePeriod", "00:00:10", "the time in which those requests count"),
            choice(
                "authenticatedUserOverride",
                "UseAuthenticatedUser",
                "whose token is used",
                {"UseAuthenticatedUser": 1, "UseWorkerProcessUser": 2},
                support=_WITHOUT_MEANING,
            ),
        ),
    ),
)
