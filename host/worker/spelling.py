"""`caseInsensitivePaths`: a URL path of a site from Windows, spelled as its files are on this disk.

Everything that comes later (settings, `web.config` files of folders, handlers, the guard of the folder) sees the
disk's spelling, so that no other leads around a rule. What is not there keeps the client's. Names that differ
in case only: the one that is spelled as asked for, else the first of them in the order of their characters.
"""

from __future__ import annotations

import os
import time
from typing import Final

_MOST_FOLDERS: Final = 256
_SETTLED_SECONDS: Final = 1.0
"""A folder may change again within the grain of its time: what was read so soon after is not kept."""


class Spelling:
    """Knows the names in the folders that were asked for; reads a folder again when it has changed."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[int, dict[str, str]]] = {}

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
                name = self._names_in(folder).get(part.lower())
                if name is None:
                    break
                parts[place], path = name, f"{folder}/{name}"
            folder = path
        return "/".join(parts)

    def _names_in(self, folder: str) -> dict[str, str]:
        """The names in a folder by their lower case; none for what cannot be read or is a file."""
        try:
            changed = os.stat(folder).st_mtime_ns
            known = self._folders.get(folder)
            if known is not None and known[0] == changed:
                return known[1]
            names = {name.lower(): name for name in sorted(os.listdir(folder), reverse=True)}
        except OSError:
            return {}
        if len(self._folders) >= _MOST_FOLDERS:
            self._folders.clear()
        if time.time() - changed / 1e9 > _SETTLED_SECONDS:
            self._folders[folder] = (changed, names)
        return names
