"""What the configuration accepts is obeyed: no attribute is read, kept and then forgotten."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from host.config.schema import SECTIONS
from host.config.schema_types import Element, Support

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "host" / "config"
BUILDERS = {
    CONFIG / f"{name}.py"
    for name in (
        "model",
        "pipeline_entries",
        "fastcgi",
        "server_builder",
        "path_settings",
        "pool_confinement",
        "log_builder",
    )
}


def dataclass_fields(path: Path) -> Iterator[tuple[str, str]]:
    """(class, field) of every dataclass of a file."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.decorator_list:
            for statement in node.body:
                if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
                    yield node.name, statement.target.id


@cache
def names_used(path: Path) -> set[str]:
    """Attributes and variables that a file does something with; `x=one.x` only hands a value on."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    handed_on = {
        id(node.value)
        for node in nodes
        if isinstance(node, ast.keyword)
        and node.arg == (getattr(node.value, "attr", None) or getattr(node.value, "id", None))
    }
    loads = (
        node
        for node in nodes
        if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load) and id(node) not in handed_on
    )
    return {node.attr if isinstance(node, ast.Attribute) else node.id for node in loads}


def program_files() -> Iterator[Path]:
    """Everything that may obey a setting: all code but what declares and builds the settings."""
    for top in ("host", "extensions", "filters"):
        for path in (ROOT / top).rglob("*.py"):
            if path not in BUILDERS and not (path.parent == CONFIG and path.name.startswith("schema")):
                yield path


def honoured(element: Element, path: str) -> Iterator[tuple[str, str]]:
    """(path, name) of the attributes below `element` that isapy says it obeys."""
    if element.support is not Support.HONOURED:
        return
    for attribute in element.attributes:
        if attribute.support is Support.HONOURED:
            yield path, attribute.name
    for child in (*element.elements, *((element.collection.entry,) if element.collection else ())):
        yield from honoured(child, f"{path}/{child.name}")


def test_every_field_of_the_configuration_is_used_by_the_program() -> None:
    """A field that nobody reads is a promise to the operator that nothing keeps."""
    used = set().union(*(names_used(path) for path in program_files()))
    declared = [
        found
        for file in ("model.py", "pipeline_entries.py", "fastcgi.py", "confinement.py", "log_settings.py")
        for found in dataclass_fields(CONFIG / file)
    ]
    forgotten = [f"{owner}.{name}" for owner, name in declared if name not in used]
    assert not forgotten


def test_every_attribute_that_is_declared_as_honoured_is_read() -> None:
    """What isapy does not obey is declared so: `isapy check` then warns of it, and the page says so."""
    texts = {
        node.value
        for path in CONFIG.glob("*.py")
        if not path.name.startswith("schema")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    declared = [found for section in SECTIONS.values() for found in honoured(section.element, section.path)]
    assert len(declared) > 100
    assert [f"{path}/@{name}" for path, name in declared if name not in texts] == []


def test_a_field_of_a_mapping_that_plugins_bring_is_used() -> None:
    """The same for what a plugin says of its own mappings."""
    used = set().union(*(names_used(path) for path in program_files() if path != ROOT / "host/api/plugins.py"))
    fields = dict.fromkeys(
        name for owner, name in dataclass_fields(ROOT / "host/api/plugins.py") if owner == "HandlerMapping"
    )
    assert len(fields) > 5
    assert [name for name in fields if name not in used] == []
