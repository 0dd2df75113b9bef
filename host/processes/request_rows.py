"""The requests under way: what the front knows of each, and what the process that has it says it is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from host.activation.topology import Topology
from host.admin import commands
from host.processes.executing import ask_all
from host.wire.message_rows import ExecutingRow, RequestRow

MOST_REQUESTS: Final = 5000
"""Rows that fit into one answer to an administrator, however long their URLs are."""


async def request_rows(topology: Topology) -> list[commands.RequestRow]:
    """Every request under way, the longest first. Raises TimeoutError when the front does not answer."""
    rows = await topology.front.requests()
    executing = await _executing(topology) if any(row.worker for row in rows) else {}
    names = {site.id: site.name for site in topology.snapshot.sites}
    found = [_row(row, names.get(row.site_id, ""), *executing.get(row.request_id, ("", None))) for row in rows]
    return sorted(found, key=lambda row: -row.time_elapsed)


async def _executing(topology: Topology) -> Mapping[str, tuple[str, ExecutingRow]]:
    """By request id: the process that works on it, and what it does. Processes that do not answer in time are missing.

    In IIS 5 isolation mode inetinfo has every request, and the dllhost that a handler runs in says more.
    """
    found: dict[str, tuple[str, ExecutingRow]] = {}
    for _, process, answer in await ask_all(topology):
        found.update({row.request_id: (process, row) for row in answer.rows})
    return found


def _row(row: RequestRow, site_name: str, process: str, doing: ExecutingRow | None) -> commands.RequestRow:
    """One row. A request that no process told of is where the front says it is."""
    if doing is None or not row.worker:
        doing = ExecutingRow(
            link_number=0,
            request_id=row.request_id,
            pipeline_state=row.pipeline_state,
            time_in_state=0 if row.worker else row.time_elapsed,
        )
    return commands.RequestRow(
        request_id=row.request_id,
        connection_id=row.connection_id,
        verb=row.verb,
        url=row.url,
        site_id=row.site_id,
        site_name=site_name,
        host_name=row.host_name,
        client_ip_address=row.client_ip_address,
        local_ip_address=row.local_ip_address,
        local_port=row.local_port,
        time_elapsed=max(row.time_elapsed, doing.time_in_state, doing.time_in_module),  # the process was asked later
        pipeline_state=doing.pipeline_state,
        time_in_state=doing.time_in_state,
        current_module=doing.current_module,
        time_in_module=doing.time_in_module,
        worker=process if process and row.worker else row.worker,
        queue=row.queue,
    )
