"""A URL path, spelled as its files and folders are on this disk: with `caseInsensitivePaths` (a site from Windows) for
everything, and for the rules in `web.config` files where a handler answers that needs no file.

Everything that comes later (settings, `web.config` files of folders, handlers, the guard of the folder) sees the
disk's spelling, so that no other leads around a rule. What is not there keeps the client's. Names that differ
in case only: the one that is spelled as asked for, else the first of them in the order of their characters.
"""

from __future__ import annotations

import os
import time
from itertools import islice
from typing import Final, NamedTuple

from host.config.letter_case import without_case

_MOST_FOLDERS: Final = 256
_SETTLED_SECONDS: Final = 1.0
"""A folder may change again within the grain of its time: what was read so soon after is not kept."""

_SHARE: Final = 10
"""Where some patience is allowed, reading a folder that changes all the time takes a tenth of the time at most."""

_MOST_READ: Final = 20_000
"""Names in a folder in which folders are looked for: some 30 ms, in which nobody else is served."""


class _Names(NamedTuple):
    """What was in a folder that was `changed` then; `is_settled`: and has not changed as long as it says so."""

    changed: int
    is_settled: bool
    good_until: float
    by_lower: dict[str, str]


class Spelling:
    """Knows the names in the folders that were asked for; reads a folder again when it has changed.

    `patience_seconds` (0: none): folders alone are looked for, and so long a change may go unnoticed, or longer where a
    folder takes long to read.
    """

    def __init__(self, patience_seconds: float = 0.0) -> None:
        self._patience_seconds = patience_seconds
        self._folders: dict[str, _Names] = {}

    def on_disk(self, root: str, tail: str) -> str:
        """`tail`, the part of a path below the folder `root`, as the disk spells it."""
        if os.path.lexists(root + tail):
            return tail
        folder, parts = root, tail.split("/")
        for place, part in enumerate(parts):
            if not part:
                continue
            path = f"{folder}/{part}"
            if not os.path.lexists(path):
                name = self._names_in(folder).get(without_case(part))
                if name is None:
                    break
                parts[place], path = name, f"{folder}/{name}"
            folder = path
        return "/".join(parts)

    def _names_in(self, folder: str) -> dict[str, str]:
        """The names in a folder by their lower case; none for what cannot be read or is a file."""
        try:
            changed = os.stat(folder).st_mtime_ns
            now, known = time.monotonic(), self._folders.get(folder)
            if known is not None and (now < known.good_until or (known.is_settled and known.changed == changed)):
                return known.by_lower
            found = _folders_in(folder) if self._patience_seconds else os.listdir(folder)
            names = {without_case(name): name for name in sorted(found, reverse=True)}
        except OSError:
            return {}
        if len(self._folders) >= _MOST_FOLDERS:
            self._folders.clear()
        is_settled = time.time() - changed / 1e9 > _SETTLED_SECONDS
        patience = self._patience_seconds and max(self._patience_seconds, _SHARE * (time.monotonic() - now))
        if is_settled or patience:
            self._folders[folder] = _Names(changed, is_settled, now + patience, names)
        return names


def has_rules(root: str, tail: str) -> bool:
    """Whether a folder on the way from `root` (itself left out) to `tail` has a web.config, or may have one."""
    folder = root
    for part in filter(None, tail.split("/")):
        folder = f"{folder}/{part}"
        try:
            os.stat(f"{folder}/web.config")
        except FileNotFoundError:
            if not os.path.isdir(folder):
                return False
        except (NotADirectoryError, ValueError):
            return False
        except OSError:
            return True
        else:
            return True
    return False


def _folders_in(folder: str) -> list[str]:
    """Of a folder with more than _MOST_READ names some. Raises OSError."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in islice(entries, _MOST_READ) if entry.is_dir()]
