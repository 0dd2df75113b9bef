"""Nodes to typed content by the schema: every attribute parsed, expanded and checked, every unknown name reported."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from host.config.errors import ValueProblem
from host.config.expansion import Expander
from host.config.problems import Problems
from host.config.schema_types import Attribute, Collection, Element, Expansion, Support
from host.config.values import Value, default_value, parse_value, suggestion
from host.config.xml_reader import Node

Key = tuple[Value, ...]

LOCK_ATTRIBUTES: Final = frozenset(
    {"lockItem", "lockAttributes", "lockAllAttributesExcept", "lockElements", "lockAllElementsExcept"}
)


class DirectiveKind(enum.Enum):
    """What a directive does to a collection."""

    ADD = "add"
    REMOVE = "remove"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True)
class Locks:
    """What lower levels may not touch any more (IIS: lockItem and its relatives)."""

    item: bool = False
    attributes: frozenset[str] = frozenset()
    elements: frozenset[str] = frozenset()


NO_LOCKS: Final = Locks()


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """One element of one file: the values it sets, its child elements, its directives in the order of the file."""

    element: Element
    node: Node
    values: Mapping[str, Value]
    children: Mapping[str, Content] = field(default_factory=dict)
    directives: tuple[Directive, ...] = ()
    locks: Locks = NO_LOCKS


@dataclass(frozen=True, slots=True, eq=False)
class Directive:
    """One add, remove or clear; `key` is empty for clear."""

    kind: DirectiveKind
    content: Content
    key: Key


def entry_key(element: Element, values: Mapping[str, Value]) -> Key:
    """What names an entry: its key attributes with their defaults, in lower case where IIS ignores case."""
    key: list[Value] = []
    for attribute in element.keys:
        value = values.get(attribute.name, default_value(attribute))
        key.append(value.lower() if isinstance(value, str) and not attribute.case_sensitive else value)
    return tuple(key)


class SectionReader:
    """Reads elements of one file. `is_web_config`: attributes that only the server's file may set are refused."""

    def __init__(self, expander: Expander, problems: Problems, *, is_web_config: bool = False) -> None:
        self._expander = expander
        self._problems = problems
        self._is_web_config = is_web_config

    def read(self, node: Node, element: Element, *, quiet: bool = False) -> Content:
        """The content of `node`. Problems are noted; what is wrong is left out. `quiet`: no warnings below it."""
        if element.support is Support.UNSUPPORTED and not quiet:
            self._problems.warnings.append(node.error("isapy does not support this yet; it is ignored"))
            quiet = True
            if element.is_opaque:
                return Content(element, node, {})
        values = self._values(node, element.attributes, quiet=quiet)
        self._require(node, element.attributes)
        children: dict[str, Content] = {}
        directives: list[Directive] = []
        for child in node.children:
            self._child(child, element, children, directives, quiet=quiet)
        return Content(element, node, values, children, tuple(directives), self._locks(node, element))

    def _child(
        self,
        node: Node,
        element: Element,
        children: dict[str, Content],
        directives: list[Directive],
        *,
        quiet: bool,
    ) -> None:
        known = {child.name: child for child in element.elements}
        if node.name in known:
            if node.name in children:
                first = children[node.name].node.line
                self._problems.errors.append(node.error(f"it stands in line {first} already", "join the two"))
            else:
                children[node.name] = self.read(node, known[node.name], quiet=quiet)
            return
        directive = self._directive(node, element.collection, quiet=quiet) if element.collection else None
        if directive is not None:
            directives.append(directive)
        elif element.collection is None or node.name not in _directive_names(element.collection):
            names = [*known, *(_directive_names(element.collection) if element.collection else ())]
            message = f"{node.parent} has no element of this name"
            self._problems.errors.append(node.error(message, suggestion(node.name, names)))

    def _directive(self, node: Node, collection: Collection, *, quiet: bool) -> Directive | None:
        entry = collection.entry
        if node.name == entry.name:
            content = self.read(node, entry, quiet=quiet)
            missing = any(key.required and key.name not in content.values for key in entry.keys)
            return None if missing else Directive(DirectiveKind.ADD, content, entry_key(entry, content.values))
        if collection.remove and node.name == collection.remove:
            values = self._values(node, entry.keys, quiet=quiet)
            self._require(node, entry.keys)
            self._refuse_children(node)
            missing = any(key.required and key.name not in values for key in entry.keys)
            content = Content(entry, node, values)
            return None if missing else Directive(DirectiveKind.REMOVE, content, entry_key(entry, values))
        if collection.clear and node.name == collection.clear:
            self._values(node, (), quiet=quiet)
            self._refuse_children(node)
            return Directive(DirectiveKind.CLEAR, Content(entry, node, {}), ())
        return None

    def _refuse_children(self, node: Node) -> None:
        for child in node.children:
            self._problems.errors.append(child.error(f"{node.label} has no elements", "remove it"))

    def _values(self, node: Node, attributes: tuple[Attribute, ...], *, quiet: bool) -> dict[str, Value]:
        known = {attribute.name: attribute for attribute in attributes}
        values: dict[str, Value] = {}
        for name, text in node.attributes.items():
            attribute = known.get(name)
            if attribute is None:
                self._unknown_attribute(node, name, known)
                continue
            try:
                values[name] = self._value(attribute, text)
            except ValueProblem as problem:
                self._problems.errors.append(node.error(problem.message, problem.remedy, attribute=name))
                if not attribute.is_key:  # an entry without its key is left out, or it would collide with others
                    values[name] = default_value(attribute)
                continue
            self._judge(node, attribute, values[name], quiet=quiet)
        return values

    def _value(self, attribute: Attribute, text: str) -> Value:
        value = parse_value(attribute, text)
        if isinstance(value, str) and attribute.expansion is not Expansion.NONE:
            return self._expander.expand(value, attribute.expansion)
        return value

    def _judge(self, node: Node, attribute: Attribute, value: Value, *, quiet: bool) -> None:
        if attribute.server_only and self._is_web_config:
            message = "only the server's configuration file may set it"
            self._problems.errors.append(node.error(message, "set it there, in location", attribute=attribute.name))
        if attribute.support is Support.UNSUPPORTED and not quiet and value != default_value(attribute):
            message = "isapy does not support this yet; it is ignored"
            self._problems.warnings.append(node.error(message, attribute=attribute.name))

    def _unknown_attribute(self, node: Node, name: str, known: Mapping[str, Attribute]) -> None:
        if name in LOCK_ATTRIBUTES:
            return
        if name == "configSource":
            remedy = "put the content of that file in its place"
            self._problems.errors.append(node.error("isapy does not read other files here", remedy, attribute=name))
            return
        message = f"{node.label} has no attribute of this name"
        self._problems.errors.append(node.error(message, suggestion(name, known), attribute=name))

    def _require(self, node: Node, attributes: tuple[Attribute, ...]) -> None:
        for attribute in attributes:
            if attribute.required and attribute.name not in node.attributes:
                self._problems.errors.append(node.error("it is required", "add it", attribute=attribute.name))

    def _locks(self, node: Node, element: Element) -> Locks:
        if not LOCK_ATTRIBUTES & node.attributes.keys():
            return NO_LOCKS
        attributes = {attribute.name for attribute in element.attributes}
        elements = {child.name for child in element.elements}
        if element.collection:
            elements |= set(_directive_names(element.collection))
        return Locks(
            item=node.attributes.get("lockItem", "false").lower() == "true",
            attributes=self._locked(node, "lockAttributes", "lockAllAttributesExcept", attributes),
            elements=self._locked(node, "lockElements", "lockAllElementsExcept", elements),
        )

    def _locked(self, node: Node, lock: str, lock_except: str, known: set[str]) -> frozenset[str]:
        named = self._lock_names(node, lock, known)
        locked = known if "*" in named else named & known
        if lock_except in node.attributes:
            locked = locked | (known - self._lock_names(node, lock_except, known))
        return frozenset(locked)

    def _lock_names(self, node: Node, attribute: str, known: set[str]) -> set[str]:
        names = {name.strip() for name in node.attributes.get(attribute, "").split(",") if name.strip()}
        for name in sorted(names - known - {"*"}):
            message = f"{node.label} has no {name} to lock"
            self._problems.errors.append(node.error(message, suggestion(name, sorted(known)), attribute=attribute))
        return names


def _directive_names(collection: Collection) -> tuple[str, ...]:
    return tuple(name for name in (collection.entry.name, collection.remove, collection.clear) if name)
