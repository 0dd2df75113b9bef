"""Finds `module:Class` in an application's own folders, or among what is installed.

An application's code is imported under a private name and never through `sys.path`: two applications of a worker may
each have an `orders.py`. `import orders` inside of it means its own; no byte code is written beside the sources.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.machinery
import importlib.util
import itertools
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any, Final

from host.api import HttpError

CODE_FOLDERS: Final = ("App_Code", "bin")
"""Folders of an application whose modules its types may be in, in this order (ASP.NET's names)."""

PREFIX: Final = "host_managed_"
_Stamp = tuple[int, int, int]
_numbers = itertools.count(1)


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Runs a source file as it is now, with the application's own `import`."""

    def __init__(self, name: str, path: str, owner: TypeLoader) -> None:
        super().__init__(name, path)
        self._owner = owner

    def get_code(self, fullname: str) -> CodeType | None:
        """Compiled from the source, never from a cache."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        """Run it; its file is watched from now on."""
        self._owner.note(self.path)
        vars(module)["__builtins__"] = self._owner.builtins
        super().exec_module(module)


class TypeLoader:
    """The code of one application; `folder` is its root."""

    def __init__(self, folder: str) -> None:
        self._folders = [os.path.join(folder, name) for name in CODE_FOLDERS]
        self.folder = folder
        self._package = f"{PREFIX}{next(_numbers)}"
        self._files: dict[str, _Stamp] = {}
        self._lock = threading.RLock()
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self._import}
        package = ModuleType(self._package, "An application's own code, loaded by isapy.")
        package.__path__ = []
        sys.modules[self._package] = package

    def load(self, named: str) -> type:
        """The class of `module:Class`. Raises HttpError 500.21 when there is none, or whatever its import raises."""
        module_name, _, class_name = named.partition(":")
        found: Any = self._module(module_name, named)
        for part in class_name.split("."):
            found = getattr(found, part, None)
        if not isinstance(found, type):
            detail = f"{named}: the module {module_name} has no class {class_name}"
            raise HttpError(500, 21, detail, remedy=f"Define it in {self._place(module_name)}, or correct the type.")
        return found

    def load_file(self, path: str, name: str) -> ModuleType:
        """A file of the application outside of its code folders (global_asax.py)."""
        return self._run(f"{self._package}.{name}", path)

    def note(self, path: str) -> None:
        """Watch that file."""
        self._files[path] = _stamp(path)

    def changed_files(self) -> list[str]:
        """Files that were loaded and are others by now: the application must start anew."""
        return [path for path, stamp in self._files.items() if _stamp(path) != stamp]

    def forget(self) -> None:
        """Take the application's modules out of the process, after a start that failed."""
        for name in [name for name in sys.modules if name.startswith(f"{self._package}.")]:
            del sys.modules[name]
        self._files.clear()

    def _module(self, name: str, named: str) -> ModuleType:
        own = self._own(name)
        if own is not None:
            return own
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise  # the module is there and misses another one
            detail = f"{named}: there is no module {name}"
            remedy = (
                f"Put {name.replace('.', '/')}.py into {self._folders[0]}, or install the package for isapy's Python."
            )
            raise HttpError(500, 21, detail, remedy=remedy) from error

    def _own(self, name: str) -> ModuleType | None:
        """The application's module of that dotted name, if its code folders have its first part."""
        top, _, rest = name.partition(".")
        path = self._path_of(top)
        if path is None:
            return None
        with self._lock:
            module = sys.modules.get(f"{self._package}.{top}") or self._run(f"{self._package}.{top}", path)
            return importlib.import_module(f"{module.__name__}.{rest}") if rest else module

    def _path_of(self, top: str) -> str | None:
        for folder in self._folders:
            for path in (os.path.join(folder, f"{top}.py"), os.path.join(folder, top, "__init__.py")):
                if os.path.isfile(path):
                    return path
        return None

    def _place(self, module_name: str) -> str:
        return self._path_of(module_name.partition(".")[0]) or module_name

    def _run(self, private_name: str, path: str) -> ModuleType:
        loader = _SourceLoader(private_name, path, self)
        folders = [os.path.dirname(path)] if os.path.basename(path) == "__init__.py" else None
        spec = importlib.util.spec_from_file_location(
            private_name, path, loader=loader, submodule_search_locations=folders
        )
        assert spec is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[private_name] = module  # before it runs: modules may import each other in a circle
        try:
            loader.exec_module(module)
        except BaseException:
            sys.modules.pop(private_name, None)
            raise
        return module

    def _import(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as the language defines it, looking into the application's folders first."""
        if level == 0:
            own = self._own(name)
            if own is not None:
                return own if fromlist or "." not in name else sys.modules[f"{self._package}.{name.partition('.')[0]}"]
        return builtins.__import__(name, globals, locals, fromlist or (), level)


def _stamp(path: str) -> _Stamp:
    """What changes when a file is written, replaced or removed."""
    try:
        status = os.stat(path)
    except OSError:
        return (0, 0, 0)
    return (status.st_mtime_ns, status.st_size, status.st_ino)
