"""Saved files, noticed: the server's configuration file and the plugin files beside it.

Folders are watched, not files: most editors write a new file and rename it over the old one, and a watch on the file
itself would stay with the old one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
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

    A folder that does not exist is watched as soon as somebody makes it, which is told as a change of the
    configuration; then whatever is in it. A configuration file that is a symbolic link is watched at both ends.
    Cancelling the iteration sets `stop` (watchfiles does).
    """
    files = {os.path.abspath(configuration), os.path.realpath(configuration)}
    places = _Places(list(folders))
    while not stop.is_set():
        plugin_folders, missing, new = places.look()

        def concerns_us(
            _change: Change, path: str, plugin_folders: list[str] = plugin_folders, missing: list[str] = missing
        ) -> bool:
            return path in files or path in missing or _is_plugin_file(path, plugin_folders)

        watched = sorted({*(os.path.dirname(path) for path in (*files, *missing)), *plugin_folders})
        watching = awatch(
            *watched,
            watch_filter=concerns_us,
            debounce=_SETTLE_MILLISECONDS,
            step=_POLL_MILLISECONDS,
            stop_event=stop,
            rust_timeout=_LONGEST_WAIT_MILLISECONDS,
            yield_on_timeout=bool(new),
            recursive=False,
        )
        async with aclosing(watching) as found:
            async for changes in found:
                paths = {path for _, path in changes}
                paths.update(new)  # told again: they may have come while a change was followed
                paths.update(path for folder in new for path in _plugin_files(folder))
                new = []
                plugin_files = frozenset(path for path in paths if _is_plugin_file(path, plugin_folders))
                if paths:
                    yield FileChange(not paths <= plugin_files, plugin_files)
                if any(map(os.path.isdir, missing)):
                    break


class _Places:
    """The folders of plugins, as they come."""

    def __init__(self, folders: list[str]) -> None:
        self._folders = folders
        self._known: list[str] | None = None

    def look(self) -> tuple[list[str], list[str], list[str]]:
        """Those that exist, those that somebody may make, and those that have been made since the last look."""
        there = [os.path.realpath(folder) for folder in self._folders if os.path.isdir(folder)]
        gone = [os.path.abspath(folder) for folder in self._folders if not os.path.isdir(folder)]
        new = [] if self._known is None else [folder for folder in there if folder not in self._known]
        self._known = there
        return there, [folder for folder in gone if os.path.isdir(os.path.dirname(folder))], new


def _plugin_files(folder: str) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:  # it has gone again
        return []
    return [path for name in names if _is_plugin_file(path := os.path.join(folder, name), [folder])]


def _is_plugin_file(path: str, folders: list[str]) -> bool:
    name = os.path.basename(path)
    return os.path.dirname(path) in folders and name.endswith(_PLUGIN_SUFFIXES) and not name.startswith(".")
