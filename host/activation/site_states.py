"""The run-time state of every site of the configuration: which sites have their bindings, and why others have not.

Pure: it decides, `host/processes/site_control.py` opens sockets and tells the front.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from host.activation.site_transitions import TRANSITIONS, SiteCommand, SiteEvent, SiteState
from host.config.model import Binding, Site

NOT_AUTOMATIC: Final = "serverAutoStart is false"
BY_HAND: Final = "stopped by the administrator"


@dataclass(slots=True)
class SiteStatus:
    """One site as it is now; `reason` says why it is stopped."""

    site: Site
    state: SiteState = SiteState.STOPPED
    reason: str = ""

    @property
    def is_bound(self) -> bool:
        """Whether its bindings are its own."""
        return self.state in (SiteState.STARTING, SiteState.STARTED)


class SiteStates:
    """Sites by id, in the order of the configuration."""

    def __init__(self, statuses: Mapping[int, SiteStatus] | None = None) -> None:
        self._statuses: dict[int, SiteStatus] = dict(statuses or {})

    @property
    def statuses(self) -> tuple[SiteStatus, ...]:
        """Every site."""
        return tuple(self._statuses.values())

    @property
    def bound_sites(self) -> tuple[Site, ...]:
        """The sites whose bindings count: Starting and Started."""
        return tuple(status.site for status in self._statuses.values() if status.is_bound)

    def status(self, site_id: int) -> SiteStatus:
        """The site of that id. Raises KeyError."""
        return self._statuses[site_id]

    def step(self, site_id: int, event: SiteEvent, reason: str = "") -> tuple[SiteCommand, ...]:
        """Ask the table; the caller carries the commands out. `reason`: why the site is not started from now on."""
        status = self._statuses[site_id]
        before = status.state
        status.state, commands = TRANSITIONS[before, event]
        if status.is_bound:
            status.reason = ""
        elif status.state is not before and reason:
            status.reason = reason
        return commands

    def conflict(self, site: Site) -> str:
        """Why the site cannot have its bindings: another one has one of them; empty when none has."""
        claims = {binding.claim: binding for binding in site.bindings}
        for status in self._statuses.values():
            if status.site.id == site.id or not status.is_bound:
                continue
            for binding in status.site.bindings:
                if binding.claim in claims:
                    taken = shown(claims[binding.claim])
                    return f"site {status.site.name}, which is started, has the binding {taken} already"
        return ""

    def follow(self, sites: Iterable[Site]) -> tuple[SiteStates, list[tuple[Site, str]]]:
        """The states under another configuration, and the sites that cannot start (or stay started) with the reason.

        What runs goes on running and what was stopped stays stopped, whatever serverAutoStart says now; it decides for
        sites that are new here. Bindings that a started site has had before go first, then those that it gets, then
        those of new sites; among equals the order of the file decides, as it does at the start of the service.
        """
        sites = tuple(sites)
        new = SiteStates({site.id: SiteStatus(site) for site in sites})
        refused: list[tuple[Site, str]] = []
        for site in sorted(sites, key=self._rank):
            status, before = new.status(site.id), self._statuses.get(site.id)
            if before is None and not site.auto_start:
                status.reason = NOT_AUTOMATIC
            elif before is not None and not before.is_bound:
                status.state, status.reason = before.state, before.reason
            else:
                conflict = new.conflict(site)
                if before is None:
                    new.step(site.id, SiteEvent.START)
                else:
                    status.state = before.state
                if conflict:
                    new.step(site.id, SiteEvent.REFUSED, conflict)
                    refused.append((site, conflict))
        return new, refused

    def _rank(self, site: Site) -> int:
        before = self._statuses.get(site.id)
        if before is None or not before.is_bound:
            return 2
        return 0 if _claims(site) <= _claims(before.site) else 1


def shown(binding: Binding) -> str:
    """A binding as IIS shows it: `http/*:8080:www.example.org`."""
    return f"{binding.protocol}/{binding.endpoint}:{binding.host}"


def _claims(site: Site) -> set[tuple[str, int, str]]:
    return {binding.claim for binding in site.bindings}
