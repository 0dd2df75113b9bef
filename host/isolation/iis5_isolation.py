"""IIS 5.0 isolation mode: inetinfo with listener, filters and Low applications; dllhosts for the rest."""

from __future__ import annotations

from typing import Final

from host.config.model import Application, ApplicationIsolation, IsolationMode, Snapshot
from host.isolation.placement import FRONT_QUEUE, Placement, Slot, SlotRole

POOLED_SLOT: Final = "dllhost pooled"


class Iis5Isolation:
    """One queue read by inetinfo; Medium applications share a dllhost, each High application has its own."""

    mode = IsolationMode.IIS5
    front_runs_plugins = True
    allows_raw_data_filters = True
    has_pool_policies = False

    def slots(self, snapshot: Snapshot) -> tuple[Slot, ...]:
        """inetinfo with every application (static files and CGI of all of them run there), then the dllhosts."""
        everything: list[str] = []
        placed: dict[str, list[str]] = {}
        for site in snapshot.sites:
            for application in site.applications:
                everything.append(application.key)
                placed.setdefault(self.place(application).handler_slot, []).append(application.key)
        dllhosts = [
            Slot(SlotRole.DLLHOST, name, name, tuple(keys), is_started_on_demand=True)
            for name, keys in placed.items()
            if name != FRONT_QUEUE
        ]
        return (Slot(SlotRole.INETINFO, FRONT_QUEUE, "inetinfo", tuple(everything)), *dllhosts)

    def place(self, application: Application, *, in_process_only: bool = False) -> Placement:
        """Low and in-process-only handlers stay in inetinfo (IIS: static files, CGI, server-side includes)."""
        if in_process_only or application.isolation is ApplicationIsolation.LOW:
            return Placement(FRONT_QUEUE, FRONT_QUEUE)
        if application.isolation is ApplicationIsolation.MEDIUM:
            return Placement(FRONT_QUEUE, POOLED_SLOT)
        return Placement(FRONT_QUEUE, f"dllhost {application.metabase_path}")
