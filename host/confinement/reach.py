"""What a pool needs and its identity cannot read: found when the pool starts, not by the first visitor."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable

from host.config.model import Snapshot
from host.confinement.rules import HOST_FOLDER


def unreadable(snapshot: Snapshot, keys: Iterable[str]) -> list[str]:
    """One text for each folder that this process, being the pool's identity by now, cannot read: the folder, and the
    one on the way that stops it."""
    wanted = [sysconfig.get_path("stdlib"), HOST_FOLDER, *snapshot.extension_folders, *snapshot.filter_folders]
    for key in keys:
        wanted += [folder.physical_path for folder in snapshot.application(key).virtual_directories]
    return [_described(path) for path in dict.fromkeys(wanted) if not _is_readable(path)]


def _is_readable(path: str) -> bool:
    """A folder must be listed and passed through, a file read; what does not exist is somebody else's finding."""
    if os.access(path, os.R_OK | os.X_OK if os.path.isdir(path) else os.R_OK):
        return True
    return not os.path.lexists(path) and stopping_folder(path) == ""


def stopping_folder(path: str) -> str:
    """The uppermost folder above `path` that this process may not pass through; empty when there is none."""
    current = "/"
    for name in os.path.abspath(path).strip("/").split("/")[:-1]:
        current = os.path.join(current, name)
        if os.path.isdir(current) and not os.access(current, os.X_OK):
            return current
    return ""


def _described(path: str) -> str:
    stop = stopping_folder(path)
    return f"{path} (closed by {stop})" if stop else path
