"""What each of several listeners obeys: the limits of all, divided by their number.

A limit that counts something in one process (connections, waiting requests, bytes of the cache, bytes a second) is
divided and rounded up, so that together they may exceed it by less than one for each listener, and none is left with
nothing. What holds for a single request or connection is the same for each.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from host.config.model import Site, Snapshot

UNLIMITED: Final = 4294967295
"""What connections and bandwidth say when there is no limit."""


def part_of(limit: int, parts: int) -> int:
    """A part of a limit, rounded up; there is no limit where there was none."""
    return limit if limit >= UNLIMITED else -(-limit // parts)


def divided(snapshot: Snapshot, parts: int) -> Snapshot:
    """The configuration as one of so many listeners obeys it; of one, as it is."""
    if parts == 1:
        return snapshot
    listener, limits = snapshot.listener, snapshot.web_limits
    return replace(
        snapshot,
        sites=tuple(_divided_site(site, parts) for site in snapshot.sites),
        pools=tuple(replace(pool, queue_length=part_of(pool.queue_length, parts)) for pool in snapshot.pools),
        web_limits=replace(limits, max_global_bandwidth=part_of(limits.max_global_bandwidth, parts)),
        listener=replace(
            listener,
            max_connections=part_of(listener.max_connections, parts),
            uri_max_cache_bytes=part_of(listener.uri_max_cache_bytes, parts),
        ),
    )


def _divided_site(site: Site, parts: int) -> Site:
    limits = replace(
        site.limits,
        max_connections=part_of(site.limits.max_connections, parts),
        max_bandwidth=part_of(site.limits.max_bandwidth, parts),
    )
    return replace(site, limits=limits)
