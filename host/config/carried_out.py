"""Sections that a shipped filter carries out. In IIS the modules behind them are always there; in isapy the filter must
be listed in `isapiFilters`. Settings that no listed filter obeys are warned of, so that nobody trusts in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from host.config.inheritance import Effective, starting_point
from host.config.problems import Problems
from host.config.schema import SECTIONS

_FILTERS: Final = "system.webServer/isapiFilters"

CARRIED_OUT_BY: Final = {
    ("system.webServer/security/requestFiltering", ""): "request_filtering",
    ("system.webServer/httpProtocol", "customHeaders"): "custom_headers",
}
"""Section and child element (empty: the section itself) to the filter that obeys it."""


def check_carried_out(sections: Mapping[str, Effective], problems: Problems) -> None:
    """Warns of settings among `sections`, which are in force for one path, whose filter does not run there."""
    filters = sections.get(_FILTERS) or starting_point(SECTIONS[_FILTERS].element)
    running = {_filter_name(entry.effective) for entry in filters.entries if entry.effective.flag("enabled")}
    for (path, child), name in CARRIED_OUT_BY.items():
        written = sections.get(path)
        if written is not None and child:
            written = written.child(child)
        if written is not None and written.node is not None and name not in running:
            message = f"nothing obeys it here: the filter {name} is not listed"
            remedy = f'add <filter name="{name}" /> to isapiFilters'
            problems.warnings.append(written.node.error(message, remedy))


def _filter_name(entry: Effective) -> str:
    path = entry.text("path")
    return os.path.basename(path).removesuffix(".py") if path else entry.text("name")
