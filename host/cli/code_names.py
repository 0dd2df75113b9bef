"""What a Python file defines, read from its text: for checks that must not run it."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

_DYNAMIC: Final = frozenset({"globals", "exec", "setattr", "vars", "__getattr__", "modules"})
"""Whoever uses one of these may define anything: nothing can be said then."""


class SourceNames:
    """The names that a module's text binds anywhere. Raises SyntaxError for what is no Python, ValueError for NULs."""

    def __init__(self, source: bytes) -> None:
        self._names: set[str] = set()
        self._is_open = False
        for node in ast.walk(ast.parse(source)):
            self._note(node)

    def may_define(self, name: str) -> bool:
        """False only when no line of the file can bring such a name into being."""
        return self._is_open or name in self._names

    def _note(self, node: ast.AST) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._add(node.name)
            case ast.Name():
                self._is_open |= node.id in _DYNAMIC
                if isinstance(node.ctx, ast.Store):
                    self._add(node.id)
            case ast.Attribute():
                self._is_open |= node.attr in _DYNAMIC
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    self._is_open |= alias.name == "*"
                    self._add(alias.asname or alias.name.partition(".")[0])
            case ast.MatchAs() | ast.MatchStar():
                self._add(node.name or "")

    def _add(self, name: str) -> None:
        self._names.add(name)
        self._is_open |= name in _DYNAMIC


def source_problem(named: str, path: str, name: str, what: str) -> tuple[str, str]:
    """What is wrong with a file that is to define `name`, a `what`, and what to do. `named` is what wants it.

    Two empty texts when nothing is known to be wrong, also of a file that only the pool's user may read.
    """
    try:
        names = SourceNames(Path(path).read_bytes())
    except OSError:  # the pool's user may read it
        return "", ""
    except SyntaxError as error:
        return f"{named}: {path}:{error.lineno or 1} is no Python: {error.msg}", "correct the file"
    except ValueError as error:
        return f"{named}: {path} is no Python: {error}", "correct the file"
    if names.may_define(name):
        return "", ""
    return f"{named}: {path} has no {what} {name}", "define it there, or correct the name"
