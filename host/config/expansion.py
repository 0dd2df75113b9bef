"""`%NAME%`, relative paths and backslashes: from the text of an attribute to what it means on this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from host.bundled_files import bundled_folder
from host.config.errors import ValueProblem
from host.config.schema_types import Expansion
from host.config.values import nearest_name

_NAME: Final = re.compile(r"%([A-Za-z_][A-Za-z0-9_()]*)%")
_ROOT: Final = "ISAPY_ROOT"  # the one name that isapy itself puts there: others may be meant by nobody
_WINDOWS_NAMES: Final = frozenset(
    (
        *("systemdrive", "systemroot", "windir", "programfiles", "programfiles(x86)", "programdata", "public"),
        *("commonprogramfiles", "commonprogramfiles(x86)", "allusersprofile", "userprofile", "appdata", "localappdata"),
        *("temp", "tmp", "iis_bin", "iis_user_home", "iis_sites_home"),
    )
)
_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def _remedy_for(name: str) -> str:
    if name.casefold() in _WINDOWS_NAMES:
        return "a folder of Windows; give a folder or file of this machine"
    own = nearest_name(name, [_ROOT])
    return f"did you mean %{own}%?" if own else f"set {name} before isapy starts"


class Expander:
    """Expands the attributes of one file. `folder` is the file's own, which relative paths start from."""

    def __init__(self, folder: str, variables: Mapping[str, str]) -> None:
        self.folder = folder
        self._variables = variables

    def at(self, folder: str) -> Expander:
        """The same names, for a file in another folder."""
        return Expander(folder, self._variables)

    def expand(self, text: str, expansion: Expansion) -> str:
        """The text as it is to be used. Raises ValueProblem for an unknown name or a path of another system."""
        match expansion:
            case Expansion.NONE:
                return text
            case Expansion.TEXT:
                return self.names(text)
            case Expansion.PATH:
                return self.path(text)
            case Expansion.PATHS:
                return ";".join(self.path(part.strip()) for part in text.split(";") if part.strip())
            case Expansion.COMMAND:
                return self._command(self.names(text))
            case Expansion.PLUGIN:
                return self.path(text) if _looks_like_a_file(text) else self.names(text)

    def names(self, text: str) -> str:
        """`%NAME%` replaced by the environment's value. A single % stays what it is."""

        def value(found: re.Match[str]) -> str:
            name = found[1]
            if name not in self._variables:
                raise ValueProblem(f"%{name}% is not in the environment", _remedy_for(name))
            return self._variables[name]

        return _NAME.sub(value, text)

    def path(self, text: str) -> str:
        """An absolute path without `.` and `..`; an empty text stays empty."""
        expanded = self.names(text)
        if not expanded:
            return ""
        if _WINDOWS_PATH.match(expanded):
            raise ValueProblem(f'"{expanded}" is a Windows path', "give a folder or file of this machine")
        return os.path.normpath(os.path.join(self.folder, expanded.replace("\\", "/")))

    def _command(self, text: str) -> str:
        """`program`, `program|arguments`, `"program" arguments` or `program arguments`: the program made absolute.

        A program written without a slash is looked up later, where programs are (PATH of the pool).
        """
        if text.startswith('"') and '"' in text[1:]:
            program, rest = text[1:].split('"', 1)
            return f'"{self._program(program)}"{rest}'
        end = next((position for position in (text.find("|"), text.find(" ")) if position >= 0), len(text))
        return self._program(text[:end]) + text[end:]

    def _program(self, program: str) -> str:
        if program.startswith(("unix:", "tcp:")):  # the address of a server
            return program
        if _WINDOWS_PATH.match(program):
            raise ValueProblem(f'"{program}" is a Windows path', "give a program of this machine")
        slashed = program.replace("\\", "/")
        return os.path.normpath(os.path.join(self.folder, slashed)) if "/" in slashed else program


def _looks_like_a_file(text: str) -> bool:
    return "/" in text or "\\" in text or text.endswith((".py", ".so"))


def server_expander(file: str, environment: Mapping[str, str]) -> Expander:
    """Names and folder of the server's configuration file: the environment and the four %ISAPY_...% names."""
    folder = os.path.dirname(os.path.abspath(file))
    variables = dict(environment)
    variables["ISAPY_CONF"] = folder
    variables[_ROOT] = root_folder(file)
    variables["ISAPY_STATE"] = state_folder(environment)
    variables["ISAPY_BUNDLED"] = str(bundled_folder("extensions").parent)
    return Expander(folder, variables)


def root_folder(file: str) -> str:
    """`%ISAPY_ROOT%`: the folder above the file's if that one is called conf, else the file's own."""
    folder = os.path.dirname(os.path.abspath(file))
    return os.path.dirname(folder) if os.path.basename(folder) == "conf" else folder


def state_folder(environment: Mapping[str, str]) -> str:
    """`%ISAPY_STATE%`: where logs and other changing files go (XDG Base Directory Specification)."""
    if environment.get("ISAPY_STATE"):
        return os.path.abspath(environment["ISAPY_STATE"])
    base = environment.get("XDG_STATE_HOME") or ""
    if not os.path.isabs(base):
        base = os.path.join(environment.get("HOME") or os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "isapy")
