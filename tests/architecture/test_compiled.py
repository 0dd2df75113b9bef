"""What modules that are compiled must not do, because mypyc makes something else of it than Python."""

from __future__ import annotations

import ast
import importlib
from enum import Enum
from functools import cache

from host.compiled.finder import PROJECT, source_of
from host.compiled.modules import compiled_modules

MODULES = compiled_modules(PROJECT)


@cache
def tree_of(name: str) -> ast.Module:
    with open(source_of(name), encoding="utf-8") as file:
        return ast.parse(file.read())


def test_nothing_waits_while_an_exception_is_handled() -> None:
    """A compiled coroutine that waits inside `except` or `finally` leaves its exception to whoever runs meanwhile."""
    handlers = [
        (name, part)
        for name in MODULES
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.Try)
        for part in (*node.handlers, *node.finalbody)
    ]
    waits = (ast.Await, ast.Yield, ast.YieldFrom, ast.AsyncFor, ast.AsyncWith)
    found = [
        f"{source_of(name)}:{inner.lineno}"
        for name, part in handlers
        for inner in ast.walk(part)
        if isinstance(inner, waits)
    ]
    assert not found, "\n".join(found)


def test_numbers_are_not_compared_by_identity() -> None:
    """Compiled code keeps numbers without objects: each is another one when it is looked at."""
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        for node in ast.walk(tree_of(name)):
            if not isinstance(node, ast.Compare) or not any(isinstance(part, ast.Is | ast.IsNot) for part in node.ops):
                continue
            for side in (node.left, *node.comparators):
                value = getattr(module, side.id, None) if isinstance(side, ast.Name) else None
                if isinstance(value, int | float) and not isinstance(value, bool | Enum):
                    found.append(f"{source_of(name)}:{node.lineno}: {ast.unparse(node)}")
    assert not found, "\n".join(found)


def test_every_module_of_the_list_exists() -> None:
    """A module that was renamed would silently stay Python."""
    assert len(set(MODULES)) == len(MODULES) > 40
    for name in MODULES:
        assert tree_of(name).body, name
