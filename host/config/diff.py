"""Two snapshots compared: which pools and sites a change touches, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Final

from host.config.model import Binding, Pool, Site, Snapshot

WITHOUT_RECYCLING: Final = frozenset(
    {
        # the listener obeys them at once
        "queue_length",
        "load_balancer_capabilities",
        "replay_idempotent_requests",
        # the service obeys them at once, or at its next start (auto_start)
        "auto_start",
        "start_mode",
        "rapid_fail_protection",
        "rapid_fail_interval_seconds",
        "rapid_fail_max_crashes",
        "auto_shutdown_exe",
        "auto_shutdown_params",
        "action_time_limit_seconds",
        "disallow_overlapping_rotation",
        "disallow_rotation_on_config_change",
        "log_event_on_recycle",
        "log_event_on_process_model",
    }
)
"""Fields of Pool that no worker knows of. A change of any other one replaces the workers, as in IIS: restart limits,
idle time-out, pings, time limits, orphan action, processor limits, identity."""

WRITTEN: Final = {
    "managed_pipeline_mode": "@managedPipelineMode",
    "managed_runtime_version": "@managedRuntimeVersion",
    "enable_configuration_override": "@enableConfigurationOverride",
    "preload_applications": "@preloadApplications",
    "idle_timeout_seconds": "processModel/@idleTimeout",
    "idle_timeout_action": "processModel/@idleTimeoutAction",
    "max_processes": "processModel/@maxProcesses",
    "max_concurrent_requests": "processModel/@maxConcurrentRequests",
    "request_time_limit_seconds": "processModel/@requestTimeLimit",
    "shutdown_time_limit_seconds": "processModel/@shutdownTimeLimit",
    "startup_time_limit_seconds": "processModel/@startupTimeLimit",
    "pinging_enabled": "processModel/@pingingEnabled",
    "ping_interval_seconds": "processModel/@pingInterval",
    "ping_response_time_seconds": "processModel/@pingResponseTime",
    "periodic_restart_seconds": "periodicRestart/@time",
    "periodic_restart_requests": "periodicRestart/@requests",
    "periodic_restart_memory_kilobytes": "periodicRestart/@memory",
    "periodic_restart_private_memory_kilobytes": "periodicRestart/@privateMemory",
    "periodic_restart_schedule": "periodicRestart/schedule",
    "orphan_worker_process": "failure/@orphanWorkerProcess",
    "orphan_action_exe": "failure/@orphanActionExe",
    "orphan_action_params": "failure/@orphanActionParams",
    "environment_variables": "environmentVariables",
    "confinement": "identity, privileges or sandbox",
    "cpu": "cpu",
}
"""The other fields of Pool, as the one who has changed them has written them."""


def until_recycled(started_with: Pool, now: Pool) -> Pool:
    """The settings of a worker that stays while its pool's have become `now`: what it was started with, and what no
    worker knows of as it is now. So disallowRotationOnConfigChange keeps a new limit from ending it."""
    return replace(started_with, **{name: getattr(now, name) for name in WITHOUT_RECYCLING})


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolDifference:
    """How a pool that exists before and after has changed. `settings` are the names of Pool fields (processes,
    recycling, health, identity); `content` says that a site, application, virtual directory or a system.webServer
    section that its applications see is another one."""

    settings: tuple[str, ...] = ()
    content: bool = False

    @property
    def needs_recycling(self) -> bool:
        """Whether the workers must be replaced."""
        return self.content or not WITHOUT_RECYCLING.issuperset(self.settings)

    @property
    def reason(self) -> str:
        """One sentence for the event log: what the workers are replaced for."""
        changed = [WRITTEN.get(name, name) for name in self.settings if name not in WITHOUT_RECYCLING]
        if self.content:
            changed.append("what its applications see")
        return f"the configuration changed: {', '.join(changed)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """From one snapshot to the next. False when nothing that matters changed. Endpoints are listening sockets."""

    isolation_changed: bool = False
    pools_added: tuple[str, ...] = ()
    pools_removed: tuple[str, ...] = ()
    pools_changed: Mapping[str, PoolDifference] = field(default_factory=dict)
    sites_added: tuple[int, ...] = ()
    sites_removed: tuple[int, ...] = ()
    sites_changed: tuple[int, ...] = ()
    endpoints_added: tuple[str, ...] = ()
    endpoints_removed: tuple[str, ...] = ()
    server_changed: bool = False  # limits of the listener, folders of logs and plugins

    def __bool__(self) -> bool:
        return any(bool(getattr(self, part.name)) for part in fields(self))

    @property
    def touched_pools(self) -> Mapping[str, str]:
        """Pools whose workers must be replaced, with the reason for the event log."""
        return {name: change.reason for name, change in self.pools_changed.items() if change.needs_recycling}


def difference(old: Snapshot, new: Snapshot) -> Difference:
    """What a process that has `old` in force must change for `new`."""
    before, after = {pool.name: pool for pool in old.pools}, {pool.name: pool for pool in new.pools}
    old_sites, new_sites = {site.id: site for site in old.sites}, {site.id: site for site in new.sites}
    old_endpoints, new_endpoints = _endpoints(old.sites), _endpoints(new.sites)
    changed = {name: _pool_difference(before[name], after[name], old, new) for name in after.keys() & before.keys()}
    return Difference(
        isolation_changed=old.isolation_mode is not new.isolation_mode,
        pools_added=tuple(sorted(after.keys() - before.keys())),
        pools_removed=tuple(sorted(before.keys() - after.keys())),
        pools_changed={name: change for name, change in sorted(changed.items()) if change.settings or change.content},
        sites_added=tuple(sorted(new_sites.keys() - old_sites.keys())),
        sites_removed=tuple(sorted(old_sites.keys() - new_sites.keys())),
        sites_changed=tuple(sorted(i for i in new_sites.keys() & old_sites.keys() if new_sites[i] != old_sites[i])),
        endpoints_added=tuple(sorted(new_endpoints - old_endpoints)),
        endpoints_removed=tuple(sorted(old_endpoints - new_endpoints)),
        server_changed=_server_part(old) != _server_part(new),
    )


def _pool_difference(before: Pool, after: Pool, old: Snapshot, new: Snapshot) -> PoolDifference:
    name = after.name
    content = old.pool_fingerprints.get(name, "") != new.pool_fingerprints.get(name, "")
    folders_moved = _plugin_folders(old) != _plugin_folders(new)
    return PoolDifference(
        settings=tuple(part.name for part in fields(Pool) if getattr(before, part.name) != getattr(after, part.name)),
        content=content or folders_moved,
    )


def _endpoints(sites: tuple[Site, ...]) -> set[str]:
    bindings: list[Binding] = [binding for site in sites if site.auto_start for binding in site.bindings]
    return {binding.endpoint for binding in bindings}


def _plugin_folders(snapshot: Snapshot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (snapshot.extension_folders, snapshot.filter_folders)


def _server_part(snapshot: Snapshot) -> tuple[object, ...]:
    settings = (snapshot.web_limits, snapshot.listener, snapshot.max_concurrent_requests)
    return (*settings, snapshot.log_directory, snapshot.path, *_plugin_folders(snapshot))
