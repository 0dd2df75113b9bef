"""Starts and stops sites on the running service: their bindings, the listening sockets, what the front routes.

Decisions are `host/activation/site_states.py`'s; here they are carried out. A change of the configuration is planned
first (nothing is changed when a socket cannot be opened), then put in force.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from host.activation.children import EventReporter
from host.activation.front_group import Sockets
from host.activation.site_states import BY_HAND, SiteStates, SiteStatus, shown
from host.activation.site_transitions import SiteCommand, SiteEvent, SiteState
from host.activation.supervisor import Supervisor
from host.config.model import Site
from host.processes.listening_sockets import BindingError, ListeningSockets


class SiteRefused(Exception):
    """The site cannot be started; the text says why, `remedy` what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class SitePlan:
    """What a configuration would make of the sites; nothing is in force yet."""

    def __init__(self, states: SiteStates, refused: list[tuple[Site, str]], sockets: Sockets) -> None:
        self.states = states
        self.refused = refused
        self.sockets = sockets


class SiteControl:
    """One for the service. `changes` is held while the configuration or a site's state changes."""

    def __init__(
        self,
        sockets: ListeningSockets,
        changes: asyncio.Lock,
        supervisor: Supervisor,
        report: EventReporter,
    ) -> None:
        self.states = SiteStates()
        self._sockets = sockets
        self._changes = changes
        self._supervisor = supervisor
        self._report = report

    @property
    def started_ids(self) -> list[int]:
        """The sites whose bindings count."""
        return [site.id for site in self.states.bound_sites]

    @property
    def run_time_states(self) -> dict[int, str]:
        """Sites by id: empty for those that are started, else the reason why they are not."""
        return {each.site.id: "" if each.is_bound else each.reason or BY_HAND for each in self.states.statuses}

    def restore(self, sites: Iterable[Site], run_time_states: Mapping[int, str]) -> None:
        """Begin where another service has left off, before the first plan."""
        known = [(site, run_time_states[site.id]) for site in sites if site.id in run_time_states]
        self.states = SiteStates(
            {
                site.id: SiteStatus(site, SiteState.STOPPED if reason else SiteState.STARTED, reason)
                for site, reason in known
            }
        )

    def plan(self, sites: Iterable[Site]) -> SitePlan:
        """What becomes of the sites under this configuration; the sockets it needs are opened beside those there are.

        Raises BindingError and changes nothing."""
        states, refused = self.states.follow(sites)
        return SitePlan(states, refused, self._sockets.open_for(states.bound_sites))

    def put_in_force(self, plan: SitePlan) -> None:
        """From now on `started_ids` are the plan's; the front is told with its configuration."""
        self.states = plan.states

    def take_back(self, states: SiteStates) -> None:
        """The plan was put in force in vain: the sites are as they were, and the sockets opened for it are closed."""
        self.states = states
        self._sockets.close_others(self._sockets.open_for(states.bound_sites))  # those that are open

    async def confirm(self, plan: SitePlan) -> None:
        """The front routes by the plan: new sites are started, sockets that nobody needs any more are closed."""
        for status in self.states.statuses:
            if status.state is SiteState.STARTING:
                self._carry_out(status, self.states.step(status.site.id, SiteEvent.BOUND))
        for site, why in plan.refused:
            self._report_refused(site, why)
        self._sockets.close_others(plan.sockets)
        await self._spread_sockets()

    async def _spread_sockets(self) -> None:
        """Give each of several listeners sockets of its own, now that all of them run: until then they share."""
        has_more, problems = self._sockets.spread(self._supervisor.front_count)
        for problem in problems:
            self._report("binding-shared", problem, {})
        if has_more:
            await self._supervisor.set_sites(self.started_ids, self._sockets.by_endpoint)

    def find(self, name: str) -> SiteStatus | None:
        """The site of that name (without regard to case), or of that id."""
        statuses = self.states.statuses
        named = [status for status in statuses if status.site.name.lower() == name.lower()]
        return next(iter(named or [status for status in statuses if str(status.site.id) == name]), None)

    async def start(self, name: str) -> str:
        """Start a site; says what is so now. Raises KeyError without such a site, SiteRefused."""
        async with self._changes:
            status = self._known(name)
            was_started = status.is_bound
            if SiteCommand.BIND in self.states.step(status.site.id, SiteEvent.START):
                await self._bind(status)
            bindings = ", ".join(map(shown, status.site.bindings)) or "no binding"
            return f"site {status.site.name} is started {'already ' if was_started else ''}({bindings})"

    async def stop(self, name: str) -> str:
        """Stop a site; says what is so now. Raises KeyError without such a site."""
        async with self._changes:
            status = self._known(name)
            commands = self.states.step(status.site.id, SiteEvent.STOP, BY_HAND)
            if SiteCommand.RELEASE not in commands:
                return f"site {status.site.name} is stopped already ({status.reason})"
            sockets = self._sockets.open_for(self.states.bound_sites)  # those that are open
            await self._supervisor.set_sites(self.started_ids, sockets)
            self._sockets.close_others(sockets)
            self._carry_out(status, self.states.step(status.site.id, SiteEvent.RELEASED))
            return f"site {status.site.name} is stopped: its bindings are withdrawn, requests in hand are finished"

    def _known(self, name: str) -> SiteStatus:
        status = self.find(name)
        if status is None:
            raise KeyError(name)
        return status

    async def _bind(self, status: SiteStatus) -> None:
        site = status.site
        why, remedy = self.states.conflict(site), "stop the other site first, or give one of them another binding"
        sockets: Sockets = {}
        if not why:
            try:
                sockets = self._sockets.open_for(self.states.bound_sites)
            except BindingError as error:
                why, remedy = str(error), "isapy list sites shows every binding"
        if why:
            self._carry_out(status, self.states.step(site.id, SiteEvent.REFUSED, why))
            raise SiteRefused(f"site {site.name} cannot start: {why}", remedy)
        await self._supervisor.set_sites(self.started_ids, sockets)
        await self._spread_sockets()
        self._carry_out(status, self.states.step(site.id, SiteEvent.BOUND))

    def _carry_out(self, status: SiteStatus, commands: Iterable[SiteCommand]) -> None:
        site = status.site
        fields = {"site": site.name, "id": str(site.id)}
        for command in commands:
            if command is SiteCommand.REPORT_STARTED:
                bindings = ", ".join(map(shown, site.bindings)) or "no binding"
                self._report("site-started", f"site {site.name} takes requests ({bindings})", fields)
            elif command is SiteCommand.REPORT_STOPPED:
                self._report("site-stopped", f"site {site.name} takes no requests: {status.reason}", fields)
            elif command is SiteCommand.REPORT_REFUSED:
                self._report_refused(site, status.reason)

    def _report_refused(self, site: Site, why: str) -> None:
        fields = {"site": site.name, "id": str(site.id)}
        text = f"site {site.name} is stopped: {why}; `isapy start site {site.name}` starts it when that has changed"
        self._report("site-not-started", text, fields)
