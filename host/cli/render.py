"""Replies of the service as tables for people or as JSON for programs (keys are the rows' field names, and stable)."""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from host.admin.cache_messages import Cache
from host.admin.commands import Plugins, Pools, Reply, Requests, Sites, Status, Workers, as_plain_data
from host.admin.fastcgi_messages import FastCgi
from host.admin.filter_messages import Filters
from host.admin.script_messages import Scripts
from host.cli.table import Column, fitted, safe

PIPE_WIDTH: Final = 10_000
"""Columns of a table that goes into a pipe or a file: nothing is cut there."""


def span(seconds: float) -> str:
    """A length of time in its two largest units: `3 h 05 min`, `42 s`."""
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02} h"


def _megabytes(kilobytes: int) -> str:
    return f"{kilobytes / 1024:.1f} MB"


def _last_recycle(row: Any) -> str:
    if row.last_recycle_seconds is None:
        return "-"
    return f"{span(row.last_recycle_seconds)} ago: {row.last_recycle}"


def _for(name: str, milliseconds: int) -> str:
    """`ExecuteRequestHandler, 12 ms`; a span of no length is not worth a word."""
    return f"{name or '-'}, {milliseconds} ms" if name and milliseconds else name or "-"


def _short(milliseconds: float) -> str:
    """`0.8 ms`, `120 ms`, `3.1 s`."""
    if milliseconds >= 1000:
        return f"{milliseconds / 1000:.1f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"


def _last_error(row: Any) -> str:
    if row.last_error_seconds is None:
        return "-"
    return f"{span(row.last_error_seconds)} ago, request {row.last_error_request}: {row.last_error}"


def _good_for(row: Any) -> str:
    if row.expires_in < 0:
        return "stale"
    return span(row.expires_in) if row.expires_in else "until it changes"


def _known(number: int | None) -> object:
    return "-" if number is None else number


_TABLES: Final[dict[type[Any], tuple[Column, ...]]] = {
    Sites: (
        Column("ID", lambda row: row.id, True),
        Column("NAME", lambda row: row.name),
        Column("STATE", lambda row: f"{row.state} ({row.reason})" if row.reason else row.state),
        Column("BINDINGS", lambda row: ", ".join(row.bindings), folds=True),
        Column(
            "APPLICATIONS", lambda row: ", ".join(f"{each.path} ({each.pool})" for each in row.applications), folds=True
        ),
    ),
    Pools: (
        Column("NAME", lambda row: row.name),
        Column("STATE", lambda row: f"{row.state} ({row.reason})" if row.reason else row.state),
        Column("WORKERS", lambda row: f"{row.workers}/{row.max_processes}", True),
        Column("QUEUED", lambda row: f"{row.requests_queued}/{row.queue_length}", True),
        Column("FAILURES", lambda row: row.failures, True),
        Column("START", lambda row: row.start_mode, left_out=2),
        Column("PIPELINE", lambda row: row.pipeline_mode, left_out=1),
        Column("LAST RECYCLE", _last_recycle, folds=True, left_out=3),
    ),
    Workers: (
        Column("PID", lambda row: row.process_id, True),
        Column("NAME", lambda row: row.name),
        Column("STATE", lambda row: row.state),
        Column("SERVED", lambda row: _known(row.requests_served), True),
        Column("IN HAND", lambda row: _known(row.requests_in_hand), True),
        Column("AGE", lambda row: span(row.age_seconds), True),
        Column("IDLE", lambda row: "-" if row.idle_seconds is None else span(row.idle_seconds), True, left_out=2),
        Column("PRIVATE", lambda row: _megabytes(row.private_kilobytes), True),
        Column("ADDRESSES", lambda row: _megabytes(row.address_space_kilobytes), True, left_out=1),
        Column("CPU", lambda row: f"{row.processor_seconds:.1f} s", True, left_out=4),
        Column("LAST RECYCLE", _last_recycle, folds=True, left_out=3),
    ),
    Requests: (
        Column("ELAPSED", lambda row: f"{row.time_elapsed} ms", True),
        Column("VERB", lambda row: row.verb),
        Column("URL", lambda row: row.url, folds=True),
        Column("SITE", lambda row: row.site_name or row.site_id, left_out=2),
        Column("CLIENT", lambda row: row.client_ip_address, left_out=1),
        Column("STATE", lambda row: _for(row.pipeline_state, row.time_in_state), folds=True, left_out=4),
        Column("MODULE", lambda row: _for(row.current_module, row.time_in_module), folds=True),
        Column("WORKER", lambda row: row.worker or f"(queue {row.queue})"),
        Column("ID", lambda row: row.request_id, left_out=3),
    ),
    Plugins: (
        Column("NAME", lambda row: row.name),
        Column("FAMILY", lambda row: row.family, left_out=1),
        Column("STATE", lambda row: row.state),
        Column("POOL", lambda row: row.pool, left_out=2),
        Column("FILE", lambda row: row.path, folds=True),
        Column("DETAIL", lambda row: row.detail.strip().rpartition("\n")[2], folds=True),
    ),
    Filters: (
        Column("SITE", lambda row: row.site),
        Column("ORDER", lambda row: row.place, True),
        Column("NAME", lambda row: row.name),
        Column("SCOPE", lambda row: row.scope, left_out=2),
        Column("PRIORITY", lambda row: row.priority.lower(), left_out=4),
        Column("PORTS", lambda row: row.ports, left_out=1),
        Column("CACHE", lambda row: "tolerates" if row.tolerates_cache else "forbids", left_out=5),
        Column("STATE", lambda row: row.state),
        Column("POOL", lambda row: row.pool, left_out=3),
        Column(
            "NOTIFICATIONS", lambda row: " ".join(name.removeprefix("on_") for name in row.notifications), folds=True
        ),
    ),
    Scripts: (
        Column("SCRIPT", lambda row: row.script, folds=True),
        Column("POOL", lambda row: row.pool, left_out=1),
        Column("RUNS", lambda row: row.runs, True),
        Column("WARM", lambda row: row.warm_runs, True, left_out=2),
        Column("P50", lambda row: _short(row.p50), True),
        Column("P95", lambda row: _short(row.p95), True),
        Column("P99", lambda row: _short(row.p99), True, left_out=3),
        Column("EXITS", lambda row: " ".join(f"{how}:{count}" for how, count in sorted(row.exits.items())), folds=True),
        Column("ERRORS", lambda row: row.errors, True),
        Column("LAST ERROR", _last_error, folds=True),
    ),
    FastCgi: (
        Column("PID", lambda row: row.pid or "-", True),
        Column("WORKER", lambda row: row.worker),
        Column("STATE", lambda row: row.state),
        Column("SERVED", lambda row: row.requests_served, True),
        Column("IN HAND", lambda row: row.requests_in_hand, True),
        Column("AGE", lambda row: span(row.age_seconds) if row.state != "none" else "-", True),
        Column("IDLE", lambda row: span(row.idle_seconds) if row.state == "idle" else "-", True, left_out=2),
        Column("ENDED", lambda row: row.restarts, True, left_out=3),
        Column("FAILED", lambda row: row.failures, True),
        Column("WAITING", lambda row: f"{row.waiting}/{row.queue_length}", True),
        Column("MOST", lambda row: row.most_processes, True, left_out=1),
        Column("COMMAND", lambda row: row.command, folds=True),
    ),
    Cache: (
        Column("URL", lambda row: row.url, folds=True),
        Column("SITE", lambda row: row.site, left_out=2),
        Column("STATUS", lambda row: row.status, True),
        Column("SIZE", lambda row: row.size, True),
        Column("HITS", lambda row: row.hits, True),
        Column("AGE", lambda row: span(row.age), left_out=3),
        Column("GOOD FOR", _good_for),
        Column("WORKER", lambda row: row.worker, left_out=1),
        Column("FOR REQUESTS WITH", lambda row: row.variant or "-", folds=True),
    ),
}

