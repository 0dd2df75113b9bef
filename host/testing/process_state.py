"""What a worker keeps for itself of its process, put back behind a test: the current folder, sys.path and its hooks,
the modules of Python applications. A worker's process ends with it; a test's goes on, with the next test in it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_ENVIRONMENT = f"{os.sep}site-packages{os.sep}"
_MEMBERS = "host.python_apps.process_paths"  # knows which applications its process has let in; loaded with the first


class ProcessState:
    """The process as it is now; from now on no application is let in."""

    def __init__(self) -> None:
        self._folder = os.getcwd()
        self._path = list(sys.path)
        self._path_hooks = list(sys.path_hooks)
        self._modules = frozenset(sys.modules)
        self._members = _exchange([])

    def restore(self) -> None:
        """Make it so again. Modules are forgotten that came from the folders added since, so that the next test runs
        their code anew; not those of an environment, since compiled ones (numpy's) can be loaded once in a process.
        Raises OSError when the folder is gone that was the current one."""
        added = tuple(os.path.join(os.path.realpath(entry), "") for entry in sys.path if entry not in self._path)
        for name in set(sys.modules) - self._modules:
            file = os.path.realpath(getattr(sys.modules[name], "__file__", None) or "")
            if file.startswith(added) and _ENVIRONMENT not in file:
                del sys.modules[name]
        _exchange(self._members)
        sys.path[:] = self._path
        sys.path_hooks[:] = self._path_hooks
        os.chdir(self._folder)


def _exchange(members: list[Any]) -> list[Any]:
    """Let those be the applications of this process, and give who they were. The modules stay: compiled ones are loaded
    once in a process."""
    module = sys.modules.get(_MEMBERS)
    before: list[Any] = [] if module is None else module.PROCESS_PATHS.exchange(members)
    return before
