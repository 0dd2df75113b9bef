"""Where in a URL path an application is mounted: what is SCRIPT_NAME or root_path, and what is PATH_INFO.

The mount point is the IIS application's path; a mapping for a folder (`api/*`) mounts its application there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from host.api import Request

_LONGEST_PATH: Final = 1024  # characters of a path that is remembered


def mount_length(request: Request) -> int:
    """How many characters of `request.path` are the mount point; 0 at the root of the site."""
    own = request.application.path
    length = 0 if own == "/" else len(own)
    pattern = request.mapping.path if request.mapping is not None else "*"
    if pattern == "*":
        return length
    path = request.path
    return (_known_length if len(path) <= _LONGEST_PATH else _length_with)(pattern, length, path)


def _length_with(pattern: str, length: int, path: str) -> int:
    path = path.lower() + "/"  # the folder itself is mounted, too
    for prefix, names_whole_path in _folders_of(pattern):
        if path[length:].startswith(prefix):
            return length + len(prefix) - 1
        if names_whole_path and path.startswith(prefix):
            return len(prefix) - 1
    return length


_known_length: Final = lru_cache(maxsize=512)(_length_with)


@lru_cache(maxsize=256)
def _folders_of(pattern: str) -> tuple[tuple[str, bool], ...]:
    """Of each part of a pattern that names a folder: `/folder/` in lower case, and whether it may be the whole path."""
    found = []
    for part in (part.strip() for part in pattern.split(",")):
        folder = part.removesuffix("*").strip("/")
        if part.endswith("/*") and folder and "*" not in folder:
            found.append((f"/{folder.lower()}/", part.startswith("/")))
    return tuple(found)
