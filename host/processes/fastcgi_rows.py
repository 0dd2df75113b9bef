"""The processes of FastCGI applications, as the workers that have them tell of them."""

from __future__ import annotations

from host.activation.topology import Topology
from host.admin.fastcgi_messages import FastCgiRow
from host.processes.executing import ask_all


async def fastcgi_rows(topology: Topology) -> list[FastCgiRow]:
    """Every one of every worker, by pool, worker and command; those that have answered most first."""
    rows = [
        FastCgiRow(pool=pool, worker=worker, **process.fields())
        for pool, worker, answer in await ask_all(topology)
        for process in answer.processes
    ]
    return sorted(rows, key=lambda row: (row.pool, row.worker, row.command, -row.requests_served, row.pid))
