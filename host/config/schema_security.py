"""`system.webServer/security`: the list of programs that may run, and request filtering."""

from __future__ import annotations

from typing import Final

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
    flags,
    string,
    uint,
)

_UNSUPPORTED: Final = Support.UNSUPPORTED
_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING

_ALLOWED: Final = Attribute(name="allowed", kind=Kind.BOOL, default="false", meaning="true: let it pass", required=True)

ISAPI_CGI_RESTRICTION: Final = Section(
    path="system.webServer/security/isapiCgiRestriction",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    element=Element(
        name="isapiCgiRestriction",
        meaning="programs and libraries that handlers may run; refused is 404.2",
        attributes=(
            boolean("notListedIsapisAllowed", False, "extensions that are not listed may run"),
            boolean("notListedCgisAllowed", False, "CGI programs that are not listed may run"),
        ),
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(
                name="add",
                meaning="one program",
                attributes=(
                    string(
                        "path",
                        "the program, with its arguments where a handler names it so",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                        expansion=Expansion.COMMAND,
                        case_sensitive=True,
                    ),
                    _ALLOWED,
                    string("groupId", "group of entries", support=_WITHOUT_MEANING),
                    string("description", "text for people", support=_WITHOUT_MEANING),
                ),
            ),
        ),
    ),
)


def _list(
    name: str,
    key: str,
    meaning: str,
    *further: Attribute,
    entry: str,
    attributes: tuple[Attribute, ...] = (),
    case_sensitive: bool = False,
) -> Element:
    """An element that is a list of entries with one key; request filtering consists of these."""
    key_attribute = string(key, entry, required=True, key=True, rule=Rule.NON_EMPTY, case_sensitive=case_sensitive)
    return Element(
        name=name,
        meaning=meaning,
        attributes=attributes,
        collection=Collection(
            remove="remove",
            clear="clear",
            entry=Element(name="add", meaning="one entry", attributes=(key_attribute, *further)),
        ),
    )


_APPLY_TO_WEBDAV: Final = boolean("applyToWebDAV", True, "for WebDAV requests too", support=_WITHOUT_MEANING)
_FILE_EXTENSIONS: Final = _list(
    "fileExtensions",
    "fileExtension",
    "extensions let through or refused (404.7)",
    _ALLOWED,
    entry="extension with its dot",
    attributes=(boolean("allowUnlisted", True, "extensions that are not listed pass"), _APPLY_TO_WEBDAV),
)
_VERBS: Final = _list(
    "verbs",
    "verb",
    "methods let through or refused (404.6)",
    _ALLOWED,
    entry="method",
    attributes=(boolean("allowUnlisted", True, "methods that are not listed pass"), _APPLY_TO_WEBDAV),
    case_sensitive=True,
)
_HIDDEN_SEGMENTS: Final = Element(
    name="hiddenSegments",
    meaning="path segments that are never served (404.8), in any case of letters",
    attributes=(_APPLY_TO_WEBDAV,),
    collection=Collection(
        remove="remove",
        clear="clear",
        default_entries=({"segment": "web.config"},),
        entry=Element(
            name="add",
            meaning="one segment",
            attributes=(string("segment", "whole segment", required=True, key=True, rule=Rule.NON_EMPTY),),
        ),
    ),
)
_REQUEST_LIMITS: Final = Element(
    name="requestLimits",
    meaning="sizes of a request",
    attributes=(
        uint("maxAllowedContentLength", 30000000, "bytes of the body; more is 404.13"),
        uint("maxUrl", 4096, "bytes of the URL without query; more is 404.14"),
        uint("maxQueryString", 2048, "bytes of the query; more is 404.15"),
    ),
    elements=(
        _list(
            "headerLimits",
            "header",
            "sizes of header fields; more is 404.10",
            Attribute(
                name="sizeLimit",
                kind=Kind.UINT,
                default="0",
                meaning="bytes of its value",
                required=True,
                minimum=0,
                maximum=4294967295,
            ),
            entry="name of the field",
        ),
    ),
)
_FILTERING_RULES: Final = Element(
    name="filteringRules",
    meaning="rules over headers, URL and query (404.19)",
    support=_UNSUPPORTED,
    collection=Collection(
        remove="remove",
        clear="clear",
        entry=Element(
            name="filteringRule",
            meaning="one rule",
            attributes=(
                string("name", "name of the rule", required=True, key=True),
                boolean("scanUrl", False, "scan the URL"),
                boolean("scanQueryString", False, "scan the query"),
                boolean("scanAllRaw", False, "scan all headers"),
                boolean("denyUnescapedPercent", True, "refuse a lone %"),
            ),
            elements=(
                _list("scanHeaders", "requestHeader", "headers to scan", entry="name of the field"),
                _list("appliesTo", "fileExtension", "extensions it concerns", entry="with dot"),
                _list("denyStrings", "string", "what is refused", entry="text"),
            ),
        ),
    ),
)

REQUEST_FILTERING: Final = Section(
    path="system.webServer/security/requestFiltering",
    element=Element(
        name="requestFiltering",
        meaning="requests that are refused before any handler sees them; the filter request_filtering obeys it",
        attributes=(
            boolean("allowDoubleEscaping", False, "let URLs through that change when decoded twice (else 404.11)"),
            boolean("allowHighBitCharacters", True, "let characters above 127 through (else 404.12)"),
            boolean("unescapeQueryString", True, "look at the decoded query too", support=_WITHOUT_MEANING),
            boolean("removeServerHeader", False, "send no Server field (by the host itself; no filter is needed)"),
        ),
        elements=(
            _FILE_EXTENSIONS,
            _REQUEST_LIMITS,
            _VERBS,
            _HIDDEN_SEGMENTS,
            _list("denyUrlSequences", "sequence", "texts refused in a URL (404.5)", entry="text"),
            _list("denyQueryStringSequences", "sequence", "texts refused in a query (404.18)", entry="text"),
            _list("alwaysAllowedUrls", "url", "URLs that denyUrlSequences does not concern", entry="URL path"),
            Element(
                name="alwaysAllowedQueryStrings",
                meaning="queries that denyQueryStringSequences does not concern",
                support=_UNSUPPORTED,
                collection=Collection(
                    remove="remove",
                    clear="clear",
                    entry=Element(
                        name="add",
                        meaning="one query",
                        attributes=(string("queryString", "the query", required=True, key=True),),
                    ),
                ),
            ),
            _FILTERING_RULES,
        ),
    ),
)

ACCESS: Final = Section(
    path="system.webServer/security/access",
    allows_override=False,
    element=Element(
        name="access",
        meaning="what a connection must be, by TLS",
        attributes=(
            flags(
                "sslFlags",
                "None",
                "Ssl: over TLS (else 403.4); Ssl128: with 128 bits (403.5); SslRequireCert: with a client certificate "
                "(403.7), SslNegotiateCert: with one if the client has it; both need clientCertificateAuthorities",
                {"None": 0, "Ssl": 8, "SslNegotiateCert": 32, "SslRequireCert": 64, "SslMapCert": 128, "Ssl128": 256},
            ),
        ),
    ),
)
