"""What is in force for a URL path of one application: the server's file and the web.config files on the way to it.

The hot path is one dictionary lookup and a comparison of clocks. Every quarter of a second the files on the way to a
path that is asked for are looked at again; unchanged files cost one stat call each. A file that breaks keeps the last
good settings in force and is reported once; a path that never had good settings raises.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from host.config.document import Document, Fragment, Location, read_document
from host.config.errors import ConfigError, ConfigErrors
from host.config.inheritance import Effective, starting_point
from host.config.levels import (
    ApplicationPlace,
    Level,
    Placed,
    applicable,
    application_place,
    check_permissions,
    is_above,
    sections_in_force,
    segments_of,
)
from host.config.model import Application, PathSettings, Site
from host.config.path_settings import build_path_settings
from host.config.problems import Problems
from host.config.schema import SECTIONS
from host.config.server_file import LoadedServer
from host.config.web_config_changes import WebConfigChanges
from host.config.xml_reader import MAX_FILE_BYTES, read_xml

RECHECK_SECONDS: Final = 0.25
"""How long settings are used before the files they come from are looked at again."""

_MOST_PATHS: Final = 8192  # distinct URLs remembered; a client that invents URLs must not fill the memory
_LONGEST_PATH: Final = 1024  # characters of one of them
_MOST_FOLDERS: Final = 4096

_MOST_CHECKED: Final = 512  # paths that are tried before a change is told

OnProblem = Callable[[ConfigErrors], None]
OnWarnings = Callable[[list[ConfigError]], None]
OnChange = Callable[[list[str]], None]
_Stamp = tuple[int, int, int, int]
_PathKey = tuple[int, str, str]
_FORBIDDEN: Final[_Stamp] = (-1, -1, -1, -1)
_JUST_NOW_SECONDS: Final = 1.0
_UNREAD: Final[_Stamp] = (-2, -2, -2, -2)
_NOT_THERE: Final = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)


@dataclass(slots=True, eq=False)
class _Folder:
    """A folder's web.config as it was seen last. `document` is the last good one."""

    checked_at: float = float("-inf")
    is_known: bool = False  # it was looked at before: what is another one now has changed
    exists: bool = True
    is_missed: bool = False  # not there at the last look: git and editors take a file away before they write it anew
    stamp: _Stamp | None = None
    document: Document | None = None
    errors: ConfigErrors | None = None
    warnings: list[ConfigError] = field(default_factory=list)  # told already


@dataclass(frozen=True, slots=True, eq=False)
class _InForce:
    """The answer for one path, good until the clock passes `until`."""

    until: float
    settings: PathSettings


