"""`isapy check`: the server's file and every web.config below its sites, without serving anything."""

from __future__ import annotations

import os
from collections.abc import Iterator

from host.config.carried_out import check_carried_out
from host.config.directory_settings import folders_on_the_way, read_web_config
from host.config.document import Document, Location
from host.config.errors import ConfigError, ConfigErrors
from host.config.extension_check import check_extensions
from host.config.levels import (
    Level,
    applicable,
    application_place,
    check_permissions,
    sections_in_force,
    segments_of,
)
from host.config.logon_check import check_logon
from host.config.managed_check import check_pipeline_mode
from host.config.model import Application, Site, VirtualDirectory
from host.config.problems import Problems
from host.config.server_file import LoadedServer, Source, inspect_server
from host.config.threading_check import check_threading_model
from host.config.validation import check_plugins

_SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", "__pycache__"})


def check_tree(source: Source) -> tuple[list[ConfigError], list[ConfigError]]:
    """Every error and every warning, by file and line.

    web.config files are looked at only when the server's file is sound, since they build on it.
    """
    problems = Problems()
    try:
        server = inspect_server(source, 1, problems, check_files=True)
    except ConfigErrors as errors:
        return list(errors.errors), []
    if not problems.errors:
        _TreeCheck(server, problems).run()
    return _in_order(problems.errors), _in_order(problems.warnings)


def _in_order(found: list[ConfigError]) -> list[ConfigError]:
    return sorted(dict.fromkeys(found), key=lambda problem: (problem.file, problem.line))


class _TreeCheck:
    def __init__(self, server: LoadedServer, problems: Problems) -> None:
        self._server = server
        self._problems = problems
        self._documents: dict[str, Document | None] = {}

    def run(self) -> None:
        snapshot = self._server.snapshot
        for site in snapshot.sites:
            for application in site.applications:
                if not snapshot.pool(application.pool_name).enable_configuration_override:
                    continue
                for folder in application.virtual_directories:
                    for url_path in _folders_below(application, folder):
                        self._path(site, application, url_path)

    def _path(self, site: Site, application: Application, url_path: str) -> None:
        """One folder of the site, if that URL is shown by this application and has a web.config of its own."""
        way = list(folders_on_the_way(site.applications, site.name, url_path))
        target = (site.name.lower(), *segments_of(url_path))
        if not way or way[-1][0] != target or _owner(site, url_path) is not application:
            return
        self._names(way[-1][1])
        own = self._document(way[-1][1])
        if own is None:
            return
        levels = [Level(self._server.document, ())]
        for path, folder in way:
            document = self._document(folder)
            if document is not None:
                levels.append(Level(document, path))
        below = {fragment.location for fragment in own.fragments}
        self._levels(levels, target, below, site, application)

    def _levels(
        self,
        levels: list[Level],
        target: Location,
        below: set[Location],
        site: Site,
        application: Application,
    ) -> None:
        place = application_place(application, site)
        for location in sorted({(), *below}):
            placed = applicable(levels, (*target, *location), place.path)
            check_permissions(placed, self._server.document, place, self._problems)
            sections = sections_in_force(placed, self._problems)
            check_carried_out(sections, self._problems)
            check_logon(sections, self._problems)
            check_pipeline_mode(sections, application, self._server.snapshot, self._problems)
            check_threading_model(sections, application, self._server.snapshot, self._problems)

    def _document(self, folder: str) -> Document | None:
        if folder not in self._documents:
            self._documents[folder] = self._read(folder)
        return self._documents[folder]

    def _read(self, folder: str) -> Document | None:
        found = Problems()
        try:
            document, _ = read_web_config(os.path.join(folder, "web.config"), self._server, found)
        except FileNotFoundError:
            return None
        except ConfigErrors as errors:
            self._problems.errors.extend(errors.errors)
            self._problems.warnings.extend(found.warnings)
            return None
        check_extensions(document, found)
        check_plugins(self._server.snapshot, document, found)
        self._problems.errors.extend(found.errors)
        self._problems.warnings.extend(found.warnings)
        return document

    def _names(self, folder: str) -> None:
        """File names count letter by letter here; on Windows they did not."""
        try:
            names = os.listdir(folder)
        except OSError:
            return
        for name in names:
            if name.lower() == "web.config" and name != "web.config":
                file = os.path.join(folder, name)
                self._problems.warnings.append(ConfigError(file, 1, "", "", "it is not read", "name it web.config"))


def _owner(site: Site, url_path: str) -> Application | None:
    """The application with the longest path above the URL."""
    segments = segments_of(url_path)
    for application in site.applications:
        root = segments_of(application.path)
        if segments[: len(root)] == root:
            return application
    return None


def _folders_below(application: Application, folder: VirtualDirectory) -> Iterator[str]:
    """URL paths of the virtual directory and every folder below it; links are not followed."""
    root = "/" + "/".join((*segments_of(application.path), *segments_of(folder.path)))
    for current, names, _ in os.walk(folder.physical_path):
        names[:] = sorted(name for name in names if name not in _SKIPPED_FOLDERS)
        below = os.path.relpath(current, folder.physical_path)
        yield root if below == "." else f"{root.rstrip('/')}/{below}"
