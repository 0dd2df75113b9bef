"""A virtual environment as another process's Python may use it: where its packages lie, and whether they fit.

Packages with compiled parts fit one minor version of Python only, so an environment of another one is refused.
"""

from __future__ import annotations

import os
import re
import sys
from typing import Final

_VERSION: Final = re.compile(r"^\s*version(?:_info)?\s*=\s*(\d+)\.(\d+)", re.MULTILINE)


class EnvironmentRefused(Exception):
    """An environment that this process cannot use. The text says why, `remedy` what to do."""

    def __init__(self, text: str, remedy: str) -> None:
        super().__init__(text)
        self.remedy = remedy


def packages_folder(environment: str) -> str:
    """The folder of the environment's packages.

    Raises EnvironmentRefused when it is no virtual environment, or one of another version of Python.
    """
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    make = f"Make it with: {sys.executable} -m venv {environment}"
    try:
        with open(os.path.join(environment, "pyvenv.cfg"), encoding="utf-8", errors="replace") as file:
            text = file.read(65536)
    except OSError as error:
        why = error.strerror or "unreadable"
        raise EnvironmentRefused(f"{environment} is no virtual environment: pyvenv.cfg: {why}", make) from error
    found = _VERSION.search(text)
    version = f"{found[1]}.{found[2]}" if found is not None else ""
    if version and version != own:
        raise EnvironmentRefused(
            f"the virtual environment {environment} is one of Python {version}, but isapy runs on Python {own} "
            f"({sys.executable})",
            f"Make the environment with Python {own}, or install isapy into a Python {version}.",
        )
    folder = os.path.join(environment, "lib", f"python{own}", "site-packages")
    if not os.path.isdir(folder):
        raise EnvironmentRefused(f"the virtual environment {environment} has no folder {folder}", make)
    return folder
