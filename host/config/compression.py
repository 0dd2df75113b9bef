"""`httpCompression` and `urlCompression` as one frozen value. Sizes are bytes, processor usage is percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from host.config.inheritance import Effective


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """One content coding and how it is used; levels are IIS's 0 to 10."""

    name: str
    is_for_static: bool = True
    is_for_dynamic: bool = True
    static_level: int = 7
    dynamic_level: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """What is compressed at one URL path, and how. Types by media type in lower case."""

    is_static_on: bool = True
    is_dynamic_on: bool = True
    schemes: tuple[Scheme, ...] = ()  # the server's preference
    static_types: Mapping[str, bool] = field(default_factory=dict)
    dynamic_types: Mapping[str, bool] = field(default_factory=dict)
    min_file_bytes: int = 2700
    min_response_bytes: int = 256  # ours
    not_for_http_1_0: bool = True
    not_for_proxies: bool = True
    not_for_ranges: bool = True
    sends_cache_headers: bool = False
    expires: str = "Wed, 01 Jan 1997 12:00:00 GMT"
    cache_control: str = "max-age=86400"
    ignores_hit_frequency: bool = False
    most_disk_bytes: int = 100 * 1024 * 1024  # 0: no limit
    static_disable_percent: int = 100
    static_enable_percent: int = 50
    dynamic_disable_percent: int = 90
    dynamic_enable_percent: int = 50


def build_compression(section: Effective, url: Effective) -> Compression:
    """From `httpCompression` and `urlCompression`."""
    return Compression(
        is_static_on=url.flag("doStaticCompression"),
        is_dynamic_on=url.flag("doDynamicCompression"),
        schemes=tuple(_scheme(entry.effective) for entry in section.entries),
        static_types=_types(section.child("staticTypes")),
        dynamic_types=_types(section.child("dynamicTypes")),
        min_file_bytes=section.number("minFileSizeForComp"),
        min_response_bytes=section.number("minResponseSizeForComp"),
        not_for_http_1_0=section.flag("noCompressionForHttp10"),
        not_for_proxies=section.flag("noCompressionForProxies"),
        not_for_ranges=section.flag("noCompressionForRange"),
        sends_cache_headers=section.flag("sendCacheHeaders"),
        expires=section.text("expiresHeader"),
        cache_control=section.text("cacheControlHeader"),
        ignores_hit_frequency=section.flag("staticCompressionIgnoreHitFrequency"),
        most_disk_bytes=section.number("maxDiskSpaceUsage") * 1048576 if section.flag("doDiskSpaceLimiting") else 0,
        static_disable_percent=section.number("staticCompressionDisableCpuUsage"),
        static_enable_percent=section.number("staticCompressionEnableCpuUsage"),
        dynamic_disable_percent=section.number("dynamicCompressionDisableCpuUsage"),
        dynamic_enable_percent=section.number("dynamicCompressionEnableCpuUsage"),
    )


def _scheme(entry: Effective) -> Scheme:
    return Scheme(
        name=entry.text("name"),
        is_for_static=entry.flag("doStaticCompression"),
        is_for_dynamic=entry.flag("doDynamicCompression"),
        static_level=entry.number("staticCompressionLevel"),
        dynamic_level=entry.number("dynamicCompressionLevel"),
    )


def _types(element: Effective) -> Mapping[str, bool]:
    return {
        entry.effective.text("mimeType").lower().replace(" ", ""): entry.effective.flag("enabled")
        for entry in element.entries
    }
