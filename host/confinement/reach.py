"""What a pool needs and its identity cannot read: found when the pool starts, not by the first visitor."""

from __future__ import annotations

import os
import sysconfig
from collections.abc import Iterable

from host.config.store import ServerConfiguration
from host.confinement.rules import HOST_FOLDER


def unreadable(configuration: ServerConfiguration, keys: Iterable[str]) -> list[str]:
    """One text for each folder or file that this process, being the pool's identity by now, cannot read: its path, and
    the folder on the way that stops it. Of files of users, those that the server's file names."""
    snapshot = configuration.snapshot
    wanted = [sysconfig.get_path("stdlib"), HOST_FOLDER, *snapshot.extension_folders, *snapshot.filter_folders]
    for key in keys:
        application = snapshot.application(key)
        wanted += [folder.physical_path for folder in application.virtual_directories]
        for _, settings in configuration.server_settings_below(application):
            wanted += settings.logon.files if settings.logon is not None else ()
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
