"""Saved files, noticed: the server's configuration file and the plugin files beside it.

Folders are watched, not files: most editors write a new file and rename it over the old one, and a watch on the file
itself would stay with the old one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Final

from watchfiles import Change, awatch

_SETTLE_MILLISECONDS: Final = 200  # a save is often several changes; they are told together
_POLL_MILLISECONDS: Final = 50  # how often watchfiles looks whether more is coming
_LONGEST_WAIT_MILLISECONDS: Final = 500  # a cancelled iteration ends at the latest after this
_PLUGIN_SUFFIXES: Final = (".py", ".so")


@dataclass(frozen=True, slots=True)
class FileChange:
    """What was saved, made or removed."""

    configuration_changed: bool
    plugin_files: frozenset[str]


async def watch_files(configuration: str, folders: Iterable[str], stop: asyncio.Event) -> AsyncIterator[FileChange]:
    """Yields each change of the file `configuration` and of plugin files (.py, .so) in `folders`, until `stop` is set.

    Folders that do not exist are left out. A configuration file that is a symbolic link is watched at both ends.
    Cancelling the iteration sets `stop` (watchfiles does).
    """
    files = {os.path.abspath(configuration), os.path.realpath(configuration)}
    plugin_folders = [os.path.realpath(folder) for folder in folders if os.path.isdir(folder)]
    watched = sorted({*(os.path.dirname(file) for file in files), *plugin_folders})

    def concerns_us(_change: Change, path: str) -> bool:
        return path in files or _is_plugin_file(path, plugin_folders)

    async for changes in awatch(
        *watched,
        watch_filter=concerns_us,
        debounce=_SETTLE_MILLISECONDS,
        step=_POLL_MILLISECONDS,
        stop_event=stop,
        rust_timeout=_LONGEST_WAIT_MILLISECONDS,
        recursive=False,
    ):
        paths = {path for _, path in changes}
        yield FileChange(not files.isdisjoint(paths), frozenset(paths - files))


def _is_plugin_file(path: str, folders: list[str]) -> bool:
    name = os.path.basename(path)
    return os.path.dirname(path) in folders and name.endswith(_PLUGIN_SUFFIXES) and not name.startswith(".")
