"""`isapy list filters`: the question, the rows, the answer."""

from __future__ import annotations

from host.admin.message import Message, Row


class ListFilters(Message, frozen=True, kw_only=True):
    """Answer: Filters."""


class FilterRow(Row, frozen=True, kw_only=True):
    """A filter of a site. `place`: its turn among the site's filters, from 1; `on_send_raw_data` goes the other way.

    `scope`: server or site. `priority`: HIGH, MEDIUM, LOW. `ports`: all, secure, nonsecure. `notifications` are the
    hooks that it has. A filter that does not tolerate the cache keeps all answers of its site out of it. `state`:
    loaded or failed; `detail` says why. `pool`: the pool, or inetinfo.
    """

    site: str
    place: int
    name: str
    scope: str
    priority: str
    ports: str
    notifications: list[str]
    tolerates_cache: bool
    state: str
    description: str = ""
    detail: str = ""
    pool: str = ""


class Filters(Message, frozen=True, kw_only=True):
    """Answer to ListFilters: of every site whose filters a process has loaded."""

    rows: list[FilterRow]
