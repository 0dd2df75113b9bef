"""Budgets: a file or function that outgrows them holds a second idea, which wants a place and a name of its own."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("host", "extensions", "filters")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*tops: str) -> Iterator[Path]:
    """The Python files below those folders."""
    found = [path for top in tops for path in sorted((ROOT / top).rglob("*.py"))]
    assert found
    return (path for path in found if "bundled" not in path.parts)


def test_a_file_has_400_lines_at_the_most() -> None:
    """Not so the tests' own: one for each file of the product, with however many behaviours that has."""
    counts = {path: path.read_text().count("\n") for path in python_files(*PRODUCT, "bench")}
    assert [f"{path.relative_to(ROOT)}: {count} lines" for path, count in counts.items() if count > 400] == []


def test_a_function_has_50_lines_at_the_most() -> None:
    """Tests included. What it declares (arguments and docstring) does not count: a command's are its help."""
    lengths = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": statement_lines(node)
        for path in python_files(*PRODUCT, "bench", "tests")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, Function)
    }
    assert [f"{name}: {length} lines" for name, length in lengths.items() if length > 50] == []


def statement_lines(function: Function) -> int:
    """From a function's first statement to its last one."""
    has_docstring = ast.get_docstring(function, clean=False) is not None
    statements = function.body[1:] if has_docstring else function.body
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1 if statements else 0