class DirectorySettings:
    """Settings by path. `clock` counts seconds; `on_problem` is told about each broken state of a file once.

    `on_warnings` is told what a good one holds that is not obeyed, once for each state of the file: who relies on a
    section that restricts nothing here has to be able to see it.
    `on_change` is told which files say something else than when they were looked at first, once every path that was
    answered before is sound with them: whoever starts anew on these files will not meet a broken one.
    """

    def __init__(self, server: LoadedServer, *, clock: Callable[[], float], on_problem: OnProblem | None) -> None:
        self._server = server
        self._clock = clock
        self.on_problem = on_problem
        self.on_warnings: OnWarnings | None = None
        self.on_change: OnChange | None = None
        self._changes = WebConfigChanges()
        self._paths: dict[_PathKey, _InForce] = {}
        self._folders: dict[str, _Folder] = {}
        self._computed: dict[tuple[Location, tuple[Fragment, ...]], PathSettings | ConfigErrors] = {}
        self._last_good: dict[tuple[Location, tuple[tuple[str, Location], ...]], PathSettings] = {}
        self._places: dict[tuple[int, str], tuple[Site, ApplicationPlace]] = {}
        self._no_override = {pool.name for pool in server.snapshot.pools if not pool.enable_configuration_override}

    def settings_for(self, application: Application, url_path: str) -> PathSettings:
        """What is in force for the decoded URL path. Raises ConfigErrors when there never were good settings."""
        key = (application.site_id, application.path, url_path)
        known = self._paths.get(key)
        now = self._clock()
        if known is not None and now < known.until:
            return known.settings
        settings = self._resolve(application, url_path, now)
        if len(url_path) > _LONGEST_PATH:
            return settings
        if len(self._paths) >= _MOST_PATHS:
            self._paths.clear()
        self._paths[key] = _InForce(now + RECHECK_SECONDS, settings)
        return settings

    def prepare(self, application: Application) -> None:
        """Work out what the server's file alone says for the application's root: a process that forks has it ready for
        its children. No web.config is looked at, and what is broken is left to those who report it."""
        site, place = self._place(application)
        target = (site.name.lower(), *segments_of(application.path))
        placed = applicable([Level(self._server.document, ())], target, place.path)
        key = (place.path, tuple(part.fragment for part in placed))
        result = compute_settings(placed, self._server.document, place)
        if isinstance(result, PathSettings):
            self._computed[key] = result

    def server_settings_for(self, application: Application, url_path: str) -> PathSettings | None:
        """What the server's file alone says for the path; no web.config is looked at. None when that is broken."""
        site, place = self._place(application)
        target = (site.name.lower(), *segments_of(url_path))
        placed = applicable([Level(self._server.document, ())], target, place.path)
        result = compute_settings(placed, self._server.document, place)
        return result if isinstance(result, PathSettings) else None

    def locations_of(self, application: Application) -> set[str]:
        """URL paths inside the application for which the server's file has a location."""
        _, place = self._place(application)
        locations = {fragment.location for fragment in self._server.document.fragments}
        return {"/" + "/".join(one[1:]) for one in locations if len(one) > 1 and is_above(place.path, one)}

    def keep_good_files_of(self, previous: DirectorySettings) -> None:
        """Begin with what broken files said when they were good last; those problems have been told."""
        for folder, state in previous._folders.items():
            if state.errors is not None and state.document is not None:
                self._folders[folder] = replace(state)

    def _resolve(self, application: Application, url_path: str, now: float) -> PathSettings:
        place = self._place(application)[1]
        settings = self._compute(self._placed(application, url_path, now), place)
        if self._changes.is_due:
            self._tell_changes(now)
        return settings

    def _tell_changes(self, now: float) -> None:
        self._changes.is_due = False  # whatever is wrong: it is tried again when a file has changed again
        broken = any(state.errors is not None and state.document is not None for state in self._folders.values())
        if not broken and all(self._is_sound(key, now) for key in list(self._paths)[-_MOST_CHECKED:]):
            files = self._changes.take()
            if self.on_change is not None:
                self.on_change(files)

    def _is_sound(self, key: _PathKey, now: float) -> bool:
        """Whether a path that was answered before would be without its last good settings, too."""
        site_id, application_path, url_path = key
        site, place = self._places[site_id, application_path]
        application = next(each for each in site.applications if each.path == application_path)
        try:
            placed = self._placed(application, url_path, now)
        except ConfigErrors:
            return False
        return isinstance(self._result(placed, place), PathSettings)

    def _placed(self, application: Application, url_path: str, now: float) -> list[Placed]:
        site, place = self._place(application)
        levels = [Level(self._server.document, ())]
        missing = ""
        if application.pool_name not in self._no_override:
            for path, folder in folders_on_the_way(site.applications, site.name, url_path):
                if missing and folder.startswith(missing):
                    continue
                state = self._folder(folder, now)
                if state.document is not None:
                    levels.append(Level(state.document, path))
                elif state.errors is not None:
                    raise ConfigErrors(state.errors.errors)
                elif not state.exists:
                    missing = folder + "/"
        target = (site.name.lower(), *segments_of(url_path))
        return applicable(levels, target, place.path)

    def _place(self, application: Application) -> tuple[Site, ApplicationPlace]:
        key = (application.site_id, application.path)
        found = self._places.get(key)
        if found is None:
            site = next(site for site in self._server.snapshot.sites if site.id == application.site_id)
            found = self._places[key] = (site, application_place(application, site))
        return found

    def _folder(self, folder: str, now: float) -> _Folder:
        state = self._folders.get(folder) or _Folder()
        if now - state.checked_at >= RECHECK_SECONDS:
            state.checked_at = now
            self._look_again(folder, state)
            if state.exists:
                self._remember(folder, state)
            else:
                self._folders.pop(folder, None)
        return state

    def _remember(self, folder: str, state: _Folder) -> None:
        if len(self._folders) >= _MOST_FOLDERS and folder not in self._folders:
            plain = [name for name, known in self._folders.items() if known.document is None and known.errors is None]
            for name in plain:
                del self._folders[name]
        self._folders[folder] = state

    def _look_again(self, folder: str, state: _Folder) -> None:
        file = os.path.join(folder, "web.config")
        stamp = _stamp_of(file)
        state.exists = stamp is not None or os.path.isdir(folder)
        was_known, state.is_known = state.is_known, True
        if stamp == state.stamp:
            state.is_missed = False
            return
        state.is_missed = stamp is None and state.document is not None and not state.is_missed and _is_new(folder)
        if state.is_missed:
            return
        state.stamp = stamp
        old = state.document
        if stamp is None:
            state.document, state.errors = None, None
        else:
            self._read(file, state)
        if old is not None and state.document is not old:
            self._forget(old)
        if was_known:
            self._changes.note(file, old, state.document)

    def _read(self, file: str, state: _Folder) -> None:
        found = Problems()
        try:
            state.document, state.stamp = read_web_config(file, self._server, found)
            state.errors = None
            self._warn(state, found.warnings)
        except FileNotFoundError:  # gone since it was looked at
            state.stamp, state.is_missed = _UNREAD, state.document is not None
        except ConfigErrors as errors:
            if isinstance(errors, _Unreadable):
                state.stamp = _UNREAD  # perhaps for a moment only (too many open files): try again at the next look
            is_news = state.errors is None or state.errors.errors != errors.errors
            state.errors = errors
            if is_news:
                self._report(errors)

    def _forget(self, document: Document) -> None:
        gone = set(document.fragments)
        for key in [key for key in self._computed if not gone.isdisjoint(key[1])]:
            del self._computed[key]

    def _compute(self, placed: list[Placed], place: ApplicationPlace) -> PathSettings:
        result = self._result(placed, place)
        shape = (place.path, _shape(placed))
        if isinstance(result, ConfigErrors):
            if shape not in self._last_good:
                raise ConfigErrors(result.errors)
            return self._last_good[shape]
        self._last_good[shape] = result
        return result

    def _result(self, placed: list[Placed], place: ApplicationPlace) -> PathSettings | ConfigErrors:
        key = (place.path, tuple(part.fragment for part in placed))
        result = self._computed.get(key)
        if result is None:
            result = compute_settings(placed, self._server.document, place)
            self._computed[key] = result
            if isinstance(result, ConfigErrors):
                self._report(result)
        return result

    def _warn(self, state: _Folder, warnings: list[ConfigError]) -> None:
        is_news = warnings != state.warnings
        state.warnings = warnings
        if warnings and is_news and self.on_warnings is not None:
            self.on_warnings(warnings)

    def _report(self, errors: ConfigErrors) -> None:
        if self.on_problem is not None:
            self.on_problem(errors)


