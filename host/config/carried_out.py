"""Sections that a shipped filter carries out. In IIS the modules behind them are always there; in isapy the filter must
be listed in `isapiFilters`. Settings that no listed filter obeys are warned of, so that nobody trusts in them; and so
are handlers whose FastCGI program is not listed in `fastCgi`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from host.config.inheritance import Effective, starting_point
from host.config.problems import Problems
from host.config.schema import SECTIONS

_FILTERS: Final = "system.webServer/isapiFilters"
_HANDLERS: Final = "system.webServer/handlers"
_FASTCGI: Final = "system.webServer/fastCgi"

CARRIED_OUT_BY: Final = {
    ("system.webServer/security/requestFiltering", ""): "request_filtering",
    ("system.webServer/httpProtocol", "customHeaders"): "custom_headers",
    ("system.webServer/httpCompression", ""): "compression",
    ("system.webServer/urlCompression", ""): "compression",
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
    _check_fastcgi(sections, problems)


def _check_fastcgi(sections: Mapping[str, Effective], problems: Problems) -> None:
    """Warns of handlers that name a FastCGI program which `fastCgi` does not list: their requests get 500.0."""
    handlers = sections.get(_HANDLERS)
    if handlers is None:
        return
    fastcgi = sections.get(_FASTCGI) or starting_point(SECTIONS[_FASTCGI].element)
    known = {(one.effective.text("fullPath"), one.effective.text("arguments")) for one in fastcgi.entries}
    for handler in (entry.effective for entry in handlers.entries):
        path, _, arguments = handler.text("scriptProcessor").partition("|")
        names = [name.strip() for name in handler.text("modules").split(",")]
        is_program = bool(path) and not path.startswith(("unix:", "tcp:"))
        if handler.node is not None and is_program and "FastCgiModule" in names and (path, arguments) not in known:
            entry = f'<application fullPath="{path}"' + (f' arguments="{arguments}"' if arguments else "") + " />"
            message = f"{path} is no application of fastCgi, so nothing is started"
            remedy = f"add {entry} to fastCgi in applicationHost.config"
            problems.warnings.append(handler.node.error(message, remedy, attribute="scriptProcessor"))


def _filter_name(entry: Effective) -> str:
    path = entry.text("path")
    return os.path.basename(path).removesuffix(".py") if path else entry.text("name")
