"""IIS 6's worker process isolation mode: a listener without plugin code, a parent per pool, handlers in its workers."""

from __future__ import annotations

from host.config.listener_confinement import listener_confinement
from host.config.model import Application, IsolationMode, Snapshot
from host.isolation.placement import Placement, Slot, SlotRole


class WorkerProcessIsolation:
    """Every application runs in the workers of its pool; the front only listens."""

    mode = IsolationMode.WORKER_PROCESS
    front_runs_plugins = False
    allows_raw_data_filters = False
    has_pool_policies = True

    def slots(self, snapshot: Snapshot) -> tuple[Slot, ...]:
        """The listener, or several, then one parent per pool that an application names."""
        pools: dict[str, list[str]] = {pool.name: [] for pool in snapshot.pools}
        for site in snapshot.sites:
            for application in site.applications:
                pools.setdefault(application.pool_name, []).append(application.key)
        parents = [
            Slot(SlotRole.POOL, name, f"pool {name}", tuple(applications))
            for name, applications in pools.items()
            if applications
        ]
        listener = Slot(
            SlotRole.LISTENER,
            "listener",
            "listener",
            confinement=listener_confinement(snapshot),
            instances=snapshot.listener.processes,
        )
        return (listener, *parents)

    def place(self, application: Application, *, in_process_only: bool = False) -> Placement:
        """The pool; `in_process_only` changes nothing here, since every handler runs in the worker."""
        del in_process_only
        return Placement(application.pool_name, application.pool_name)