def folders_on_the_way(
    applications: tuple[Application, ...], site_name: str, url_path: str
) -> Iterator[tuple[Location, str]]:
    """Path and folder of each level from the site's root down to `url_path`, by the virtual directories of a site."""
    segments = segments_of(url_path)
    for depth in range(len(segments) + 1):
        part = segments[:depth]
        if part and (part[-1] in (".", "..") or "\0" in part[-1]):
            return  # such a URL is refused elsewhere; no file outside the folders is looked at for it
        folder = _physical_folder(applications, part)
        if folder is not None:
            yield (site_name.lower(), *part), folder


def _physical_folder(applications: tuple[Application, ...], part: Location) -> str | None:
    """The folder a path maps to; None below a virtual directory with allowSubDirConfig="false"."""
    for application in applications:  # the longest path first
        root = segments_of(application.path)
        if part[: len(root)] != root:
            continue
        rest = part[len(root) :]
        for folder in application.virtual_directories:  # the longest path first
            prefix = segments_of(folder.path)
            if rest[: len(prefix)] == prefix:
                below = rest[len(prefix) :]
                if below and not folder.allow_sub_dir_config:
                    return None
                return os.path.join(folder.physical_path, *below)
    return None


def _is_new(folder: str) -> bool:
    """Whether something has come or gone in that folder just now."""
    try:
        return time.time() - os.stat(folder).st_mtime < _JUST_NOW_SECONDS
    except OSError:
        return False


def _stamp_of(file: str) -> _Stamp | None:
    """None when there is no such file; a file that cannot be looked at has a stamp of its own: what it says may be a
    lock, and a file server that does not answer must not open it."""
    try:
        return _stamp(os.stat(file))
    except ValueError:
        return None
    except OSError as error:
        return None if error.errno in _NOT_THERE else _FORBIDDEN


def _stamp(status: os.stat_result) -> _Stamp:
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _shape(placed: list[Placed]) -> tuple[tuple[str, Location], ...]:
    """Which files and locations took part, whatever they say: settings of the same shape replace one another."""
    return tuple(dict.fromkeys((part.level.document.file, part.target) for part in placed))


def read_web_config(file: str, server: LoadedServer, problems: Problems | None = None) -> tuple[Document, _Stamp]:
    """Reads one web.config. Warnings go to `problems`. Raises ConfigErrors, or FileNotFoundError when it is gone."""
    found = problems if problems is not None else Problems()
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO of that name must not block
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unreadable(file, error.strerror or "unreadable") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise _unreadable(file, "not a regular file")
    with open(descriptor, "rb") as stream:
        text = stream.read(MAX_FILE_BYTES + 1)
    root = read_xml(text, file)
    document = read_document(root, server.expander.at(os.path.dirname(file)), found, is_web_config=True)
    found.raise_errors()
    return document, _stamp(status)


class _Unreadable(ConfigErrors):
    """The file is there and cannot be read."""


def _unreadable(file: str, why: str) -> _Unreadable:
    remedy = f"make it a file that the pool's identity (uid {os.geteuid()}) may read"
    return _Unreadable([ConfigError(file, 1, "", "", f"it cannot be read: {why}", remedy)])


def compute_settings(placed: list[Placed], server: Document, place: ApplicationPlace) -> PathSettings | ConfigErrors:
    """The settings that those fragments give, or everything that is wrong with them."""
    problems = Problems()
    check_permissions(placed, server, place, problems)
    sections = sections_in_force(placed, problems)
    if problems.errors:
        return ConfigErrors(problems.errors)
    return build_path_settings(_lookup(sections))


def _lookup(sections: Mapping[str, Effective]) -> Callable[[str], Effective]:
    def lookup(name: str) -> Effective:
        path = name if name.startswith("system.") else f"system.webServer/{name}"
        return sections.get(path) or starting_point(SECTIONS[path].element)

    return lookup
