"""What entries of handlers, isapiFilters and modules name that nobody has: a handler's module, a condition.

Warnings, because a worker serves the rest: a mapping whose modules are unknown, or that names nobody at all, answers
500.21, and an entry with a condition that does not exist counts as absent, as if it were not meant for this server.
Nothing else would tell of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import metadata
from typing import Final

from host.config.problems import Problems
from host.config.section_reader import Content
from host.config.values import nearest_name

PLUGIN_GROUP: Final = "isapy.plugins"
"""Entry point group in which installed distributions offer plugins."""

CONDITIONS: Final = ("integratedMode", "classicMode", "bitness32", "bitness64", "managedHandler")
"""Every condition of a preCondition, compared without case, besides those that begin with `runtimeVersion`."""
_RUNTIME_VERSION: Final = "runtimeversion"


class HandlerModules:
    """Answers which module names of a handler somebody has. Files are read when a name is no file's, and once."""

    def __init__(self, folders: Iterable[str]) -> None:
        self._folders = tuple(folders)
        self._texts: list[str] | None = None

    def check(self, entry: Content, problems: Problems) -> None:
        """Warns of an entry none of whose modules is known (a list with one that is known works, as in IIS)."""
        names = [name.strip() for name in str(entry.values.get("modules", "")).split(",") if name.strip()]
        if not names or metadata.entry_points(group=PLUGIN_GROUP) or any(self._is_known(name) for name in names):
            return  # what an installed plugin calls itself only its code knows, which is not run here
        message = f"no plugin is called {', '.join(names)}: such requests are answered with 500.21"
        nearest = nearest_name(names[0], self._likely())
        remedy = f"did you mean {nearest}?" if nearest else "name a plugin that `isapy list plugins` shows"
        problems.warnings.append(entry.node.error(message, remedy, attribute="modules"))

    def _is_known(self, name: str) -> bool:
        if name.lower() in (stem.lower() for stem in drop_ins(self._folders)):
            return True
        quoted = (f'"{name.lower()}"', f"'{name.lower()}'")  # module_names() of a file that is not run here
        return any(text in source.lower() for source in self._sources() for text in quoted)

    def _sources(self) -> list[str]:
        if self._texts is None:
            self._texts = [
                _text_of(os.path.join(folder, f"{name}.py")) for folder in self._folders for name in drop_ins([folder])
            ]
        return self._texts

    def _likely(self) -> list[str]:
        """Names that may be meant: of files, and the words in quotes that look like a module's name."""
        words = {word for source in self._sources() for word in source.replace("'", '"').split('"')}
        return [*drop_ins(self._folders), *sorted(word for word in words if word.isalnum() and "Module" in word)]


def check_names_somebody(entry: Content, problems: Problems) -> None:
    """Warns of a handler that says by no attribute who answers."""
    if not any(entry.values.get(name) for name in ("modules", "scriptProcessor", "type")):
        message = "it names nobody who answers: such requests are answered with 500.21"
        remedy = "name a plugin in modules, or a program in scriptProcessor"
        problems.warnings.append(entry.node.error(message, remedy))


def check_pre_condition(entry: Content, problems: Problems) -> None:
    """Warns of a condition that there is not: the entry would silently take part in nothing."""
    for condition in str(entry.values.get("preCondition", "")).split(","):
        name = condition.strip()
        lower = name.lower()
        if not name or lower.startswith(_RUNTIME_VERSION) or lower in (known.lower() for known in CONDITIONS):
            continue
        nearest = nearest_name(name, CONDITIONS)
        remedy = f"did you mean {nearest}?" if nearest else f"write one of {', '.join(CONDITIONS)}, runtimeVersion..."
        message = f'there is no condition "{name}": it never holds, and the entry counts as absent'
        problems.warnings.append(entry.node.error(message, remedy, attribute="preCondition"))


def drop_ins(folders: Iterable[str]) -> list[str]:
    """Names of the plugin files in these folders, sorted."""
    found = {
        name[:-3]
        for folder in folders
        if os.path.isdir(folder)
        for name in os.listdir(folder)
        if name.endswith(".py") and not name.startswith("_")
    }
    return sorted(found)


def _text_of(file: str) -> str:
    try:
        with open(file, encoding="utf-8", errors="replace") as source:
            return source.read()
    except OSError:
        return ""
