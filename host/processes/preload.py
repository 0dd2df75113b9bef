"""What a pool's parent imports before it forks, so that its workers start at once and share it: isapy's own plugins
always, all others where the pool says `preloadApplications` (ours).

Only the files' own code runs here; `load(context)` runs in every worker as always. What fails stays out and fails again
in the worker, where it is reported. A file that has changed since is loaded anew by each worker.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from host.bundled_files import bundled_folder
from host.config.errors import ConfigErrors
from host.config.model import PathSettings, Snapshot
from host.config.store import ServerConfiguration
from host.wire.pool_messages import Importing
from host.worker.plugin_code import PluginCode, find_plugin_files
from host.worker.plugin_loader import EXTENSION_PREFIX, FILTER_PREFIX, forget_preloaded, preload_plugin_file
from host.worker.url_patterns import compile_pattern

_KINDS: Final = (("extensions", EXTENSION_PREFIX), ("filters", FILTER_PREFIX))


def preload_plugins(
    configuration: ServerConfiguration, applications: Sequence[str], code: PluginCode, say: Callable[[Importing], None]
) -> list[str]:
    """Import every drop-in extension, and the filters and modules that the applications list. Each is said before: it
    may be the last that this process does.

    Returns what became of those that could not be imported, a sentence each.
    """
    problems = _preload(_files(configuration, applications), code, is_own=False, say=say)
    say(Importing(file=""))
    return problems


def preload_own_plugins(snapshot: Snapshot, code: PluginCode) -> list[str]:
    """Import the drop-in extensions and filters that came with isapy and are not replaced by others of their names.

    They are host code: importing them has no effect that a fork could not take over. Returns as `preload_plugins`.
    """
    return _preload(_own_files(snapshot), code, is_own=True)


def forget_unwanted_plugins(snapshot: Snapshot) -> None:
    """Take out what the nursery has imported and this configuration replaces or does not name."""
    folders = {str(bundled_folder(kind)) for kind, _ in _KINDS}
    forget_preloaded(folders, list(_own_files(snapshot)))


def _own_files(snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    for (kind, prefix), folders in zip(_KINDS, (snapshot.extension_folders, snapshot.filter_folders), strict=True):
        own = bundled_folder(kind)
        for path in find_plugin_files(folders).values():
            if Path(path).parent.resolve() == own:
                yield path, prefix


def preload_bundled_plugins(code: PluginCode) -> None:
    """Import everything that came with isapy, before it is known which of it a pool will have (the nursery)."""
    for kind, prefix in _KINDS:
        folder = str(bundled_folder(kind))
        code.prepare([folder])
        _preload(((path, prefix) for path in find_plugin_files([folder]).values()), code, is_own=True)


def compile_patterns(configuration: ServerConfiguration, applications: Iterable[str]) -> None:
    """Compile the patterns of the handlers that the applications' roots have: the first request of every worker would
    do it. Of an application whose configuration is broken there are none."""
    for key in applications:
        application = configuration.snapshot.application(key)
        with suppress(ConfigErrors):
            for handler in configuration.settings_for(application, application.path).handlers:
                compile_pattern(handler.path)


def look_at_files(configuration: ServerConfiguration, applications: Sequence[str]) -> None:
    """What a web.config said when it was good last outlives the workers: a new one goes on with it."""
    for site in configuration.snapshot.sites:
        for application in site.applications:
            if application.key in applications:
                configuration.look_at_files(application)


def _preload(
    files: Iterable[tuple[str, str]],
    code: PluginCode,
    *,
    is_own: bool,
    say: Callable[[Importing], None] | None = None,
) -> list[str]:
    problems = []
    for path, prefix in dict.fromkeys(files):
        if say is not None:
            say(Importing(file=path))
        try:
            preload_plugin_file(path, prefix, code.code_of, is_own=is_own)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a plugin may even raise SystemExit while it is imported
            problems.append(f"{path} is not preloaded: {type(error).__name__}: {error}")
    return problems


def running_threads() -> list[str]:
    """Names of the threads beside this one: a process that has them must not fork. Native ones have no name."""
    own = threading.get_ident()
    names = [thread.name for thread in threading.enumerate() if thread.ident != own]
    native = len(os.listdir("/proc/self/task")) - 1 - len(names)
    return names + ["a native thread"] * native


def _files(configuration: ServerConfiguration, applications: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(path, prefix) of every plugin's file."""
    snapshot = configuration.snapshot
    for path in find_plugin_files(snapshot.extension_folders).values():
        yield path, EXTENSION_PREFIX
    drop_ins = find_plugin_files(snapshot.filter_folders)
    for key in applications:
        application = snapshot.application(key)
        try:
            settings: PathSettings = configuration.settings_for(application, application.path)
        except ConfigErrors:  # its requests answer 500.19
            continue
        listed = [(one.name, one.path) for one in settings.filters if one.enabled]
        listed += [(one.name, one.type) for one in settings.modules]
        for name, path in listed:
            file = path or drop_ins.get(name, "")
            if file.endswith(".py"):  # a shared object is loaded by the worker alone: it may start threads
                yield file, FILTER_PREFIX
