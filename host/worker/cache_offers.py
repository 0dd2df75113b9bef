"""Which answers a worker offers to the listener's cache, and when it takes them back.

The worker knows what the listener cannot: who asked, which filters must see every request, which file an answer was
read from. What was offered until something changes is looked at again every LOOK_SECONDS: its files, and the settings
in force for its URL. The rules about the request's and the answer's fields are the listener's
(`host/listener/cache_rules.py`).
"""

from __future__ import annotations

import asyncio
import os
import re
import stat
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from host.api import CachePolicy, FileBody, HttpError, Request, Response, file_stamp
from host.config.caching import CacheProfile
from host.config.model import PathSettings
from host.wire.frames import CacheFlag, CacheFrame
from host.worker.exchange import Exchange
from host.worker.plan import Plan
from host.worker.routes import Routes
from host.worker.shared_answers import SharedPolicy, Variants, asks_where_from, is_shared, shared_policy

LOOK_SECONDS: Final = 0.25
"""How long a change of a file or of a web.config may go unnoticed; as long as changes of web.config may anyway."""

SETTLED_SECONDS: Final = 2.0
"""A file that is younger may be written again without another time or size; it is not offered yet."""

MOST_WATCHED: Final = 1024  # a look at all of them costs about two milliseconds
MOST_COUNTED: Final = 4096  # URLs whose hits are counted; a client that invents URLs must not fill the memory
LONGEST_COUNTED: Final = 1024  # characters of one; a file's path can be spelled at any length
_DONT_CACHE: Final = CacheProfile()


_ASKS_MORE: Final = re.compile(
    rb"(?:^|\n)(?:authorization|range|if-range|if-match|if-unmodified-since|translate)[ \t]*:", re.IGNORECASE
)
_COOKIE: Final = re.compile(rb"(?:^|\n)cookie[ \t]*:", re.IGNORECASE)

_Place = tuple[int, int, str, str, str, int, bool]
"""Front, site, target, host, local address and port, TLS: a listener keeps one answer for each."""


_Files = tuple[tuple[str, tuple[int, ...]], ...]


class _Watched(NamedTuple):
    """An answer that the listener may hold, and what it depends on."""

    invalidate: Callable[[], None]
    site_id: int
    target: str
    settings: PathSettings
    files: _Files
    until: float  # the clock's seconds; 0: no end


