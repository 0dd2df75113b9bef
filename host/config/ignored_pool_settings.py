"""Settings of pools and of the listener that are written in the file and that IIS 5 isolation mode ignores, as IIS's
own did (IIS 6.0's feature matrix: no recycling, health, rapid-fail protection, web gardens, limits or identities)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from host.config.inheritance import Effective
from host.config.problems import Problems

_HONOURED: Final = frozenset({"name", "managedPipelineMode", "enableConfigurationOverride", "environmentVariables"})
"""What an application is told of its pool in either mode; environmentVariables reach its CGI programs."""

_HONOURED_OF_FAILURE: Final = frozenset({"replayIdempotentRequests"})


def warn_of_ignored_pool_settings(pools: Effective, problems: Problems) -> None:
    """One warning for each pool (and for applicationPoolDefaults) that sets what IIS 5 isolation mode ignores.

    `pools` is `system.applicationHost/applicationPools`.
    """
    for pool in [pools.child("applicationPoolDefaults"), *(entry.effective for entry in pools.entries)]:
        ignored = sorted(_ignored(pool))
        if ignored and pool.node is not None:
            message = f"IIS 5 isolation mode has no application pools; it ignores {', '.join(ignored)}"
            remedy = 'these settings count with <isolation mode="WorkerProcess" />'
            problems.warnings.append(pool.node.error(message, remedy))


def warn_of_ignored_listener_settings(listener: Effective, problems: Problems) -> None:
    """`listener/@userName` and `@processes`: inetinfo runs plugins, as the user that has started isapy, and is one."""
    ignored = {"userName": bool(listener.text("userName")), "processes": listener.number("processes") > 1}
    for name, is_set in ignored.items():
        node = listener.node_of(name)
        if node is not None and is_set:
            message = f"IIS 5 isolation mode has no listener of its own; it ignores {name}"
            remedy = 'it counts with <isolation mode="WorkerProcess" />'
            problems.warnings.append(node.error(message, remedy, attribute=name))


def _ignored(pool: Effective) -> Iterator[str]:
    yield from (name for name in pool.values if name not in _HONOURED)
    for name, child in pool.children.items():
        if name in _HONOURED or child.node is None:
            continue
        if name == "failure":
            yield from (f"failure/@{attribute}" for attribute in child.values if attribute not in _HONOURED_OF_FAILURE)
        else:
            yield name
