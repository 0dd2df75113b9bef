"""`system.webServer/httpCompression` and `urlCompression`: which answers are compressed, how, and for whom."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from host.config.schema_types import (
    Attribute,
    Collection,
    Element,
    Rule,
    Section,
    Support,
    boolean,
    choice,
    string,
    uint,
)

_WITHOUT_MEANING: Final = Support.WITHOUT_MEANING
_STATIC_TYPES: Final = {
    "text/*": "true",
    "message/*": "true",
    "application/javascript": "true",
    "application/json": "true",
    "application/atom+xml": "true",
    "application/xaml+xml": "true",
    "image/svg+xml": "true",
    "*/*": "false",
}
_DYNAMIC_TYPES: Final = {
    "text/*": "true",
    "message/*": "true",
    "application/x-javascript": "true",
    "application/javascript": "true",
    "application/json": "true",
    "*/*": "false",
}


def _percent(name: str, default: int, meaning: str) -> Attribute:
    return uint(name, default, meaning, within=(0, 100))


def _types(name: str, meaning: str, defaults: dict[str, str]) -> Element:
    return Element(
        name=name,
        meaning=meaning,
        collection=Collection(
            remove="remove",
            clear="clear",
            default_entries=tuple({"mimeType": mime_type, "enabled": on} for mime_type, on in defaults.items()),
            entry=Element(
                name="add",
                meaning="one type; the most specific entry decides: the whole value, the type, type/*, */*",
                attributes=(
                    string(
                        "mimeType",
                        "media type, with or without parameters",
                        required=True,
                        key=True,
                        rule=Rule.NON_EMPTY,
                    ),
                    boolean("enabled", True, "false: answers of this type stay as they are"),
                ),
            ),
        ),
    )


_SCHEME: Final = Element(
    name="scheme",
    meaning="one content coding",
    attributes=(
        replace(
            choice("name", "gzip", "the coding", {"gzip": 0, "deflate": 1, "br": 2, "zstd": 3}),
            default="",
            required=True,
            is_key=True,
        ),
        string("dll", "IIS's library", support=_WITHOUT_MEANING),
        boolean("doStaticCompression", True, "for static files"),
        boolean("doDynamicCompression", True, "for everything else"),
        uint("staticCompressionLevel", 7, "how hard it tries", within=(0, 10)),
        uint("dynamicCompressionLevel", 0, "how hard it tries; 0 is the fastest", within=(0, 10)),
    ),
)

HTTP_COMPRESSION: Final = Section(
    path="system.webServer/httpCompression",
    element=Element(
        name="httpCompression",
        meaning="how answers are compressed; the filter compression obeys it",
        attributes=(
            string(
                "directory",
                "IIS's folder of compressed files; here it is the pool's temporary folder",
                r"%SystemDrive%\inetpub\temp\IIS Temporary Compressed Files",
                support=_WITHOUT_MEANING,
            ),
            replace(boolean("doDiskSpaceLimiting", True, "keep to maxDiskSpaceUsage"), server_only=True),
            replace(uint("maxDiskSpaceUsage", 100, "megabytes of compressed files of a pool"), server_only=True),
            uint("minFileSizeForComp", 2700, "bytes of the smallest static file that is compressed"),
            uint("minResponseSizeForComp", 256, "bytes of the smallest other answer of known length", ours=True),
            boolean("noCompressionForHttp10", True, "HTTP/1.0 clients get everything as it is"),
            boolean("noCompressionForProxies", True, "requests with Via get everything as it is"),
            boolean("noCompressionForRange", True, "requests with Range get everything as it is"),
            boolean("sendCacheHeaders", False, "send the next two with what is compressed"),
            string("expiresHeader", "Expires", "Wed, 01 Jan 1997 12:00:00 GMT"),
            string("cacheControlHeader", "Cache-Control", "max-age=86400"),
            boolean(
                "staticCompressionIgnoreHitFrequency", False, "compress with the first request, not a frequent one"
            ),
            _percent("staticCompressionDisableCpuUsage", 100, "from here on no file is compressed; 100: never"),
            _percent("staticCompressionEnableCpuUsage", 50, "below it files are again"),
            _percent("dynamicCompressionDisableCpuUsage", 90, "from here on nothing else is compressed; 100: never"),
            _percent("dynamicCompressionEnableCpuUsage", 50, "below it it is again"),
            uint(
                "dynamicCompressionBufferLimit",
                65536,
                "bytes kept before they are flushed (isapy flushes each piece)",
                support=_WITHOUT_MEANING,
            ),
        ),
        elements=(
            _types("staticTypes", "static files that are compressed", _STATIC_TYPES),
            _types("dynamicTypes", "other answers that are compressed", _DYNAMIC_TYPES),
        ),
        collection=Collection(
            remove="remove",
            clear="clear",
            defaults_yield=True,
            default_entries=({"name": "br"}, {"name": "zstd"}, {"name": "gzip"}),
            entry=_SCHEME,
        ),
    ),
)

URL_COMPRESSION: Final = Section(
    path="system.webServer/urlCompression",
    element=Element(
        name="urlCompression",
        meaning="what is compressed at this URL; the filter compression obeys it",
        attributes=(
            boolean("doStaticCompression", True, "static files"),
            boolean("doDynamicCompression", True, "everything else"),
            boolean(
                "dynamicCompressionBeforeCache",
                False,
                "compress what enters the workers' output cache",
                support=_WITHOUT_MEANING,
            ),
        ),
    ),
)
