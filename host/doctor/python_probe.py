"""Run by the interpreter of the scripts themselves, Python 2.6 to today's: their syntax, and the modules they lack.

Reads JSON from standard input, a list of [path, folder]; prints JSON, by path: {"error": [line, text] or null,
"missing": [[module, line, is_certain], ...]}. The scripts are compiled and never run; of a dotted name only the first
part is searched for, because looking for more would run a package. No type is annotated: Python 2 has no annotations.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

import ast
import json
import sys

try:
    from importlib.util import find_spec as find
except ImportError:
    from pkgutil import find_loader as find  # type: ignore[assignment]


# what is below may never run, or its ImportError is expected: `with contextlib.suppress(ImportError)`
_MAYBE = ("Try", "TryStar", "TryExcept", "With", "FunctionDef", "AsyncFunctionDef", "If", "Match", "Lambda")


def wanted(node, is_certain, found):
    """Names of modules with the line of their first import; one in a function or under `try` is not certain."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            names = [] if child.level else [child.module or ""]
        else:
            kind = type(child).__name__
            wanted(child, is_certain and kind not in _MAYBE, found)
            continue
        for name in names:
            found.setdefault(name.split(".")[0], (child.lineno, is_certain))


def is_missing(name):
    """Whether no such module is there."""
    if name in sys.builtin_module_names or name in sys.modules:
        return False
    try:
        return find(name) is None
    except (ImportError, ValueError, AttributeError):
        return True


def examine(path, folder):
    """One script."""
    try:
        with open(path, "rb") as stream:
            source = stream.read()
        tree = compile(source.replace(b"\r\n", b"\n"), path, "exec", ast.PyCF_ONLY_AST)
        compile(tree, path, "exec")  # type: ignore[call-overload]
    except SyntaxError as error:
        return {"error": [error.lineno or 0, str(error.msg)], "missing": []}
    except (ValueError, IOError) as error:  # noqa: UP024  (a null byte; a file that went away, in Python 2)
        return {"error": [0, str(error)], "missing": []}
    found = {}  # type: ignore[var-annotated]
    wanted(tree, True, found)
    sys.path.insert(0, folder)
    try:
        missing = [[name, found[name][0], found[name][1]] for name in sorted(found) if is_missing(name)]
    finally:
        del sys.path[0]
    return {"error": None, "missing": missing}


if __name__ == "__main__":
    sys.path[:] = sys.path[1:]  # this file's own folder
    scripts = json.load(sys.stdin)
    json.dump(dict((path, examine(path, folder)) for path, folder in scripts), sys.stdout)  # noqa: C402  (Python 2.6)
