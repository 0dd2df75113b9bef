"""What a worker's plugins need and no plugin's code makes: compiled files, the libraries they import, pluggy ready.

A pool's parent prepares it before it forks (measured: two thirds of what a worker's start takes); the worker finds it
in its memory. Nothing of a plugin runs in the parent, and the code that runs in a worker is what the file says when it
is loaded: a compiled file counts only while the bytes are the same.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from types import CodeType
from typing import Any, Final

import pluggy

from host.worker.hooks import new_plugin_manager
from host.worker.plugin_loader import declared_mappings
from host.worker.url_patterns import compile_pattern

ENTRY_POINT_GROUP: Final = "isapy.plugins"
_OWN_PACKAGE: Final = "host"

EntryPoints = Mapping[str, Callable[[], Any]]


class PluginCode:
    """Of one process and those it forks; a copy is the worker's own."""

    def __init__(self) -> None:
        self._compiled: dict[str, tuple[bytes, CodeType]] = {}
        self._managers: list[pluggy.PluginManager] = []
        self._entry_points: tuple[tuple[int, ...], EntryPoints] | None = None

    def prepare(self, folders: Iterable[str]) -> None:
        """Compile the plugin files there, import the parts of isapy and of the standard library that they name,
        compile the patterns of the mappings that they bring, and have a plugin manager ready. A file that cannot be
        read or compiled is left to the worker, which reports it."""
        if not self._managers:
            self._managers.append(new_plugin_manager())
        self.entry_points()
        for path in find_plugin_files(list(folders)).values():
            with contextlib.suppress(OSError, SyntaxError, ValueError, RecursionError):
                known = self._compiled.get(path)
                self.code_of(path)
                if self._compiled[path] is not known:
                    _import_libraries(self._compiled[path][0])
                    for mapping in declared_mappings(path):
                        compile_pattern(mapping.path)

    def code_of(self, path: str) -> CodeType:
        """The code of the file as it is now. Raises OSError, and SyntaxError or ValueError as `compile` does."""
        with open(path, "rb", buffering=0) as file:
            source = file.read()
        known = self._compiled.get(path)
        if known is not None and known[0] == source:
            return known[1]
        code: CodeType = compile(source, path, "exec", dont_inherit=True)
        self._compiled[path] = (source, code)
        return code

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


def _changed_at(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0
