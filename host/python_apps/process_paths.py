"""What all Python applications of a process share, because a process has it once: sys.path, the loaded modules, the
current folder. The first application decides; a later one that needs it otherwise is refused and told to move.

A process has one virtual environment: two would mean that one application gets the other's version of a package.
"""

from __future__ import annotations

import os
import site
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from host.python_apps.byte_code import import_settled
from host.python_apps.virtual_environment import EnvironmentRefused, packages_folder

_MOVE: Final = (
    'Give it an application pool of its own (in IIS 5 isolation mode: isolation="High"), so that it has a process of '
    "its own."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an application asks of its process. `application` names it for people."""

    application: str
    environment: str  # folder of the virtual environment; empty: isapy's own packages
    folder: str  # where its modules lie
    insists_on_folder: bool  # its working directory is configured: no other current folder will do


class ProcessPaths:
    """The applications that this process has let in."""

    def __init__(self) -> None:
        self._members: list[Wanted] = []
        self._lock = threading.Lock()

    def let_in(self, wanted: Wanted) -> str:
        """Make the process fit for the application; gives a sentence about what it does not get, mostly an empty one.

        Raises EnvironmentRefused.
        """
        with self._lock:
            if not os.path.isdir(wanted.folder):
                remedy = "Make the folder, or correct <pythonApplication workingDirectory>."
                raise EnvironmentRefused(f"the working directory {wanted.folder} does not exist", remedy)
            packages = packages_folder(wanted.environment) if wanted.environment else ""
            first = self._members[0] if self._members else None
            if first is not None:
                self._check_beside(first, wanted)
            self._refuse_clashing_modules(wanted)
            note = ""
            if first is None:
                _put_first(_entries_of(packages))
                os.chdir(wanted.folder)
            elif os.path.realpath(os.getcwd()) != os.path.realpath(wanted.folder):
                note = f"the current folder stays {os.getcwd()}, that of {first.application}"
            import_settled(wanted.folder)
            _put_first([wanted.folder])
            self._members.append(wanted)
            return note

    def exchange(self, members: list[Wanted]) -> list[Wanted]:
        """From now on those are the ones that were let in; gives who it was. For whoever puts back what else of the
        process they have changed."""
        with self._lock:
            before, self._members = self._members, members
        return before

    def _check_beside(self, first: Wanted, wanted: Wanted) -> None:
        if os.path.realpath(first.environment or "/") != os.path.realpath(wanted.environment or "/"):
            text = (
                f"{wanted.application} needs {_name_of(wanted.environment)}, but this process has "
                f"{_name_of(first.environment)} for {first.application}; a process can have one"
            )
            raise EnvironmentRefused(text, _MOVE)
        if wanted.insists_on_folder and os.path.realpath(os.getcwd()) != os.path.realpath(wanted.folder):
            text = f"{wanted.application} wants the working directory {wanted.folder}, but this process is in "
            raise EnvironmentRefused(f"{text}{os.getcwd()} for {first.application}", _MOVE)

    def _refuse_clashing_modules(self, wanted: Wanted) -> None:
        """A name that another application has loaded from its own folder would give this one the other's code."""
        own = os.path.realpath(wanted.folder)
        others = {os.path.realpath(member.folder): member for member in self._members}
        others.pop(own, None)
        for name in module_names_in(own):
            file = getattr(sys.modules.get(name), "__file__", None)
            folder = os.path.dirname(os.path.realpath(file)) if file else ""
            if os.path.basename(file or "") == "__init__.py":
                folder = os.path.dirname(folder)
            if folder in others:
                text = f"{wanted.application} has a module {name}, but this process has loaded another one of that name"
                raise EnvironmentRefused(f"{text}, {file} of {others[folder].application}", _MOVE)


PROCESS_PATHS: Final = ProcessPaths()
"""Of this process: what it describes is the process's, too."""


def module_names_in(folder: str) -> Iterator[str]:
    """Names that `import` finds in the folder itself."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            stem, _, suffix = entry.name.partition(".")
            if stem.isidentifier() and (suffix == "py" or (not suffix and entry.is_dir())):
                yield stem


def _entries_of(packages: str) -> list[str]:
    """What the environment's packages folder adds to sys.path, its .pth files included."""
    if not packages:
        return []
    before = list(sys.path)
    site.addsitedir(packages)
    return [entry for entry in sys.path if entry not in before]


def _put_first(entries: list[str]) -> None:
    sys.path[:] = [*entries, *(entry for entry in sys.path if entry not in entries)]


def _name_of(environment: str) -> str:
    return f"the virtual environment {environment}" if environment else "isapy's own packages"
