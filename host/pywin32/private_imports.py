"""Imports for a module that was written for pywin32, and for what lies beside it.

Each file's folder is a world of its own: names are looked for among the shims of this room, then beside the file, then
as everywhere. An installed library that wants a shim itself is loaded once more, under a private name.
`sys` has `isapidllhandle` there, by which such modules know that they are hosted.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.util
import os
import sys
import threading
import zlib
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any, Final

ROOM: Final = "host.pywin32"
SHIMS: Final = frozenset(
    {
        "isapi",
        "pywintypes",
        "win32api",
        "win32con",
        "win32event",
        "win32file",
        "win32security",
        "win32traceutil",
        "winerror",
    }
)
PREFIX: Final = "host_extensions.isapi_"
"""Private names begin so; a stack that holds one shows a plugin at work."""

DLL_HANDLE: Final = 0x10000000


class SysView(ModuleType):
    """`sys` with `isapidllhandle`; everything else is the real one's, also what is assigned."""

    isapidllhandle: int

    def __init__(self) -> None:
        super().__init__("sys", sys.__doc__)
        ModuleType.__setattr__(self, "isapidllhandle", DLL_HANDLE)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(sys, name, value)

    def __dir__(self) -> list[str]:
        return [*dir(sys), "isapidllhandle"]


class PrivateLoader(SourceFileLoader):
    """Runs a module with the imports of its world, compiled from its source each time (no .pyc beside web content)."""

    def __init__(self, fullname: str, path: str, world: PrivateImports) -> None:
        super().__init__(fullname, path)
        self._world = world

    def get_code(self, fullname: str) -> CodeType:
        """From the source as it is now."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def exec_module(self, module: ModuleType) -> None:
        """With the world's builtins."""
        vars(module)["__builtins__"] = self._world.builtins
        super().exec_module(module)


class _Submodules(MetaPathFinder):
    """Finds submodules of packages that were loaded under a private name."""

    def __init__(self) -> None:
        self.worlds: dict[str, PrivateImports] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Of names that begin with a world's prefix; others are not this finder's."""
        world = next((self.worlds[key] for key in self.worlds if fullname.startswith(key)), None)
        if world is None or path is None:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader) and spec.origin is not None:
            spec.loader = PrivateLoader(fullname, spec.origin, world)
        return spec


_submodules: Final = _Submodules()


class PrivateImports:
    """The world of one file."""

    def __init__(self, path: str) -> None:
        self._folder = os.path.dirname(os.path.abspath(path))
        self.prefix = f"{PREFIX}{zlib.crc32(os.fsencode(os.path.abspath(path))):08x}_"
        self._lock = threading.RLock()
        self._sys = SysView()
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": self.import_module}
        _submodules.worlds[self.prefix] = self
        if _submodules not in sys.meta_path:
            sys.meta_path.insert(0, _submodules)

    def load(self, name: str, path: str) -> ModuleType:
        """Load the file under its private name, anew. Raises whatever it raises."""
        with self._lock:
            return self._load(name, path, is_package=os.path.basename(path) == "__init__.py")

    def close(self) -> None:
        """Forget everything that was loaded."""
        _submodules.worlds.pop(self.prefix, None)
        for name in [name for name in sys.modules if name.startswith(self.prefix)]:
            del sys.modules[name]

    def import_module(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` as the language defines it."""
        if level == 0:
            top, _, rest = name.partition(".")
            if name == "sys":
                return self._sys
            if top in SHIMS:
                return _from(f"{ROOM}.{top}", rest, fromlist)
            with self._lock:
                path = _beside(self._folder, top)
                if path is not None:
                    return self._private(top, path, rest, fromlist)
                private_name = self.prefix + top
                if private_name in sys.modules:
                    return _from(private_name, rest, fromlist)
        try:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        except ModuleNotFoundError as error:
            if level or (error.name or "").partition(".")[0] not in SHIMS:
                raise
            return self._library(name, fromlist, error)

    def _library(self, name: str, fromlist: Sequence[str] | None, error: ModuleNotFoundError) -> ModuleType:
        """An installed library that wants a shim, under a private name."""
        top, _, rest = name.partition(".")
        spec = PathFinder.find_spec(top)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            raise error
        with self._lock:
            return self._private(top, spec.origin, rest, fromlist)

    def _private(self, top: str, path: str, rest: str, fromlist: Sequence[str] | None) -> ModuleType:
        private_name = self.prefix + top
        if private_name not in sys.modules:
            self._load(top, path, is_package=os.path.basename(path) == "__init__.py")
        return _from(private_name, rest, fromlist)

    def _load(self, name: str, path: str, *, is_package: bool) -> ModuleType:
        private_name = self.prefix + name
        for known in [known for known in sys.modules if known == private_name or known.startswith(private_name + ".")]:
            del sys.modules[known]
        spec = importlib.util.spec_from_file_location(
            private_name,
            path,
            loader=PrivateLoader(private_name, path, self),
            submodule_search_locations=[os.path.dirname(path)] if is_package else None,
        )
        assert spec is not None, "a loader was given"
        module = importlib.util.module_from_spec(spec)
        sys.modules[private_name] = module  # before it runs: modules may import each other in a circle
        try:
            spec.loader.exec_module(module)  # type: ignore[union-attr]
        except BaseException:
            sys.modules.pop(private_name, None)
            raise
        return module


def _beside(folder: str, top: str) -> str | None:
    for path in (f"{folder}/{top}.py", f"{folder}/{top}/__init__.py"):
        if os.path.isfile(path):
            return path
    return None


def _from(top_name: str, rest: str, fromlist: Sequence[str] | None) -> ModuleType:
    """What `import top.rest` (top) or `from top.rest import ...` (the submodule) gives."""
    module = importlib.import_module(top_name)
    if rest:
        submodule = importlib.import_module(f"{top_name}.{rest}")
        if not fromlist:
            return module
        module = submodule
    if hasattr(module, "__path__"):
        for name in fromlist or ():
            full_name = f"{module.__name__}.{name}"
            if name != "*" and not hasattr(module, name) and importlib.util.find_spec(full_name) is not None:
                importlib.import_module(full_name)
    return module
