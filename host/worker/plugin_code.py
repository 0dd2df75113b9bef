"""What a worker's plugins need and no plugin's code makes: compiled files, the libraries they import, pluggy ready.

A pool's parent prepares it before it forks (measured: two thirds of what a worker's start takes); the worker finds it
in its memory. Nothing of a plugin runs in the parent, and the code that runs in a worker is what the file says when it
is loaded: a compiled file counts only while the bytes are the same, or nothing has touched them since they were read.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from types import CodeType
from typing import Any, Final, NamedTuple

import pluggy

from host.wire.message_rows import KnownPlugin
from host.worker.hooks import new_plugin_manager
from host.worker.plugin_loader import declared_mappings
from host.worker.url_patterns import compile_pattern

ENTRY_POINT_GROUP: Final = "isapy.plugins"
_OWN_PACKAGE: Final = "host"

_SETTLED_NANOSECONDS: Final = 2_000_000_000
"""A file that has not been changed for so long when it is looked at gets another time when it is changed next: the
coarsest file systems count whole seconds."""

EntryPoints = Mapping[str, Callable[[], Any]]
_State = tuple[int, int, int, int]


class _Compiled(NamedTuple):
    source: bytes
    code: CodeType
    state: _State | None  # None: it was young, and might have changed since without a trace


class PluginCode:
    """Of one process and those it forks; a copy is the worker's own."""

    def __init__(self, clock: Callable[[], int] = time.time_ns) -> None:
        """`clock` tells nanoseconds since 1970, as files' times are."""
        self._clock = clock
        self._compiled: dict[str, _Compiled] = {}
        self._managers: list[pluggy.PluginManager] = []
        self._files: dict[tuple[str, ...], tuple[list[_State | None], dict[str, str]]] = {}
        self._entry_points: tuple[tuple[int, ...], EntryPoints] | None = None
        self.known: Mapping[str, KnownPlugin] = {}  # by path: what workers have told of the extensions that they loaded

    def remember(self, known: Iterable[KnownPlugin]) -> None:
        """What the worker before has told of its extensions."""
        self.known = {plugin.path: plugin for plugin in known}

    def prepare(self, folders: Iterable[str]) -> None:
        """Compile the plugin files there, import the parts of isapy and of the standard library that they name,
        compile the patterns of the mappings that they bring, and have a plugin manager ready. A file that cannot be
        read or compiled is left to the worker, which reports it."""
        if not self._managers:
            self._managers.append(new_plugin_manager())
        self.entry_points()
        for path in self.find_files(list(folders)).values():
            with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                known = self._compiled.get(path)
                code = self.code_of(path)
                if known is None or known.code is not code:
                    _import_libraries(self._compiled[path].source)
                    for mapping in declared_mappings(path):
                        compile_pattern(mapping.path)

    def code_of(self, path: str) -> CodeType:
        """The code of the file as it is now. Raises OSError, and SyntaxError or ValueError as `compile` does."""
        known = self._compiled.get(path)
        if known is not None and known.state is not None and known.state == _state(os.stat(path)):
            return known.code
        with open(path, "rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            source = file.read()
        is_settled = self._clock() - found.st_ctime_ns > _SETTLED_NANOSECONDS
        if known is None or known.source != source:
            code: CodeType = compile(source, path, "exec", dont_inherit=True)
        else:
            code = known.code
        self._compiled[path] = _Compiled(source, code, _state(found) if is_settled else None)
        return code

    def find_files(self, folders: Sequence[str]) -> dict[str, str]:
        """As `find_plugin_files`; folders that have settled are not read again until something in them has come, gone
        or been renamed. The answer is the caller's own."""
        now = [_state_of(folder) for folder in folders]
        known = self._files.get(tuple(folders))
        if known is None or known[0] != now:
            files = find_plugin_files(folders)
            youngest = max((state[-1] for state in now if state is not None), default=0)
            if self._clock() - youngest <= _SETTLED_NANOSECONDS or any(map(os.path.islink, files.values())):
                return files  # what a link leads to comes and goes elsewhere
            known = self._files[tuple(folders)] = now, files
        return dict(known[1])

    def entry_points(self) -> EntryPoints:
        """Plugins of installed distributions: name to the function that imports it. Read again when a folder in which
        distributions are installed has changed."""
        now = tuple(_changed_at(folder) for folder in sys.path)
        if self._entry_points is None or self._entry_points[0] != now:
            self._entry_points = (now, {point.name: point.load for point in entry_points(group=ENTRY_POINT_GROUP)})
        return self._entry_points[1]

    def take_manager(self) -> pluggy.PluginManager:
        """A plugin manager in which nothing is registered: the one that was prepared, or a new one."""
        return self._managers.pop() if self._managers else new_plugin_manager()


def find_plugin_files(folders: Sequence[str]) -> dict[str, str]:
    """Plugin files by stem, in the order of folders and names; of two with one stem the first folder's counts.

    Files whose names begin with `_` or `.` are no plugins. A folder that does not exist holds none. A plugin file may
    stand in a folder's place, as if it lay alone in one.
    """
    found: dict[str, str] = {}
    for folder in folders:
        try:
            with os.scandir(folder) as entries:
                files = [entry for entry in entries if entry.name.endswith(".py") and entry.is_file()]
        except NotADirectoryError:
            found.setdefault(os.path.basename(folder).removesuffix(".py"), folder)
            continue
        except OSError:
            continue
        for entry in sorted(files, key=lambda entry: entry.name):
            if not entry.name.startswith(("_", ".")):
                found.setdefault(entry.name.removesuffix(".py"), entry.path)
    return found


def _import_libraries(source: bytes) -> None:
    for name in _libraries_of(source):
        with contextlib.suppress(ImportError):  # the worker says which plugin lacks it
            importlib.import_module(name)


def _libraries_of(source: bytes) -> Iterator[str]:
    """Modules that the file imports at its top, of isapy and the standard library: importing those has no effect that
    a fork could not take over. Others may start threads or open connections, and wait for the worker."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
            if node.module.partition(".")[0] == _OWN_PACKAGE:  # what it imports from there may be modules, too
                names += [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            if top == _OWN_PACKAGE or top in sys.stdlib_module_names:
                yield name


def _state(found: os.stat_result) -> _State:
    """What changes with a file's bytes: nobody can set the time of the last change (ctime), as the other one can."""
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _state_of(folder: str) -> _State | None:
    try:
        return _state(os.stat(folder))
    except OSError:
        return None


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0
