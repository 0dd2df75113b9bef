"""`isapi.install`, as far as a module needs it to be imported and asked: no registry is written here.

A module that is run as a script to register itself is told the lines that applicationHost.config needs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

__all__ = [
    "ConfigurationError",
    "FilterParameters",
    "HandleCommandLine",
    "ISAPIParameters",
    "InstallationError",
    "ItemNotFound",
    "ScriptMapParams",
    "VirtualDirParameters",
    "configuration_lines",
]


class InstallationError(Exception):
    """The module cannot be registered."""


class ItemNotFound(InstallationError):
    """There is no such site."""


class ConfigurationError(InstallationError):
    """The parameters contradict each other."""


class _Parameters:
    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)


class FilterParameters(_Parameters):
    """A filter."""

    Name: Any = None
    Description: Any = None
    Path: Any = None
    Server: Any = None


class ScriptMapParams(_Parameters):
    """A file extension (or `*`) that an extension answers for."""

    Extension: Any = None
    Module: Any = None
    Flags = 5
    Verbs = ""

    def __str__(self) -> str:
        parts = [self.Extension, self.Module, self.Flags, *([self.Verbs] if self.Verbs else [])]
        return ",".join(str(part) for part in parts)


class VirtualDirParameters(_Parameters):
    """A virtual directory and its script maps."""

    Name: Any = None
    Description: Any = None
    AppProtection = 2
    Headers = "X-Powered-By: Python"
    Path: Any = None
    Type = "IIsWebVirtualDir"
    AccessExecute = True
    AccessRead = AccessWrite = AccessScript = False
    ContentIndexed = EnableDirBrowsing = EnableDefaultDoc = False
    DefaultDoc: Any = None
    ScriptMaps: Sequence[ScriptMapParams] = ()
    ScriptMapUpdate = "end"
    Server: Any = None

    def is_root(self) -> bool:
        """Whether it is the site itself."""
        return self.split_path() in ([], [""])

    def split_path(self) -> list[str]:
        """Its URL path in segments."""
        return [part for part in str(self.Name).split("/") if part]


class ISAPIParameters(_Parameters):
    """Everything that a module wants to be registered."""

    ServerName = "Default Web Site"
    Filters: Sequence[FilterParameters] = ()
    VirtualDirs: Sequence[VirtualDirParameters] = ()


def configuration_lines(params: ISAPIParameters, module_path: str) -> list[str]:
    """The lines of applicationHost.config that do what IIS's metabase did for these parameters."""
    path = quoteattr(os.path.abspath(module_path))
    lines = [f"<filter name={quoteattr(str(one.Name))} path={path} />" for one in params.Filters]
    for directory in params.VirtualDirs:
        for number, one in enumerate(directory.ScriptMaps):
            pattern = "*" if one.Extension == "*" else f"*{one.Extension}"
            name = quoteattr(f"{directory.Name} {number + 1}".strip("/ "))
            verbs = quoteattr(str(one.Verbs).replace(" ", "") or "*")
            lines.append(
                f'<add name={name} path="{pattern}" verb={verbs} modules="IsapiModule" scriptProcessor={path} />'
            )
    return lines


def HandleCommandLine(
    params: ISAPIParameters,
    argv: Sequence[str] | None = None,
    conf_module_name: str | None = None,
    default_arg: str = "install",
    opt_parser: Any = None,
    custom_arg_handlers: Mapping[str, Callable[..., Any]] | None = None,
) -> None:
    """Print the lines that the configuration needs. Raises InstallationError for custom arguments."""
    arguments = list(sys.argv if argv is None else argv)
    words = [word for word in arguments[1:] if not word.startswith("-")] or [default_arg]
    unknown = [word for word in words if word not in ("install", "remove", "uninstall")]
    if unknown:
        raise InstallationError(f"{', '.join(unknown)}: only install and remove are known here")
    said = "Add to" if words[0] == "install" else "Remove from"
    lines = configuration_lines(params, conf_module_name or arguments[0])
    sys.stdout.write("\n".join([f"{said} applicationHost.config:", *lines]) + "\n")
