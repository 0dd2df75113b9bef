"""`system.applicationHost/listener`, ours: what HTTP.sys keeps in its registry key, and which proxies are believed."""

from __future__ import annotations

from typing import Final

from host.config.schema_types import Collection, Element, Scope, Section, boolean, choice, string, uint

_FORWARDED_HEADERS: Final = Element(
    name="forwardedHeaders",
    meaning="reverse proxies that are believed when they say who the client is; nobody else is",
    attributes=(
        choice(
            "header",
            "X-Forwarded-For",
            "the field that they write: X-Forwarded-For with X-Forwarded-Proto, or Forwarded (RFC 7239)",
            {"X-Forwarded-For": 0, "Forwarded": 1},
            ours=True,
        ),
    ),
    collection=Collection(
        remove="remove",
        clear="clear",
        entry=Element(
            name="add",
            meaning="a proxy, or the network of several",
            attributes=(
                string(
                    "ipAddress",
                    "address or network such as 10.0.0.0/8; unix: everybody who connects to a unix socket",
                    required=True,
                    key=True,
                    ours=True,
                ),
            ),
        ),
    ),
)

LISTENER: Final = Section(
    path="system.applicationHost/listener",
    scope=Scope.APP_HOST_ONLY,
    allows_override=False,
    is_per_path=False,
    ours=True,
    element=Element(
        name="listener",
        meaning="the listener itself, under the names of HTTP.sys's registry values; open connections keep their sizes",
        attributes=(
            string(
                "userName",
                "account that the listener's process runs as when root has started isapy; empty: a user and a group "
                "number of its own from the pools' identity range",
                ours=True,
            ),
            uint(
                "processes",
                1,
                "listeners that accept side by side, limits divided among them: for a machine with many "
                "processors whose one listener is always busy",
                within=(1, 64),
                ours=True,
            ),
            uint("maxFieldLength", 16384, "bytes of one header field, and of the URL", within=(64, 65534), ours=True),
            uint(
                "maxRequestBytes",
                16384,
                "bytes of request line and fields together",
                within=(256, 16777216),
                ours=True,
            ),
            uint(
                "urlSegmentMaxLength", 260, "characters of one path segment; 0: no limit", within=(0, 32766), ours=True
            ),
            uint("urlSegmentMaxCount", 255, "segments of a path; 0: no limit", within=(0, 16383), ours=True),
            uint(
                "maxConnections",
                4294967295,
                "connections at once; one more is closed unheard; never more than the process may have files open",
                within=(1, 4294967295),
                ours=True,
            ),
            uint(
                "bodyReadAhead",
                49152,
                "a body of at most so many bytes, if its length is announced, is collected before a worker is given "
                "the request; 0: none",
                within=(0, 65536),
                ours=True,
            ),
            uint(
                "disableServerHeader",
                0,
                "1: no Server field on the listener's own refusals; 2: on nothing (a response's own one stays)",
                within=(0, 2),
                ours=True,
            ),
            boolean("uriEnableCache", True, "false: the listener answers nothing by itself from its cache", ours=True),
            uint("uriMaxUriBytes", 262144, "bytes of a response that the cache takes, head included", ours=True),
            uint("uriMaxCacheMegabyteCount", 0, "megabytes of the whole cache; 0: 64", within=(0, 65536), ours=True),
            uint(
                "uriScavengerPeriod",
                120,
                "seconds after which an answer that nobody asked for leaves the cache",
                within=(10, 4294967295),
                ours=True,
            ),
        ),
        elements=(_FORWARDED_HEADERS,),
    ),
)
