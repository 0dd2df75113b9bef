"""An application as a worker serves it: its configuration, its compiled plans, and where its handlers run."""

from __future__ import annotations

import asyncio

from host.api import ApplicationInfo, HttpError
from host.config.model import Application, PathSettings, Pool
from host.worker.plan import EMPTY_PLAN, ListedFilter, Plan


class ServedApplication:
    """One of the worker's applications. The plans follow the settings of its root; `Engine` keeps them current."""

    __slots__ = (
        "awaits_first_request",
        "compiled_from",
        "filters",
        "forward_slot",
        "in_hand",
        "info",
        "is_classic",
        "is_started",
        "model",
        "plan",
        "plan_checked_at",
        "plan_settings",
        "request_limit",
        "runtime_version",
        "secure_plan",
        "start",
    )

    def __init__(self, model: Application, pool: Pool, *, forward_slot: str = "", is_confined: bool = False) -> None:
        """`is_confined`: the process is what its pool's confinement says."""
        self.model = model
        self.info = ApplicationInfo(
            site_id=model.site_id,
            site_name=model.site_name,
            path=model.path,
            physical_path=model.physical_path,
            pool_name=model.pool_name,
            environment=dict(pool.environment_variables),
            pipeline_mode=pool.managed_pipeline_mode,
            is_sandboxed=is_confined and pool.confinement.sandbox.mode == "Enforce",
        )
        self.forward_slot = forward_slot  # the dllhost that runs its handlers; empty: they run here
        self.is_classic = pool.managed_pipeline_mode == "Classic"
        self.runtime_version = pool.managed_runtime_version
        self.is_started = False  # its first request has come, and application_start has been called
        self.start = asyncio.Lock()  # held while it starts
        self.awaits_first_request = False  # its initializationPages are requested with its first request
        self.in_hand = 0
        self.request_limit = 4294967295  # serverRuntime/@appConcurrentRequestLimit
        self.filters: list[ListedFilter] = []  # as the configuration lists them
        self.plan: Plan = EMPTY_PLAN
        self.secure_plan: Plan = EMPTY_PLAN
        self.compiled_from: object = None  # the plugins that the plans call, and how; None: the plans refuse
        self.plan_settings: PathSettings | None = None  # what the plans were compiled from
        self.plan_checked_at = float("-inf")

    def too_many(self) -> HttpError:
        """What a request above the limit is refused with."""
        return HttpError(
            503,
            2,
            f"{self.request_limit} requests of this application are under way",
            remedy='Raise <serverRuntime appConcurrentRequestLimit="..." /> or find out what holds them.',
        )
