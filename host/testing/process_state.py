"""What a worker keeps for itself of its process, put back behind a test: the current folder, sys.path, the modules of
Python applications. A worker's process ends with it; a test's goes on, with the next test in it.
"""

from __future__ import annotations

import os
import sys
from types import ModuleType

_ENVIRONMENT = f"{os.sep}site-packages{os.sep}"
_ROOM = "host.python_apps"  # knows which applications its process has let in


class ProcessState:
    """The process as it is now; from now on no application is let in."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._path = list(sys.path)
        self._modules = frozenset(sys.modules)
        self._room = _taken_out()

    def restore(self) -> None:
        """Make it so again. Modules are forgotten that came from the folders added since, so that the next test runs
        their code anew; not those of an environment, since compiled ones (numpy's) can be loaded once in a process.
        Raises OSError when the folder is gone that was the current one."""
        added = tuple(os.path.join(os.path.realpath(entry), "") for entry in sys.path if entry not in self._path)
        for name in set(sys.modules) - self._modules:
            file = os.path.realpath(getattr(sys.modules[name], "__file__", None) or "")
            if file.startswith(added) and _ENVIRONMENT not in file:
                del sys.modules[name]
        _taken_out()
        sys.modules.update(self._room)
        sys.path[:] = self._path
        os.chdir(self._folder)


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == _ROOM or name.startswith(f"{_ROOM}.")]
    return {name: sys.modules.pop(name) for name in names}
