"""The page that shows what a folder holds."""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes

_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#223}}
table{{width:100%;border-collapse:collapse}}td,th{{text-align:left;padding:.2rem .8rem .2rem 0}}
tr{{border-bottom:1px solid #dde}}td{{overflow-wrap:anywhere}}
.n{{text-align:right;white-space:nowrap}}a{{color:#0a58ca;text-decoration:none}}a:hover{{text-decoration:underline}}
@media(prefers-color-scheme:dark){{body{{background:#16181d;color:#e4e6ea}}tr{{border-color:#373b44}}a{{color:#7db1ff}}}}</style>
</head><body><h1>{title}</h1><table><tr><th>Name</th><th class="n">Size</th><th class="n">Changed (UTC)</th></tr>
{rows}</table></body></html>
"""


class ListedEntry(NamedTuple):
    """A line of a listing: `name` is the name's bytes, `modified` seconds since 1970."""

    is_file: bool
    name: bytes
    size: int
    modified: float


def listing_page(path: str, entries: Iterable[ListedEntry]) -> str:
    """HTML for the decoded URL path: folders first, then files, by name."""
    rows = [] if path == "/" else ['<tr><td><a href="../">..</a></td><td></td><td></td></tr>\n']
    for entry in sorted(entries, key=_order):
        slash = "" if entry.is_file else "/"
        name = html.escape(entry.name.decode("utf-8", "replace")) + slash
        changed = _moment(entry.modified)
        size = f"{entry.size:,}" if entry.is_file else ""
        cells = f'<td>{_link(entry.name, slash, name)}</td><td class="n">{size}</td><td class="n">{changed}</td>'
        rows.append(f"<tr>{cells}</tr>\n")
    title = html.escape(path.encode("utf-8", "replace").decode())
    return _PAGE.format(title=title, rows="".join(rows))


def _link(raw_name: bytes, slash: str, name: str) -> str:
    """URLs are UTF-8: to a file whose name is not, none leads."""
    try:
        raw_name.decode()
    except UnicodeDecodeError:
        return f'<span title="its name is not UTF-8: no URL leads to it">{name}</span>'
    return f'<a href="./{quote_from_bytes(raw_name)}{slash}">{name}</a>'


def _moment(seconds: float) -> str:
    """Date and time in UTC; empty for a time that no calendar of ours has: some file systems keep any number."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return ""


def _order(entry: ListedEntry) -> tuple[bool, str, bytes]:
    return entry.is_file, entry.name.decode("utf-8", "surrogateescape").casefold(), entry.name