class CacheOffers:
    """The offers of one worker. `passes_on`: in a dllhost, whose front decides; it hears what handlers wish."""

    def __init__(self, loop: asyncio.AbstractEventLoop, routes: Routes, *, passes_on: bool = False) -> None:
        self._loop = loop
        self._routes = routes
        self._passes_on = passes_on
        self._hits: dict[tuple[int, str], tuple[float, int]] = {}
        self._watched: dict[_Place, _Watched] = {}
        self._timer: asyncio.TimerHandle | None = None

    def choose(self, exchange: Exchange, request: Request, response: Response, plan: Plan) -> CachePolicy | None:
        """How the listener may keep this answer, which is about to be sent; None: not at all."""
        settings = request.settings
        if self._passes_on:
            return response.cache
        if settings is not None and settings.caching.has_shared and is_shared(settings, request.path):
            shared = shared_policy(exchange, request, response, plan)
            return shared if shared is not None and _is_settled(shared) else None
        if (
            settings is None
            or not settings.caching.is_enabled
            or plan.forbids_cache
            or request.user
            or response.raw
            or exchange.method != "GET"
            or request.method != "GET"
            or request.raw_target != exchange.target  # rewritten
            or exchange.request is not request  # a default document, a local redirect: not the file that was named
            or exchange.is_refused
            or "?" in exchange.target
            or len(exchange.target) > LONGEST_COUNTED
            or exchange.log_parameters
            or exchange.log_status
            or asks_where_from(settings)
        ):
            return None
        policy = _policy(request, response, settings)
        if policy is None or (policy.when_frequent and not self._is_frequent(request, settings)):
            return None
        return policy if _is_settled(policy) and _may_be_kept(request, policy) else None

    def offer(self, exchange: Exchange, request: Request, policy: CachePolicy) -> None:
        """Say so before the answer goes out, and take it back when it is out of date."""
        invalidate = exchange.offer_to_cache(CacheFrame(_flags(policy), policy.seconds))
        if self._passes_on:
            return
        if isinstance(policy, SharedPolicy) and policy.invalidates:
            self._take_back(request)
            return
        connection, site_id, target = request.connection, request.application.site_id, request.raw_target
        address, port = connection.local_address, connection.local_port
        place = (exchange.front_place, site_id, target, request.server_name, address, port, connection.is_secure)
        earlier = self._watched.pop(place, None)
        if earlier is None and len(self._watched) >= MOST_WATCHED:
            self._watched.pop(next(iter(self._watched))).invalidate()
        files: _Files = policy.files
        if isinstance(policy, SharedPolicy):
            invalidate, files = _together(earlier, invalidate, files)
        elif earlier is not None:
            earlier.invalidate()  # the listener may have dropped it, or have let this request pass
        until = self._loop.time() + policy.seconds if policy.seconds else 0.0
        self._watched[place] = _Watched(invalidate, site_id, target, request.settings, files, until)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK_SECONDS, self._look)

    def close(self) -> None:
        """Look no more; the listener drops what came over links that close."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._watched.clear()

    def _is_frequent(self, request: Request, settings: PathSettings) -> bool:
        """Whether this is the hit that makes the URL a frequent one; counted from the first one of a period."""
        now, key = self._loop.time(), (request.application.site_id, request.raw_target)
        first_at, count = self._hits.get(key, (now, 0))
        if now - first_at > settings.caching.frequent_hit_seconds:
            first_at, count = now, 0
        if len(self._hits) >= MOST_COUNTED:
            self._hits.clear()
        self._hits[key] = (first_at, count + 1)
        return count + 1 >= settings.caching.frequent_hit_threshold

    def _take_back(self, request: Request) -> None:
        """The front hears from the answer itself what it is to forget; this is for the caches of other fronts."""
        url = (request.application.site_id, request.raw_target)
        for place in [place for place, one in self._watched.items() if (one.site_id, one.target) == url]:
            self._watched.pop(place).invalidate()

    def _look(self) -> None:
        now, kept = self._loop.time(), {}
        for place, watched in self._watched.items():
            if watched.until and watched.until < now:
                continue  # the listener has dropped it by itself
            if self._is_current(watched):
                kept[place] = watched
            else:
                watched.invalidate()
        self._watched = kept
        self._timer = self._loop.call_later(LOOK_SECONDS, self._look) if kept else None

    def _is_current(self, watched: _Watched) -> bool:
        try:
            route, _ = self._routes.find(watched.site_id, watched.target)
            return route.settings is watched.settings and all(
                file_stamp(os.stat(path)) == stamp for path, stamp in watched.files
            )
        except (OSError, ValueError, HttpError):
            return False


def read_whole(body: Any, settings: Any) -> bytes | None:
    """The content of a file piece that is small enough to travel in one frame; None when it is not, or was cut."""
    if not isinstance(body, FileBody) or settings is None or body.length > settings.caching.max_response_bytes:
        return None
    content = os.pread(body.descriptor, body.length, body.offset)
    return content if len(content) == body.length else None


def _flags(policy: CachePolicy) -> int:
    flags = int(CacheFlag.IGNORES_COOKIES) if policy.ignores_cookies else 0
    if isinstance(policy, SharedPolicy):
        flags |= CacheFlag.INVALIDATES if policy.invalidates else CacheFlag.SHARED
    return int(flags)


def _together(earlier: _Watched | None, invalidate: Callable[[], None], files: _Files) -> tuple[Variants, _Files]:
    """One more answer of a URL that has many: all of them are taken back at once. One that was found good as it was
    (304) names no files; those of the first one still count."""
    known = earlier.invalidate if earlier is not None else None
    variants = known if isinstance(known, Variants) else Variants()
    if earlier is not None and variants is not known:
        earlier.invalidate()
    variants.add(invalidate)
    return variants, files or (earlier.files if earlier is not None else ())


def _may_be_kept(request: Request, policy: CachePolicy) -> bool:
    """Whether the listener would take it, as far as the request's fields decide: what is offered must be watched."""
    fields = request.raw_headers
    return _ASKS_MORE.search(fields) is None and (policy.ignores_cookies or _COOKIE.search(fields) is None)


def _policy(request: Request, response: Response, settings: PathSettings) -> CachePolicy | None:
    """What handler and profile say together. A profile that disables the cache wins; one that does not name it leaves
    the handler's wish."""
    wish, profiles = response.cache, settings.caching.profiles
    if not profiles:
        return wish
    profile = settings.caching.profile_of(request.path) or _DONT_CACHE
    if profile.varies or profile.kernel_cache_policy == "DisableCache":
        return None
    if profile.kernel_cache_policy == "DontCache":
        return wish
    ignores_cookies = wish is not None and wish.ignores_cookies
    files = wish.files if wish is not None else ()
    if profile.kernel_cache_policy == "CacheForTimePeriod":
        return CachePolicy(
            seconds=profile.duration_seconds, files=files, ignores_cookies=ignores_cookies, when_frequent=True
        )
    return CachePolicy(
        files=files or _mapped_file(request.physical_path), ignores_cookies=ignores_cookies, when_frequent=True
    )


def _mapped_file(path: str) -> tuple[tuple[str, tuple[int, int, int, int, int]], ...]:
    """The file that a URL maps to, as it is now; a stamp that no file has when there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return ((path, (0, 0, 0, 0, 0)),)
    return ((path, file_stamp(status) if stat.S_ISREG(status.st_mode) else (0, 0, 0, 0, 0)),)


def _is_settled(policy: CachePolicy) -> bool:
    """Whether no file of it was changed just now: what was read might not be what its stamp says."""
    newest = max((max(stamp[2], stamp[3]) for _, stamp in policy.files), default=0)
    return all(stamp[0] for _, stamp in policy.files) and time.time() - newest / 1e9 > SETTLED_SECONDS
