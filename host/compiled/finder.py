"""Lets imports find the compiled modules, as long as they are of the sources that lie beside them.

A source that was changed since makes all of them stand back: they call each other directly, and would go on calling
what the changed one was. So an edited checkout runs what is written in it, and nothing has to be compiled to try it.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Sequence
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
from types import ModuleType
from typing import Final

SWITCH: Final = "ISAPY_COMPILED"
"""The environment variable that keeps the compiled modules from being used, and built, when it is `off`."""

MANIFEST: Final = "sources"
SUFFIX: Final = EXTENSION_SUFFIXES[0]
LIBRARY: Final = "isapy__mypyc"
"""The library that holds the code of all of them, under the name that mypyc gives it."""

WRITTEN_IN_C: Final = ("host.processes.heap_pages",)
"""Modules whose source is C: they exist compiled, or not at all."""

PROJECT: Final = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
"""The folder that `host` lies in: the checkout, or site-packages."""

FOLDER: Final = os.path.join(os.path.dirname(os.path.abspath(__file__)), SUFFIX.split(".")[1])
"""Where the compiled modules of this Python lie: each version and machine has its own."""


def source_of(name: str) -> str:
    """The path of a module's source."""
    return os.path.join(PROJECT, *name.split(".")) + (".c" if name in WRITTEN_IN_C else ".py")


def checksum_of(name: str) -> str:
    """What tells one state of a module's source from another. Raises OSError."""
    with open(source_of(name), "rb") as file:
        source = file.read()
    return f"{len(source)}-{zlib.crc32(source):08x}"


def read_manifest() -> dict[str, str]:
    """The checksum of the source of each compiled module, by name; empty where nothing is compiled."""
    try:
        with open(os.path.join(FOLDER, MANIFEST), encoding="ascii") as file:
            return dict(line.split() for line in file)
    except OSError:
        return {}


def changed_sources(manifest: dict[str, str]) -> list[str]:
    """The modules whose sources are not those that were compiled."""
    changed = []
    for name, checksum in manifest.items():
        try:
            if checksum_of(name) != checksum:
                changed.append(name)
        except OSError:
            changed.append(name)
    return changed


class CompiledModules:
    """Finds a compiled module before its source is found (an entry of `sys.meta_path`)."""

    def __init__(self, manifest: dict[str, str]) -> None:
        self._names = manifest
        self._is_current: bool | None = None

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The compiled module of that name. The sources are looked at when the first one is asked for."""
        if name not in self._names and name != LIBRARY:
            return None
        if self._is_current is None:
            self._is_current = not changed_sources(self._names)
        if not self._is_current:
            return None
        file = os.path.join(FOLDER, name + SUFFIX)
        return spec_from_file_location(name, file, loader=ExtensionFileLoader(name, file))


def describe() -> str:
    """One phrase for people: whether the compiled modules are in use, and why not."""
    if os.environ.get(SWITCH) == "off":
        return f"not in use: {SWITCH}=off"
    manifest = read_manifest()
    if not manifest:
        return "none: install again with a C compiler and Python's headers (apt-get install gcc python3-dev)"
    if changed := changed_sources(manifest):
        others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"not in use: {changed[0]}{others} changed since (make compile)"
    return f"{len(manifest)} modules"


def install() -> None:
    """Let imports find the compiled modules, if there are any."""
    if os.environ.get(SWITCH) != "off" and (manifest := read_manifest()):
        sys.meta_path.insert(0, CompiledModules(manifest))