_NOTHING: Final[dict[type[Any], str]] = {
    Sites: "no sites",
    Pools: "no application pools",
    Workers: "no workers run now; the first request starts one",
    Requests: "no requests are under way",
    Cache: "the cache is empty",
    Filters: "no filters are loaded yet; they are with the first request",
    FastCgi: "no FastCGI application has been asked yet",
    Scripts: "no CGI script has run yet; runs are counted within a second",
    Plugins: "no plugins are loaded yet; they are with the first request",
}


def show(reply: Reply, *, as_json: bool = False) -> None:
    """Write the reply to standard output."""
    if as_json:
        typer.echo(json.dumps(as_plain_data(reply), indent=2))
    elif isinstance(reply, Status):
        _show_status(reply)
    elif type(reply) in _TABLES:
        _show_rows(reply)
    else:
        typer.echo(getattr(reply, "text", ""))


def _show_rows(reply: Any) -> None:
    if not reply.rows:
        typer.echo(_NOTHING[type(reply)], err=True)
        return
    found = fitted(_TABLES[type(reply)], reply.rows, _width())
    _print(found.table, max(found.width, _width()))
    if found.left_out:
        typer.echo(f"no room for {', '.join(found.left_out)}: a wider window has it, and --json", err=True)
    if isinstance(reply, Requests) and reply.more:
        typer.echo(f"and {reply.more} more", err=True)


def _show_status(status: Status) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.started_at))
    facts = [
        ("isapy", f"{status.version}, process {status.pid}, running since {since}"),
        ("configuration", f"{status.config_path} (version {status.configuration_version})"),
        ("isolation", status.isolation_mode),
        *(("open", url) for url in status.urls),
        ("logs", status.log_directory),
        *(("process", f"{row.pid:>7}  isapy: {row.title}") for row in status.processes),
        *(("warning", text) for text in status.warnings),
    ]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    previous = ""
    for name, value in facts:
        table.add_row("" if name == previous else name, safe(value))
        previous = name
    _print(table, _width())


def _print(table: Table, width: int) -> None:
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        typer.echo(line.rstrip())


def _width() -> int:
    return Console().width if sys.stdout.isatty() else PIPE_WIDTH
