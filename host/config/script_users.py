"""Which pools have scripts that run as somebody else (`cgi/@runAs`): their parents are started with a helper for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from host.config.cgi_settings import POOLS_USER, run_as
from host.config.document import Document, Fragment
from host.config.levels import application_path, is_above
from host.config.model import Pool, Snapshot

CGI: Final = "system.webServer/cgi"
RUN_AS: Final = "runAs"


def run_as_fragments(document: Document) -> Iterator[Fragment]:
    """The elements of the server's file that name another user than the pool's."""
    for fragment in document.fragments:
        wanted = fragment.content.node.attributes.get(RUN_AS, "") if fragment.section.path == CGI else ""
        if wanted and run_as(wanted) != POOLS_USER:
            yield fragment


def pools_with_script_users(snapshot: Snapshot, document: Document) -> tuple[Pool, ...]:
    """The snapshot's pools, those marked that serve an application which such an element concerns."""
    locations = [fragment.location for fragment in run_as_fragments(document)]
    concerned = set()
    for site in snapshot.sites:
        for application in site.applications:
            path = application_path(application)
            if any(is_above(one, path) or is_above(path, one) for one in locations):
                concerned.add(application.pool_name)
    return tuple(
        replace(pool, confinement=replace(pool.confinement, has_script_users=True)) if pool.name in concerned else pool
        for pool in snapshot.pools
    )
