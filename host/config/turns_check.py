"""Several listeners, and workers that take fewer requests at once than there are listeners."""

from __future__ import annotations

from host.config.inheritance import Effective
from host.config.problems import Problems


def warn_of_few_turns(pools: Effective, listeners: int, problems: Problems) -> None:
    """One warning for each pool whose workers take fewer requests than there are listeners, each of which may hand one
    to a worker: some wait there, even if another worker of a web garden could take them.

    `pools` is `system.applicationHost/applicationPools`.
    """
    for entry in pools.entries:
        model = entry.effective.child("processModel")
        node = model.node_of("maxConcurrentRequests") or entry.effective.node
        turns = model.number("maxConcurrentRequests")
        if turns < listeners and node is not None:
            requests = "1 request" if turns == 1 else f"{turns} requests"
            message = (
                f"a worker takes {requests} at a time, and each of {listeners} listeners may hand one to it: "
                "some wait in it, also when another worker is free"
            )
            remedy = f"set maxConcurrentRequests to {listeners} or more, or listener/@processes to {turns}"
            problems.warnings.append(node.error(message, remedy, attribute="maxConcurrentRequests"))
