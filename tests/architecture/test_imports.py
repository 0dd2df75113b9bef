"""Who may import whom. The table is the rule; a new edge needs a decision record."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LIBRARIES = {
    "cryptography",
    "pluggy",
    "multiprocess",
    "lxml",
    "uvloop",
    "httptools",
    "msgspec",
    "setproctitle",
    "typer",
    "rich",
    "watchfiles",
    "psutil",
    "cffi",
    "brotli",
    "zstandard",
    "mypy",
    "setuptools",
    "hatchling",
}

MAY_IMPORT: dict[str, set[str]] = {
    # room: the rooms and libraries it may import besides itself and the standard library
    "host.api": {"host.remembered", "pluggy"},
    "host.compiled": {"mypy", "mypyc", "setuptools", "hatchling"},  # building; finding needs nothing
    "host.wire": {"msgspec"},
    "host.http1": {"host.remembered", "httptools"},
    "host.gateway": {"host.api", "host.remembered"},
    "host.compression": {"host.api", "host.gateway", "brotli", "zstandard"},
    "host.isapi": {"host.api"},
    "host.pywin32": {"host.api", "host.isapi"},
    "host.config": {"lxml", "watchfiles", "cryptography", "host.bundled_files"},
    "host.logs": {"host.config", "host.remembered"},
    "host.isolation": {"host.config"},
    "host.confinement": {"host", "host.config"},
    "host.doctor": {"host.gateway"},
    "host.listener": {"host.http1", "host.wire", "host.config", "host.logs", "host.isolation", "host.remembered"},
    "host.authentication": set(),
    "host.worker": {
        "host.api",
        "host.authentication",
        "host.isapi",
        "host.wire",
        "host.config",
        "host.isolation",
        "host.remembered",
        "pluggy",
    },
    "host.spawner": {"host.wire"},
    "host.script_users": {
        "host.config",
        "host.confinement",
        "host.gateway",
        "host.programs",  # the module cgi for old scripts
        "host.spawner",
        "host.wire",
    },
    "host.programs": {"host.api", "host.gateway"},
    "host.native": {"host.api", "host.isapi", "cffi", "_cffi_backend"},
    "host.python_apps": {
        "host.api",
        "host.gateway",
        "host.programs",  # a body in a file: decision 079
        "host.remembered",
    },
    "host.managed": {"host.api", "host.gateway", "python_multipart"},
    "host.fastcgi": {"host.api", "host.gateway", "host.programs"},
    "host.activation": {"host.confinement", "host.isolation", "host.wire", "host.config", "host.logs", "psutil"},
    "host.admin": {"host.config", "msgspec"},
    "host.cli": {
        "host.admin",
        "host.authentication",  # files of users, for `isapy check`
        "host.compiled",  # whether it is in use, for `isapy check`
        "host.confinement",
        "host.config",
        "host.doctor",
        "host.early_signals",
        "host.gateway",  # addresses of servers, for `isapy check`
        "host.logs",
        "host.bundled_files",
        "host.python_apps",  # names and virtual environments, for `isapy check`
        "host.script_users",  # whether scripts may run as their owners, for `isapy check` and `isapy doctor`
        "host.native",  # its headers and its compiler's flags, for `isapy cc`
        "host",
        "typer",
        "rich",
    },
    "host.processes": {
        "host",
        "host.activation",
        "host.admin",
        "host.api",
        "host.bundled_files",
        "host.config",
        "host.confinement",
        "host.early_signals",
        "host.http1",
        "host.isolation",
        "host.listener",
        "host.logs",
        "host.script_users",
        "host.spawner",
        "host.wire",
        "host.worker",
        "multiprocess",
        "uvloop",
        "setproctitle",
        "watchfiles",
        "psutil",
    },
    "host.testing": {"host.api", "host.config", "host.isolation", "host.wire", "host.worker", "uvloop"},
    "host.bundled_files": set(),
    "host.early_signals": set(),
    "host.remembered": set(),
    "host.__main__": {"host.cli"},
    "host": {"host.compiled"},
    "extensions": {
        "host.api",
        "host.compression",  # files that were compressed beforehand
        "host.fastcgi",
        "host.gateway",
        "host.isapi",
        "host.programs",
        "host.python_apps",
        "host.pywin32",
    },
    "filters": {"host.api", "host.compression"},
}

NO_IO = {"socket", "asyncio", "os", "time", "threading", "subprocess", "logging", "select", "selectors", "signal"}
SANS_IO = ("host.http1", "host.wire", "host.gateway")
PURE_FILES = (
    "cpu",
    "recycling",
    "policy",
    "health",
    "backoff",
    "front_health",
    "idle",
    "rapid_fail",
    "pool_transitions",
    "worker_transitions",
    "reconcile",
    "site_transitions",
    "site_states",
    *("garden", "headroom", "rotation", "schedule"),
    *("bandwidth", "minimum_rate", "job_lengths", "shared_rules"),
    *("checks", "command"),
    *("listener_parts", "socket_places"),
)


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def room_of(module: str) -> str:
    return max((room for room in MAY_IMPORT if module == room or module.startswith(room + ".")), key=len, default="")


@cache
def source_files() -> list[Path]:
    files = [path for top in ("host", "extensions", "filters") for path in sorted((ROOT / top).rglob("*.py"))]
    return [path for path in files if "bundled" not in path.parts]


@cache
def nodes_of(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text())))


@cache
def imported_modules(path: Path) -> list[tuple[str, int]]:
    return list(_imports_among(nodes_of(path)))


def _imports_among(nodes: list[ast.AST]) -> Iterator[tuple[str, int]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"relative import in line {node.lineno}"
            assert node.module is not None
            yield node.module, node.lineno
            if node.module == "host":
                for alias in node.names:
                    yield f"host.{alias.name}", node.lineno


def test_a_room_imports_only_what_the_table_allows() -> None:
    """Every import of every product file is in the table."""
    problems = []
    for path in source_files():
        module = module_name(path)
        room = room_of(module)
        assert room, f"{module} belongs to no room of the table"
        allowed = MAY_IMPORT[room] | {room}
        for name, line in imported_modules(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names:
                continue
            target = room_of(name) if top in ("host", "extensions", "filters") else top
            if target not in allowed and not (name == "host" and "host" in allowed):
                problems.append(f"{path.relative_to(ROOT)}:{line} imports {name}: {room} may not")
    assert not problems, "\n".join(problems)


def test_imports_stand_at_the_top() -> None:
    """An import inside a function hides an edge (a guard for an optional library at the top is fine)."""
    problems = [
        f"{path.relative_to(ROOT)}:{inner.lineno}"
        for path in source_files()
        for node in nodes_of(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert not problems, "imports inside functions: " + ", ".join(problems)


def is_sans_io(module: str) -> bool:
    if module.startswith(SANS_IO):
        return True
    return (
        module.startswith(("host.activation.", "host.fastcgi.", "host.listener."))
        and module.rpartition(".")[2] in PURE_FILES
    )


def test_protocol_cores_and_policies_do_no_io() -> None:
    """Bytes and clocks are handed in: these files cannot open, wait or look at the time."""
    pure = [path for path in source_files() if is_sans_io(module_name(path))]
    assert {"host.http1.reader", "host.wire.codec", "host.activation.idle"} <= {module_name(path) for path in pure}
    problems = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in pure
        for name, line in imported_modules(path)
        if name.partition(".")[0] in NO_IO
    ]
    assert not problems, "\n".join(problems)


def test_no_import_cycles_between_modules() -> None:
    """A module graph without knots can be read in order."""
    graph: dict[str, set[str]] = {}
    modules = {module_name(path) for path in source_files()}
    for path in source_files():
        names = {name for name, _ in imported_modules(path)}
        graph[module_name(path)] = {name for name in names if name in modules and name != module_name(path)}
    done: set[str] = set()
    for start in sorted(graph):
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(graph[start])))]
        on_path = [start]
        while stack:
            _, following = stack[-1]
            target = next((name for name in following if name not in done), None)
            if target is None:
                stack.pop()
                done.add(on_path.pop())
                continue
            assert target not in on_path, f"import cycle: {' -> '.join([*on_path[on_path.index(target) :], target])}"
            on_path.append(target)
            stack.append((target, iter(sorted(graph[target]))))


def test_every_library_of_the_table_is_a_declared_dependency() -> None:
    """The table and pyproject.toml name the same libraries."""
    declared = (ROOT / "pyproject.toml").read_text()
    assert not [name for name in LIBRARIES if f'"{name}' not in declared]
