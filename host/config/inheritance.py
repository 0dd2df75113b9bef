"""What is in force after all levels have spoken: attributes, child elements and collections, level by level.

The nearest level wins attribute by attribute. A collection starts with the inherited entries and follows the level's
add, remove and clear in their order. Locks of one file are respected by every other file below it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field

from host.config.problems import Problems
from host.config.schema_types import Collection, Element, Section
from host.config.section_reader import Content, Directive, DirectiveKind, Key, entry_key
from host.config.values import Value, default_value, parse_value
from host.config.xml_reader import Node


@dataclass(slots=True, eq=False)
class Effective:
    """An element in force. Read it with `text`, `number`, `flag`, `names` and `child`; it never changes afterwards."""

    element: Element
    node: Node | None = None  # the nearest element that says something; None: nobody does
    values: dict[str, Value] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)  # where each value was set
    children: dict[str, Effective] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    removed: tuple[Key, ...] = ()  # keys that a remove named
    is_cleared: bool = False
    is_server_level: bool = False  # the nearest level that speaks is the server's own, not a site's
    item_locked_by: str = ""  # a file
    attribute_locks: dict[str, str] = field(default_factory=dict)  # name to file
    element_locks: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> Value:
        """The value in force, the schema's default if nobody sets it. Raises KeyError for a name not declared."""
        if name in self.values:
            return self.values[name]
        return default_value(self.element.attribute(name))

    def text(self, name: str) -> str:
        """A string or enum attribute."""
        value = self.value(name)
        assert isinstance(value, str), name
        return value

    def number(self, name: str) -> int:
        """A number, or the seconds of a timeSpan."""
        value = self.value(name)
        assert isinstance(value, int), name
        return value

    def flag(self, name: str) -> bool:
        """A bool attribute."""
        value = self.value(name)
        assert isinstance(value, bool), name
        return value

    def names(self, name: str) -> tuple[str, ...]:
        """A flags attribute."""
        value = self.value(name)
        assert isinstance(value, tuple), name
        return value

    def child(self, name: str) -> Effective:
        """A child element; with the schema's defaults if nobody wrote it. Raises KeyError for a name not declared."""
        if name in self.children:
            return self.children[name]
        for element in self.element.elements:
            if element.name == name:
                return starting_point(element)
        raise KeyError(name)

    def node_of(self, name: str) -> Node | None:
        """Where that attribute was set, else where the element stands."""
        return self.nodes.get(name, self.node)


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One entry of a collection. `is_default`: the schema brought it, no file did."""

    key: Key
    effective: Effective
    is_default: bool = False


@functools.cache
def starting_point(element: Element) -> Effective:
    """The element before any file has spoken: no values, and the schema's default entries."""
    effective = Effective(element)
    if element.collection is not None:
        entry = element.collection.entry
        for texts in element.collection.default_entries:
            values = {name: parse_value(entry.attribute(name), text) for name, text in texts.items()}
            effective.entries.append(Entry(entry_key(entry, values), Effective(entry, values=values), is_default=True))
    return effective


def in_force(section: Section, contents: Iterable[tuple[Content, bool]], problems: Problems) -> Effective:
    """The section after `contents`, the highest level first; the flag says whether it is the server level itself."""
    effective = starting_point(section.element)
    for content, is_server_level in contents:
        effective = merge(effective, content, problems, is_server_level=is_server_level)
    return effective


def merge(base: Effective, content: Content, problems: Problems, *, is_server_level: bool = False) -> Effective:
    """`base` with one more level on top. `base` stays as it is."""
    file = content.node.file
    merged = Effective(
        content.element,
        content.node,
        dict(base.values),
        dict(base.nodes),
        dict(base.children),
        base.entries,
        base.removed,
        base.is_cleared,
        is_server_level,
        base.item_locked_by,
        dict(base.attribute_locks),
        dict(base.element_locks),
    )
    _check_locks(base, content, problems)
    for name, value in content.values.items():
        merged.values[name] = value
        merged.nodes[name] = content.node
    for name, child in content.children.items():
        merged.children[name] = merge(base.child(name), child, problems, is_server_level=is_server_level)
    if content.directives and content.element.collection is not None:
        _merge_entries(merged, content, content.element.collection, problems, is_server_level=is_server_level)
    merged.attribute_locks.update(dict.fromkeys(content.locks.attributes, file))
    merged.element_locks.update(dict.fromkeys(content.locks.elements, file))
    if content.locks.item:
        merged.item_locked_by = file
    return merged


