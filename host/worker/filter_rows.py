"""What `isapy list filters` shows of the filters of a process: per site, in the order in which they are called."""

from __future__ import annotations

from collections.abc import Iterable

from host.wire.message_rows import FilterRow
from host.worker.hooks import FILTER_HOOKS
from host.worker.plan import ListedFilter, in_order
from host.worker.served_application import ServedApplication


def filter_rows(served: Iterable[ServedApplication]) -> list[FilterRow]:
    """One row for each site and filter that is listed for it: any of a site's applications tells all."""
    sites = {one.info.site_name: one for one in reversed(list(served)) if one.filters}
    return [
        _row(site_name, place, listed)
        for site_name, one in sorted(sites.items())
        for place, listed in enumerate(in_order(one.filters), start=1)
    ]


def _row(site_name: str, place: int, listed: ListedFilter) -> FilterRow:
    plugin, info = listed.plugin, listed.plugin.info
    takes_both = info.secure_port == info.nonsecure_port
    return FilterRow(
        site=site_name,
        place=place,
        name=plugin.name,
        description=info.description,
        scope="server" if listed.is_server_wide else "site",
        priority=info.priority.name,
        ports="all" if takes_both else "secure" if info.secure_port else "nonsecure",
        notifications=[name for name in FILTER_HOOKS if name in plugin.hooks],
        tolerates_cache=listed.is_cache_allowed or info.cache_aware,
        state=plugin.state,
        detail=plugin.detail,
    )
