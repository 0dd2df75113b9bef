"""Answers of a profile with sharedCache, as their worker sees them: the listener decides by RFC 9111, if it may at all.

What the listener cannot know is decided here: who asked, whether the URL is what was asked for, and that a request of
an unsafe method has changed something.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from host.api import CachePolicy, HttpError, Request, Response
from host.config.model import PathSettings
from host.config.names import AccessPolicy
from host.worker.exchange import Exchange
from host.worker.plan import Plan

MOST_VARIANTS: Final = 64
"""Answers of one URL that are watched; one more takes back the oldest."""

_SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))  # RFC 9110 9.2.1
_ANSWERED: Final = frozenset(("GET", "HEAD"))
_NOT_FROM_AFAR: Final = (
    AccessPolicy.NO_REMOTE_READ
    | AccessPolicy.NO_REMOTE_WRITE
    | AccessPolicy.NO_REMOTE_SCRIPT
    | AccessPolicy.NO_REMOTE_EXECUTE
)
_ONLY_IF_CACHED: Final = re.compile(rb"(?:^|\n)cache-control[ \t]*:[^\r\n]*\bonly-if-cached\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedPolicy(CachePolicy):
    """The listener may store the answer as its fields say; `invalidates`: what it has stored of the URL must go."""

    invalidates: bool = False


class Variants:
    """Takes back all that was offered of one URL."""

    def __init__(self) -> None:
        self._invalidating: deque[Callable[[], None]] = deque()

    def add(self, invalidate: Callable[[], None]) -> None:
        """One more answer, and how it is taken back."""
        if len(self._invalidating) >= MOST_VARIANTS:
            self._invalidating.popleft()()
        self._invalidating.append(invalidate)

    def __call__(self) -> None:
        """Take them back."""
        for invalidate in self._invalidating:
            invalidate()


def asks_where_from(settings: PathSettings) -> bool:
    """Whether a client's address or certificate decides who may have an answer of that path. Caches know neither; they
    know of TLS, and of nothing more."""
    return bool(settings.access_policy & _NOT_FROM_AFAR) or any(flag != "Ssl" for flag in settings.ssl_flags)


def is_shared(settings: PathSettings, path: str) -> bool:
    """Whether answers of that path follow RFC 9111. A profile that disables the cache does."""
    caching = settings.caching
    if not (caching.has_shared and caching.is_enabled):
        return False
    profile = caching.profile_of(path)
    return profile is not None and profile.is_shared and profile.kernel_cache_policy != "DisableCache"


def insist_on_worker(request: Request) -> None:
    """Raises HttpError(504) for a request that must not come as far as this (only-if-cached, RFC 9111 5.2.1.7). One
    that no cache answers is written through (section 4)."""
    if request.method in _ANSWERED and _ONLY_IF_CACHED.search(request.raw_headers):
        raise HttpError(
            504,
            0,
            "the request says only-if-cached, and the cache has no answer that it may use",
            remedy="Ask without only-if-cached.",
        )


def shared_policy(exchange: Exchange, request: Request, response: Response, plan: Plan) -> SharedPolicy | None:
    """What the listener is told of an answer whose profile has sharedCache; None: nothing."""
    if exchange.method not in _SAFE:
        return SharedPolicy(invalidates=True) if response.status < 400 else None
    settings, wish = request.settings, response.cache
    if (
        settings is None
        or plan.forbids_cache
        or request.user
        or response.raw
        or exchange.is_refused  # what was wrong with a request must not become the answer to all others
        or (response.status >= 400 and request.connection.is_local)  # who is told the causes of errors
        or exchange.method != "GET"
        or request.method != "GET"
        or request.raw_target != exchange.target  # rewritten: by what, the URL does not say
        or exchange.request is not request  # a default document, a local redirect
        or exchange.log_parameters
        or exchange.log_status
        or asks_where_from(settings)
        or not (response.status == 304 or "Cache-Control" in response.headers or "Expires" in response.headers)
    ):
        return None
    return SharedPolicy(
        files=wish.files if wish is not None else (), ignores_cookies=wish is not None and wish.ignores_cookies
    )
