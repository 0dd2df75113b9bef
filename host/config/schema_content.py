"""`system.webServer`, the part that sends content: files, default documents, error pages, header fields."""

from __future__ import annotations

from typing import Final

from host.config.mime_types import DEFAULT_MIME_MAP
from host.config.schema_handlers import NAME_VALUE
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
    flags,
    string,
    time_span,
)

_UNSUPPORTED: Final = Support.UNSUPPORTED
_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

STATIC_CONTENT: Final = Section(
    path="system.webServer/staticContent",
    element=Element(
        name="staticContent",
        meaning="how files are served",
        attributes=(
            boolean("enableDocFooter", False, "append a footer", support=_UNSUPPORTED),
            string("defaultDocFooter", "the footer", support=_UNSUPPORTED),
            boolean("isDocFooterFileName", False, "the footer is a file", support=_UNSUPPORTED),
            boolean(
                "followSymbolicLinksOutsideRoot",
                False,
                "serve what a link outside the virtual directory's folder points to",
                server_only=True,
                ours=True,
            ),
            boolean(
                "servePrecompressedFiles",
                False,
                "send file.css.br, .zst or .gz in place of file.css to clients that understand it, if it is not older",
                ours=True,
            ),
        ),
        elements=(
            Element(
                name="clientCache",
                meaning="what clients may keep, and for how long",
                attributes=(
                    choice(
                        "cacheControlMode",
                        "NoControl",
                        "which header is sent",
                        {"NoControl": 0, "DisableCache": 1, "UseMaxAge": 2, "UseExpires": 3},
                    ),
                    time_span("cacheControlMaxAge", "1.00:00:00", "max-age of UseMaxAge"),
                    string("httpExpires", "date of UseExpires (RFC 9110 5.6.7)"),
                    string("cacheControlCustom", "added to Cache-Control"),
                    boolean("setEtag", True, "send an ETag"),
                ),
            ),
        ),
        collection=Collection(
            remove="remove",
            clear="clear",
            default_entries=tuple(
                {"fileExtension": extension, "mimeType": mime_type} for extension, mime_type in DEFAULT_MIME_MAP.items()
            ),
            entry=Element(
                name="mimeMap",
                meaning="the MIME type of one extension; a file without one is not served (404.3)",
                attributes=(
                    string(
                        "fileExtension",
                        "with its dot; . is no extension, .* any",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                    ),
                    string("mimeType", "its type", required=True, rule=Rule.NON_EMPTY),
                ),
            ),
        ),
    ),
)

DEFAULT_DOCUMENT: Final = Section(
    path="system.webServer/defaultDocument",
    element=Element(
        name="defaultDocument",
        meaning="which file answers for its folder",
        attributes=(boolean("enabled", True, "false: none"),),
        elements=(
            Element(
                name="files",
                meaning="the names that are tried in order",
                collection=Collection(
                    remove="remove",
                    clear="clear",
                    merge_append=False,
                    defaults_yield=True,
                    default_entries=(
                        {"value": "Default.htm"},
                        {"value": "Default.asp"},
                        {"value": "index.htm"},
                        {"value": "index.html"},
                        {"value": "iisstart.htm"},
                    ),
                    entry=Element(
                        name="add",
                        meaning="one file name",
                        attributes=(string("value", "name of the file", required=True, key=True, rule=Rule.NON_EMPTY),),
                    ),
                ),
            ),
        ),
    ),
)

DIRECTORY_BROWSE: Final = Section(
    path="system.webServer/directoryBrowse",
    element=Element(
        name="directoryBrowse",
        meaning="lists of the files in a folder",
        attributes=(
            boolean("enabled", False, "show them"),
            flags(
                "showFlags",
                "Date, Time, Size, Extension",
                "columns (isapy shows its own)",
                {"None": 0, "Date": 2, "Time": 4, "Size": 8, "Extension": 16, "LongDate": 32},
                support=_WITHOUT_MEANING,
            ),
        ),
    ),
)

_RESPONSE_MODES: Final = {"File": 0, "ExecuteURL": 1, "Redirect": 2}

HTTP_ERRORS: Final = Section(
    path="system.webServer/httpErrors",
    element=Element(
        name="httpErrors",
        meaning="the pages of refused requests",
        attributes=(
            choice(
                "errorMode",
                "DetailedLocalOnly",
                "who sees the cause of an error",
                {"DetailedLocalOnly": 0, "Custom": 1, "Detailed": 2},
            ),
            choice(
                "existingResponse",
                "Auto",
                "what happens to a body that a handler wrote",
                {"Auto": 0, "Replace": 1, "PassThrough": 2},
            ),
            choice("defaultResponseMode", "File", "kind of defaultPath", _RESPONSE_MODES, support=_UNSUPPORTED),
            string("defaultPath", "page of errors without entry", support=_UNSUPPORTED),
            string("detailedMoreInformationLink", "link on detailed pages", support=_WITHOUT_MEANING),
            boolean(
                "allowAbsolutePathsWhenDelegated", False, "web.config may name absolute paths", support=_UNSUPPORTED
            ),
        ),
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="error",
                meaning="the page of one status",
                attributes=(
                    Attribute(
                        name="statusCode",
                        kind=Kind.UINT,
                        meaning="the status",
                        required=True,
                        is_key=True,
                        minimum=400,
                        maximum=999,
                    ),
                    Attribute(
                        name="subStatusCode",
                        kind=Kind.INT,
                        default="-1",
                        meaning="the substatus; -1: any",
                        is_key=True,
                        minimum=-1,
                        maximum=999,
                    ),
                    string("path", "file, URL path or URL, by responseMode", required=True, rule=Rule.NON_EMPTY),
                    string("prefixLanguageFilePath", "folder of the file", expansion=Expansion.PATH),
                    choice("responseMode", "File", "what path is", _RESPONSE_MODES),
                ),
            ),
        ),
    ),
)

HTTP_PROTOCOL: Final = Section(
    path="system.webServer/httpProtocol",
    element=Element(
        name="httpProtocol",
        meaning="header fields of responses",
        attributes=(boolean("allowKeepAlive", True, "keep connections open", support=_UNSUPPORTED),),
        elements=(
            Element(
                name="customHeaders",
                meaning="fields added to every response; the filter custom_headers obeys it",
                collection=Collection(
                    remove="remove",
                    clear="clear",
                    entry=Element(name="add", meaning="one field", attributes=NAME_VALUE),
                ),
            ),
            Element(
                name="redirectHeaders",
                meaning="fields added to redirects",
                support=_UNSUPPORTED,
                collection=Collection(
                    remove="remove",
                    clear="clear",
                    entry=Element(name="add", meaning="one field", attributes=NAME_VALUE),
                ),
            ),
        ),
    ),
)

APPLICATION_INITIALIZATION: Final = Section(
    path="system.webServer/applicationInitialization",
    scope=Scope.MACHINE_TO_APPLICATION,
    element=Element(
        name="applicationInitialization",
        meaning="pages that make an application ready before clients ask",
        attributes=(
            boolean("doAppInitAfterRestart", False, "a new worker requests the pages before it takes requests"),
            string("remapManagedRequestsTo", "page for those who come too early", support=_UNSUPPORTED),
            boolean("skipManagedModules", False, "leave modules of .NET out meanwhile", support=_UNSUPPORTED),
        ),
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="add",
                meaning="one page",
                attributes=(
                    string(
                        "initializationPage",
                        "URL path of the site, or without a slash in front of the application; percent-encoded",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                    ),
                    string("hostName", "host name of the request; empty: the site's first binding's, or localhost"),
                ),
            ),
        ),
    ),
)
