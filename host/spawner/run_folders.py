"""Temporary folders of single runs (`cgi/@privateTemp`): made before the program starts, gone when it, and what was
killed with it, have ended."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from host.spawner.process_tree import TreeKill

PREFIX: Final = "isapy-run-"


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where the folders are made; empty: in the system's temporary folder. `restrict`, in a sandboxed pool, leaves the
    process that calls it no other temporary folder than the one that it names; programs are started cold then."""

    folder: str = ""
    restrict: Callable[[str], None] | None = None


class RunFolders:
    """Those of a spawner's programs, each by its worker and number."""

    def __init__(self) -> None:
        self.place = RunPlace()
        self._folders: dict[tuple[object, int], bytes] = {}
        self._left: list[tuple[int, bytes]] = []  # of programs that have ended, with their process ids
        self._with_forks: list[bytes] = []  # that are being taken away

    def make(self, run: tuple[object, int]) -> bytes:
        """A new one. Raises OSError."""
        folder = self._folders[run] = make_run_folder(self.place.folder)
        return folder

    def add(self, run: tuple[object, int], folder: bytes) -> None:
        """One that somebody else has made."""
        self._folders[run] = folder

    def forget(self, run: tuple[object, int]) -> None:
        """Its program could not be started: take it away, if there is one."""
        if self._folders and (folder := self._folders.pop(run, b"")):
            self._take_away(folder)

    def restriction(self, run: tuple[object, int]) -> Callable[[], None] | None:
        """What the child of a sandboxed pool gives up for its own folder; None where there is nothing of the kind."""
        restrict = self.place.restrict
        if restrict is None or not (folder := self._folders.get(run)):
            return None
        return partial(restrict, os.fsdecode(folder))

    def ended(self, run: tuple[object, int], pid: int) -> None:
        """Its program has ended, which was that process."""
        if self._folders and (folder := self._folders.pop(run, b"")):
            self._left.append((pid, folder))

    def remove_left(self, kills: Iterable[TreeKill]) -> None:
        """Take away those of programs that have ended, but for trees that are still being killed."""
        if self._left:
            dying = {tree.leader for tree in kills}
            for _, folder in (one for one in self._left if one[0] not in dying):
                self._take_away(folder)
            self._left = [one for one in self._left if one[0] in dying]

    def close(self) -> None:
        """Take all away. No fork of this process lives any more: what one was about to remove may be there still."""
        for folder in (*self._folders.values(), *(folder for _, folder in self._left), *self._with_forks):
            remove_run_folder(folder, waits=True)

    def _take_away(self, folder: bytes) -> None:
        self._with_forks = [one for one in self._with_forks if os.path.lexists(one)]
        if not remove_run_folder(folder):
            self._with_forks.append(folder)


def make_run_folder(place: str, user: int = -1, group: int = -1) -> bytes:
    """A new folder in `place`, closed to everybody but its owner: `user`, -1 this process's own. Raises OSError."""
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=place or None)
    try:
        os.chown(folder, user, group)
    except OSError:
        os.rmdir(folder)
        raise
    return os.fsencode(folder)


def remove_run_folder(folder: bytes, *, waits: bool = False) -> bool:
    """Take it away with all that is in it. What is not empty a fork of this process takes away, for which nobody needs
    to wait: a program may leave a great many files. `waits`: this process does it. False when a fork is at it."""
    try:
        os.rmdir(folder)
        return True
    except FileNotFoundError:
        return True
    except OSError:
        pass  # there is something in it
    if not waits and _fork_to_remove(folder):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _fork_to_remove(folder: bytes) -> bool:
    """False when no further process is to be had."""
    try:
        pid = os.fork()
    except OSError:
        return False
    if pid == 0:
        signal.set_wakeup_fd(-1)
        try:
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os._exit(0)
    return True
