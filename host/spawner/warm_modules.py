"""The standard library's modules that a warm Python has loaded; a part of `warm_python.py`, and as old a Python's.

Most are in sys.modules before a script begins. A module that warns when it is imported (PEP 594's) is not: its
warning is the script's. Such a one is kept finished, outside sys.modules. The fork's first `import` of it is handed the
finished module by the finder that would have found its file, and warned as the module warns: with the filters of that
moment, in the name of the line that imports. What shows a warning is kept the same way.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Iterator

_LIBRARY = os.path.dirname(os.__file__)
_SHOWS_WARNINGS = "linecache"

KEPT: list[ModuleType] = []
"""What is dropped from sys.modules must not be destroyed."""


class _Finished:
    """A module whose code has run: what it said, in the importer's name, and the modules that came with it."""

    def __init__(self, module: ModuleType, said: list[tuple[str, type[Warning]]], others: list[ModuleType]) -> None:
        self.module, self.said, self.others = module, said, others

    def is_whole(self) -> bool:
        """Whether it is what an import would make now: none of the others has been loaded meanwhile by itself, and no
        warning becomes an exception, whose traceback would name this file."""
        is_error = bool(self.said) and any(one[0] == "error" for one in warnings.filters)
        return not is_error and not any(other.__name__ in sys.modules for other in self.others)


class _Handing:
    """A loader, of one import."""

    def __init__(self, finished: _Finished) -> None:
        self._finished = finished
        self._spec = finished.module.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        del spec
        return self._finished.module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec
        for text, category in self._finished.said:
            warnings.warn(text, category, stacklevel=2)  # the import system's own frames are not counted
        for other in self._finished.others:
            sys.modules[other.__name__] = other


_finished: dict[str, _Finished] = {}


def is_library(path: str) -> bool:
    """Whether a file or a folder belongs to the standard library."""
    is_site = "site-packages" in path or "dist-packages" in path
    return not is_site and (path == _LIBRARY or path.startswith(_LIBRARY + "/") or path.endswith(".zip"))


def preload(names: set[str]) -> None:
    """Import what is of the standard library, finished ones for `hand_out`."""
    ours = sys.path[:]
    sys.path[:] = [path for path in ours if is_library(path)]
    try:
        for name in sorted(names):
            parent = name.rpartition(".")[0]
            if name in _finished or name in sys.modules:
                continue
            if parent not in sys.modules or hasattr(sys.modules[parent], "__path__"):  # else a name in no package
                _preload(name)
        if _finished and _SHOWS_WARNINGS not in sys.modules and _SHOWS_WARNINGS not in _finished:
            new, _ = _import(_SHOWS_WARNINGS)
            _keep(_SHOWS_WARNINGS, new, [])
    finally:
        sys.path[:] = ours


def _preload(name: str) -> None:
    new, told = _import(name)
    texts = [str(one.message) for one in told]
    speaking = [one for one in new if texts and (one == name or any(repr(one) in text for text in texts))]
    if speaking != [name] or any(one.filename != __file__ for one in told):  # it warns in another's name
        KEPT.extend(sys.modules.pop(one) for one in speaking)
    else:
        _keep(name, speaking, [(str(one.message), one.category) for one in told])


@contextlib.contextmanager
def recorded_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Every warning that comes meanwhile, shown to nobody.

    Python's own code in C goes on with the filters that it has seen last where `warnings` is not loaded, as in most
    scripts: without another look at those that count, each would be told of every file that it does not close.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield told
    kept = warnings.filters[:]
    warnings.simplefilter("ignore")
    warnings.warn("", stacklevel=1)
    warnings.filters[:] = kept  # type: ignore[index]


def _import(name: str) -> tuple[list[str], list[warnings.WarningMessage]]:
    """The names that are new in sys.modules, and the warnings."""
    before = set(sys.modules)
    with recorded_warnings() as told, contextlib.suppress(Exception):
        __import__(name)
    return [new for new in sys.modules if new not in before], told


def _keep(name: str, new: list[str], said: list[tuple[str, type[Warning]]]) -> None:
    modules = [sys.modules.pop(one) for one in new]
    KEPT.extend(modules)
    if name in new and "." not in name:
        others = [module for module in modules if module.__name__ != name]
        _finished[name] = _Finished(modules[new.index(name)], said, others)


def hand_out() -> None:
    """In a fork: the finder of the library's folder finds finished modules. A script that looks for modules itself
    has not been given any (`Script.touches_imports`), so only who looks into that finder sees it."""
    finder: Any = sys.path_importer_cache.get(_LIBRARY)
    find_file = getattr(finder, "find_spec", None)
    if find_file is None or not _finished:
        return

    def find_spec(name: str, target: ModuleType | None = None) -> ModuleSpec | None:
        finished = _finished.pop(name, None)
        if finished is None or target is not None or not finished.is_whole():
            found: ModuleSpec | None = find_file(name, target)
            return found
        return ModuleSpec(name, _Handing(finished))  # type: ignore[arg-type]

    finder.find_spec = find_spec
