"""The part of `isapy check` that looks at the files of extensions and filters: whether they are Python, whether the
modules that they import are there, and whether isapy has hooks of these names. It runs none of their code.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import host
from host.config.errors import ConfigError
from host.config.model import Snapshot
from host.config.values import suggestion
from host.doctor.python_probe import is_missing, wanted

_MARK: Final = "hookimpl"
_SPECIFICATIONS: Final = Path(host.__file__).parent / "api" / "hookspecs.py"


def plugin_problems(snapshot: Snapshot) -> list[ConfigError]:
    """Why a plugin's file will not be loaded: the service starts all the same, its URLs are answered with 500.21."""
    problems: list[ConfigError] = []
    for folder in dict.fromkeys((*snapshot.extension_folders, *snapshot.filter_folders)):
        for path in sorted(Path(folder).glob("[!_.]*.py")):
            problems += _problems_of(path)
    return problems


def _problems_of(path: Path) -> Iterator[ConfigError]:
    try:
        source = path.read_bytes()
        with warnings.catch_warnings(action="ignore"):  # of the compiler: whoever loads the file hears them
            tree = ast.parse(source)
    except OSError:  # the pool's user may read it
        return
    except (SyntaxError, ValueError) as error:  # ValueError: a zero byte
        line, text = (error.lineno or 1, error.msg) if isinstance(error, SyntaxError) else (1, str(error))
        yield _problem(path, line, f"it is no Python: {text}", "correct the file")
        return
    imported: dict[str, tuple[int, bool]] = {}
    wanted(tree, True, imported)  # type: ignore[no-untyped-call]  # it is for Python 2, too
    for module, (line, is_certain) in imported.items():
        if is_certain and b"sys.path" not in source and is_missing(module):  # type: ignore[no-untyped-call]
            yield _problem(path, line, f"there is no module {module}", f"{sys.executable} -m pip install {module}")
    for function in tree.body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and _is_misspelt(function):
            remedy = suggestion(function.name, _hook_names())
            yield _problem(path, function.lineno, f"{function.name} is not a hook of isapy", remedy)


def _is_misspelt(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """A mark with arguments may name the hook that is meant: it is left to the worker."""
    marks = {mark.id for mark in function.decorator_list if isinstance(mark, ast.Name)}
    return _MARK in marks and function.name not in _hook_names()


@cache
def _hook_names() -> frozenset[str]:
    tree = ast.parse(_SPECIFICATIONS.read_bytes())
    return frozenset(one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def _problem(path: Path, line: int, text: str, remedy: str) -> ConfigError:
    return ConfigError(str(path), line, "", "", f"this plugin will not be loaded: {text}", remedy)
