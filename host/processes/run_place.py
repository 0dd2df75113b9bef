"""Where a pool's parent makes the temporary folders of single runs (`cgi/@privateTemp`)."""

from __future__ import annotations

from collections.abc import Sequence

from host.config.store import ServerConfiguration
from host.confinement.confine import Confined
from host.confinement.landlock import restrict_files
from host.confinement.rules import sandbox_rules
from host.spawner.run_folders import RunPlace


def run_place(
    configuration: ServerConfiguration, pool_name: str, applications: Sequence[str], confined: Confined | None
) -> RunPlace:
    """Below the pool's own temporary folder; a sandboxed program has its own folder and not that."""
    assert confined is not None
    sandbox = configuration.snapshot.pool(pool_name).confinement.sandbox
    if sandbox.mode != "Enforce":
        return RunPlace(confined.temporary_folder)

    def restrict(own: str) -> None:
        restrict_files(sandbox_rules(configuration, applications, sandbox, own))

    return RunPlace(confined.temporary_folder, restrict)
