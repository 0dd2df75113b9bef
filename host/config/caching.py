"""`caching`: what the listener's cache may keep. Times are seconds, sizes are bytes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheProfile:
    """One `caching/profiles/add`: what the listener's cache may do with answers of an extension."""

    kernel_cache_policy: str = "DontCache"  # CacheUntilChange, CacheForTimePeriod, DisableCache
    duration_seconds: int = 30
    varies: bool = False  # by header fields or query: then nothing enters
    is_shared: bool = False  # sharedCache: by RFC 9111 instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Caching:
    """`caching`, and what makes a URL a frequent one (`serverRuntime`). Profiles by extension, lower case, with dot."""

    is_enabled: bool = True  # and enableKernelCache
    max_response_bytes: int = 262144
    profiles: Mapping[str, CacheProfile] = field(default_factory=dict)
    has_shared: bool = False  # some profile has sharedCache
    frequent_hit_threshold: int = 2
    frequent_hit_seconds: int = 10

    def profile_of(self, path: str) -> CacheProfile | None:
        """The profile for a path, by its extension; None: none names it."""
        return self.profiles.get(os.path.splitext(path)[1].lower()) or self.profiles.get("*")
