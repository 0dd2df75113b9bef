"""Sections of classic mode beside an integrated pool: `isapy check` says which requests will get 500.22 or 500.23."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from host.config.inheritance import Effective
from host.config.model import Application, IsolationMode, Snapshot
from host.config.names import is_managed_type
from host.config.problems import Problems

SUBSTATUS_OF: Final = {"system.web/httpModules": 22, "system.web/httpHandlers": 23}
"""Section to the substatus of the 500 that integrated mode answers beside it (IIS: ConfigurationValidationModule)."""


def check_pipeline_mode(
    sections: Mapping[str, Effective], application: Application, snapshot: Snapshot, problems: Problems
) -> None:
    """Warns of `sections`, in force for one path of `application`, that its pool's pipeline mode refuses or ignores."""
    pools = {pool.name: pool for pool in snapshot.pools}
    pool = pools.get(application.pool_name)
    if pool is None or pool.managed_pipeline_mode == "Classic" or snapshot.isolation_mode is IsolationMode.IIS5:
        return
    validation = sections.get("system.webServer/validation")
    validates = validation is None or validation.flag("validateIntegratedModeConfiguration")
    for path, substatus in SUBSTATUS_OF.items():
        section = sections.get(path)
        if section is None or not any(is_managed_type(entry.effective.text("type")) for entry in section.entries):
            continue
        name = path.rpartition("/")[2]
        moved = "modules" if name == "httpModules" else "handlers"
        consequence = f"requests are refused with 500.{substatus}" if validates else "it is ignored"
        message = f"pool {pool.name} is in integrated mode, where {name} is not obeyed: {consequence}"
        remedy = f'move the entries to system.webServer/{moved}, or set managedPipelineMode="Classic"'
        for entry in section.entries[:1]:
            if entry.effective.node is not None:
                problems.warnings.append(entry.effective.node.error(message, remedy))
