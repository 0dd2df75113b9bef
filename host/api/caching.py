"""What a handler says about keeping its answer in the listener's cache."""

from __future__ import annotations

import os
from dataclasses import dataclass

FileStamp = tuple[int, int, int, int, int]
"""What tells that a file was replaced or changed; see `file_stamp`."""


def file_stamp(status: os.stat_result) -> FileStamp:
    """What changes when a file is replaced, written or given other permissions; its size comes last."""
    return (status.st_ino, status.st_dev, status.st_mtime_ns, status.st_ctime_ns, status.st_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class CachePolicy:
    """`Response.cache`: the listener may give this answer to whoever asks for the same URL, without any plugin.

    It is a wish: an answer to an authenticated user, to a request with a query, with Set-Cookie or Vary, or of a site
    with a filter or module that is not cache-aware is never kept. IIS: HTTP_CACHE_POLICY. Where a profile has
    sharedCache, the answer's Cache-Control, Expires and Vary count instead, and of this `files` and `ignores_cookies`.

    `seconds`: how long it is good; 0: until one of `files` changes, the worker ends, or the configuration changes.
    `files`: paths with the stamp (`file_stamp`) that they had before the handler read them; a path that is no file any
    more, or has another stamp, takes the answer out of the cache.
    `ignores_cookies`: clients with cookies may have it, too: it does not depend on them.
    `when_frequent`: only when the URL is asked for often (`serverRuntime/@frequentHitThreshold`), as static files.
    """

    seconds: int = 0
    files: tuple[tuple[str, FileStamp], ...] = ()
    ignores_cookies: bool = False
    when_frequent: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.seconds <= 0xFFFFFFFF:
            raise ValueError(f"an answer is kept for 0 to 4294967295 seconds, not {self.seconds}")
