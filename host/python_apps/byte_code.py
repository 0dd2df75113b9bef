"""How an application's own modules are imported: no byte code is kept of a source that was saved just now.

Python takes a `.pyc` for its source's when size and whole seconds of the time are the same (PEP 552, timestamp-based):
a module that is saved again within the second in which it was loaded would be the old one in every later process.
"""

from __future__ import annotations

import os
import sys
import time
from importlib.abc import PathEntryFinder
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from typing import Any, Final

_SETTLED_SECONDS: Final = 2.0
"""Age at which a source's time tells it from what is saved next: a whole second, and one for coarse clocks."""


class SettledLoader(SourceFileLoader):
    """Python's own loader, but the byte code of a source younger than two seconds is not written."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """What `get_code` calls with the `.pyc` it has made."""
        try:
            age = time.time() - os.stat(self.path).st_mtime
        except OSError:
            return
        if age >= _SETTLED_SECONDS:
            super().set_data(path, data, _mode=_mode)


def import_settled(folder: str) -> None:
    """From now on this process imports what lies in the folder, or below it, with a SettledLoader."""
    own = os.path.realpath(folder)

    def find_in(path: str) -> PathEntryFinder:
        """A path hook, as PEP 302 has it: ImportError for all other folders."""
        if not _is_in(path, own):
            raise ImportError(f"{path} is not in {own}", path=path)
        return _FINDER_OF(path)

    sys.path_hooks.insert(0, find_in)
    for path in [path for path in sys.path_importer_cache if _is_in(path, own)]:
        del sys.path_importer_cache[path]


_FINDER_OF: Final = FileFinder.path_hook(
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SettledLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)
"""Python's own order of what a module's file may be."""


def _is_in(path: str, folder: str) -> bool:
    return os.path.join(os.path.realpath(path), "").startswith(os.path.join(folder, ""))
