"""The configuration store: the current snapshot, changes as transactions, and settings by path.

A change is validated whole before anything moves; a broken one leaves the old snapshot in force.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from host.config.directory_settings import DirectorySettings, OnChange, OnProblem, OnWarnings
from host.config.errors import ConfigErrors, VersionConflict
from host.config.model import Application, PathSettings, Snapshot
from host.config.server_file import Source, load_server, log_folder, read_source
from host.config.tree_check import check_tree

__all__ = [
    "Change",
    "ConfigurationStore",
    "ServerConfiguration",
    "Source",
    "build_snapshot",
    "check_tree",
    "log_folder",
    "read_source",
]


def build_snapshot(source: Source, version: int, *, check_files: bool = True) -> Snapshot:
    """The frozen server level of `source`.

    `check_files`: folders, plugins and programs that it names must exist; a process that only repeats what was
    validated already leaves that out. Raises ConfigErrors with every problem.
    """
    return load_server(source, version, check_files=check_files).snapshot


class ServerConfiguration:
    """A snapshot together with the web.config files below it, for a process that serves requests.

    Built from a source that was validated before, so the existence of folders is not checked again. `on_problem` is
    called once for each broken state of a web.config. Raises ConfigErrors.
    """

    def __init__(
        self,
        source: Source,
        version: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_problem: OnProblem | None = None,
    ) -> None:
        server = load_server(source, version, check_files=False)
        self.snapshot = server.snapshot
        self._directories = DirectorySettings(server, clock=clock, on_problem=on_problem)

    def report_problems_to(self, on_problem: OnProblem) -> None:
        """Call this from now on for each broken state of a web.config (a worker tells its service)."""
        self._directories.on_problem = on_problem

    def report_warnings_to(self, on_warnings: OnWarnings) -> None:
        """Call this from now on with what a sound web.config holds that isapy does not obey."""
        self._directories.on_warnings = on_warnings

    def report_changes_to(self, on_change: OnChange) -> None:
        """Call this from now on with the web.config files that have changed, once what they say is sound."""
        self._directories.on_change = on_change

    def settings_for(self, application: Application, url_path: str) -> PathSettings:
        """Everything in force for the decoded, whole URL path (it starts with the application's path).

        The same object comes back as long as nothing changed. Raises ConfigErrors (answer 500.19) when a web.config
        on the way is broken and this path never had good settings.
        """
        return self._directories.settings_for(application, url_path)

    def prepare(self, application: Application) -> None:
        """Have ready, before a fork, what the server's file alone says for that application."""
        self._directories.prepare(application)

    def look_at_files(self, application: Application) -> None:
        """Look now at the web.config files at the roots of the application's virtual directories. A process that is
        forked afterwards goes on with what this one has found: also with the last good state of a file that is broken
        by now. Problems go where `report_problems_to` says."""
        for _ in self.settings_below(application):
            pass

    def keep_good_files_of(self, previous: ServerConfiguration) -> None:
        """This configuration replaces that one: a web.config that is broken by now goes on as it was last good."""
        self._directories.keep_good_files_of(previous._directories)

    def settings_below(self, application: Application) -> Iterator[tuple[str, PathSettings]]:
        """URL path and settings of every virtual directory of the application, and of every location below it that the
        server's file has. Paths whose web.config is broken are left out."""
        for path in self._paths_below(application):
            with contextlib.suppress(ConfigErrors):
                yield path, self.settings_for(application, path or "/")

    def server_settings_below(self, application: Application) -> Iterator[tuple[str, PathSettings]]:
        """The same, by the server's file alone: what the owner of a folder has written into its web.config has no part
        in it, and is not read."""
        for path in self._paths_below(application):
            settings = self._directories.server_settings_for(application, path or "/")
            if settings is not None:
                yield path, settings

    def _paths_below(self, application: Application) -> list[str]:
        root = application.path.rstrip("/")
        paths = {f"{root}/{folder.path.strip('/')}".rstrip("/") for folder in application.virtual_directories}
        return sorted(paths | self._directories.locations_of(application))


@dataclass(frozen=True, slots=True)
class Change:
    """A commit that went through. `is_no_op`: the new source says the same; `new` is `old` then."""

    old: Snapshot
    new: Snapshot
    is_no_op: bool


class ConfigurationStore:
    """The configuration in force and its versions, counted from 1. Raises ConfigErrors when the first one is broken."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._current = build_snapshot(source, 1)

    @property
    def current(self) -> Snapshot:
        """The snapshot in force."""
        return self._current

    @property
    def source(self) -> Source:
        """The text it was built from."""
        return self._source

    def commit(self, source: Source, expected_version: int) -> Change:
        """Puts `source` in force if `expected_version` is the current one.

        Raises VersionConflict, or ConfigErrors; then nothing has changed.
        """
        old = self._current
        if expected_version != old.version:
            raise VersionConflict(expected_version, old.version)
        new = build_snapshot(source, old.version + 1)
        if replace(new, version=old.version, warnings=old.warnings) == old:
            self._source = source
            return Change(old, old, is_no_op=True)
        self._source, self._current = source, new
        return Change(old, new, is_no_op=False)
