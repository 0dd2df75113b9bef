"""`isapy list scripts`: the question, the rows, the answer."""

from __future__ import annotations

from host.admin.message import Message, Row


class ListScripts(Message, frozen=True, kw_only=True):
    """Answer: Scripts."""


class ScriptRow(Row, frozen=True, kw_only=True):
    """A CGI script and its runs since the service started; times in milliseconds, percentiles to within a tenth.

    `pool`: the pool, or inetinfo. `exits`: runs by exit status or signal. `errors`: requests that failed; the last one
    with its request's id, as in events and error pages, and how many seconds ago (None: there was none).
    """

    pool: str
    script: str
    runs: int
    warm_runs: int
    errors: int
    p50: float
    p95: float
    p99: float
    longest: float
    exits: dict[str, int]
    last_error: str = ""
    last_error_request: str = ""
    last_error_seconds: float | None = None


class Scripts(Message, frozen=True, kw_only=True):
    """Answer to ListScripts: those that have run, by pool, the busiest first."""

    rows: list[ScriptRow]
