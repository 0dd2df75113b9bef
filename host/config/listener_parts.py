"""What each of several listeners obeys: the limits of all, divided by their number.

A limit that counts something in one process (connections, waiting requests, bytes of the cache, bytes a second) is
divided so that the parts are the whole: the first listeners have one more where it does not come out even. None is left
with nothing, since it is the kernel who chooses a connection's listener. What holds for a single request or connection
is the same for each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from host.config.model import Site, Snapshot

UNLIMITED: Final = 4294967295
"""What connections and bandwidth say when there is no limit."""


def part_of(limit: int, parts: int, place: int) -> int:
    """The part of a limit for the one at `place` of so many; there is no limit where there was none."""
    if limit >= UNLIMITED:
        return limit
    each, left = divmod(limit, parts)
    return max(1, each + (place < left)) if limit else 0


def divided(snapshot: Snapshot, parts: int, place: int) -> Snapshot:
    """The configuration as the one at `place` of so many listeners obeys it; of one, as it is."""
    if parts == 1:
        return snapshot
    part = partial(part_of, parts=parts, place=place)
    listener, limits = snapshot.listener, snapshot.web_limits
    return replace(
        snapshot,
        sites=tuple(_divided_site(site, part) for site in snapshot.sites),
        pools=tuple(replace(pool, queue_length=part(pool.queue_length)) for pool in snapshot.pools),
        web_limits=replace(limits, max_global_bandwidth=part(limits.max_global_bandwidth)),
        listener=replace(
            listener,
            max_connections=part(listener.max_connections),
            uri_max_cache_bytes=part(listener.uri_max_cache_bytes),
        ),
    )


def _divided_site(site: Site, part: Callable[[int], int]) -> Site:
    limits = replace(
        site.limits,
        max_connections=part(site.limits.max_connections),
        max_bandwidth=part(site.limits.max_bandwidth),
    )
    return replace(site, limits=limits)