def _merge_entries(
    merged: Effective, content: Content, collection: Collection, problems: Problems, *, is_server_level: bool
) -> None:
    inherited = list(merged.entries)
    if collection.defaults_yield and is_server_level and _adds(content):
        inherited = [entry for entry in inherited if not entry.is_default]
    local: list[Entry] = []
    for directive in content.directives:
        match directive.kind:
            case DirectiveKind.ADD:
                inherited = _make_room(inherited, local, directive, collection, problems)
                local.append(_entry(directive, problems, is_server_level=is_server_level))
            case DirectiveKind.REMOVE:
                _refuse_locked([e for e in inherited if e.key == directive.key], directive.content, problems)
                inherited = [entry for entry in inherited if entry.key != directive.key]
                local = [entry for entry in local if entry.key != directive.key]
                merged.removed = (*merged.removed, directive.key)
            case DirectiveKind.CLEAR:
                _refuse_locked(inherited, directive.content, problems)
                inherited, local = [], []
                merged.is_cleared = True
    merged.entries = inherited + local if collection.merge_append else local + inherited


def _adds(content: Content) -> bool:
    return any(directive.kind is DirectiveKind.ADD for directive in content.directives)


def _entry(directive: Directive, problems: Problems, *, is_server_level: bool) -> Entry:
    start = starting_point(directive.content.element)
    return Entry(directive.key, merge(start, directive.content, problems, is_server_level=is_server_level))


def _make_room(
    inherited: list[Entry], local: list[Entry], directive: Directive, collection: Collection, problems: Problems
) -> list[Entry]:
    """A default entry gives way to one of the same key; an entry that a file brought does not."""
    if collection.allow_duplicates:
        return inherited
    rivals = [entry for entry in (*inherited, *local) if entry.key == directive.key and not entry.is_default]
    if rivals:
        rival = rivals[0].effective.node
        where = f"{rival.file}:{rival.line}" if rival is not None else "an upper level"
        key = collection.entry.keys[0].name if collection.entry.keys else ""
        remedy = "remove one of the two"
        if collection.remove and rival is not None and rival.file != directive.content.node.file:
            remedy = f"put <{collection.remove} .../> with the same key before it"
        written = directive.content.node.attributes  # a key is compared in another form: lower case, seconds
        parts = zip(collection.entry.keys, directive.key, strict=True)
        text = ", ".join(written.get(attribute.name, str(part)) for attribute, part in parts)
        problems.errors.append(
            directive.content.node.error(f'"{text}" is there already ({where})', remedy, attribute=key)
        )
    return [entry for entry in inherited if not (entry.is_default and entry.key == directive.key)]


def _refuse_locked(entries: list[Entry], content: Content, problems: Problems) -> None:
    for entry in entries:
        locker = entry.effective.item_locked_by
        if locker and locker != content.node.file:
            text = ", ".join(str(part) for part in entry.key)
            problems.errors.append(content.node.error(f'"{text}" is locked', _unlock(locker)))


def _check_locks(base: Effective, content: Content, problems: Problems) -> None:
    node = content.node
    if base.item_locked_by and base.item_locked_by != node.file:
        problems.errors.append(node.error("it is locked", _unlock(base.item_locked_by)))
    for name in content.values:
        locker = base.attribute_locks.get(name, node.file)
        if locker != node.file:
            problems.errors.append(node.error("it is locked", _unlock(locker), attribute=name))
    touched = [*content.children.values(), *(directive.content for directive in content.directives)]
    for part in touched:
        locker = base.element_locks.get(part.node.name, node.file)
        if locker != node.file:
            problems.errors.append(part.node.error("it is locked", _unlock(locker)))


def _unlock(file: str) -> str:
    return f"take the lock away in {file}, or remove this"


def overlay(defaults: Effective, own: Effective) -> Effective:
    """`own` with `defaults` (an applicationPoolDefaults and the like) where it says nothing itself."""
    own_keys = {entry.key for entry in own.entries} | set(own.removed)
    inherited = [] if own.is_cleared else [entry for entry in defaults.entries if entry.key not in own_keys]
    known = {element.name for element in own.element.elements}
    children = {
        name: overlay(defaults.child(name), own.child(name))
        for name in {*defaults.children, *own.children}
        if name in known
    }
    return Effective(
        own.element,
        own.node or defaults.node,
        {**defaults.values, **own.values},
        {**defaults.nodes, **own.nodes},
        children,
        [*inherited, *own.entries],
        own.removed,
        own.is_cleared,
    )
