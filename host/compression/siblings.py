"""Files that somebody has compressed beforehand: `site.css.br` beside `site.css`."""

from __future__ import annotations

import os
import stat
from typing import Final

SUFFIXES: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content coding to the ending of its files, in the server's order of preference."""


def find_siblings(path: str, status: os.stat_result) -> dict[str, str]:
    """Paths of the compressed siblings of a file by coding. One that is older than the file counts as none: the file
    was changed, and nobody has compressed it since."""
    found = {}
    for coding, suffix in SUFFIXES.items():
        try:
            sibling = os.stat(path + suffix)
        except OSError:
            continue
        if stat.S_ISREG(sibling.st_mode) and sibling.st_mtime_ns >= status.st_mtime_ns:
            found[coding] = path + suffix
    return found
