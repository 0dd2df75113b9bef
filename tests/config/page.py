"""How docs/configuration.md shows a declaration: the tables of the page, as text. Print them all by running this file:

python -m tests.config.page
"""

from __future__ import annotations

from collections.abc import Iterator

from host.config.schema import SECTIONS, UNSUPPORTED_SECTIONS, elements_of
from host.config.schema_types import Attribute, Collection, Element, Expansion, Kind, Section, Support
from host.config.values import format_seconds

HEAD = ("| attribute | type | default | range | meaning |", "| --- | --- | --- | --- | --- |")
_SUPPORT = {
    Support.HONOURED: "",
    Support.WITHOUT_MEANING: " (accepted, no meaning here)",
    Support.UNSUPPORTED: " (not supported yet: warning)",
}
_EXPANSION = {
    Expansion.NONE: "",
    Expansion.TEXT: "; `%NAME%`",
    Expansion.PATH: "; path",
    Expansion.PATHS: "; paths, separated by `;`",
    Expansion.COMMAND: "; program path",
    Expansion.PLUGIN: "; path",
}


def attribute_row(attribute: Attribute) -> str:
    """One line of an element's table."""
    kind = attribute.kind.value + (", key" if attribute.is_key else "")
    default = "required" if attribute.required else f"`{attribute.default}`" if attribute.default else ""
    meaning = _escaped(attribute.meaning) + _EXPANSION[attribute.expansion] + _SUPPORT[attribute.support]
    meaning += " (server's file only)" if attribute.server_only else ""
    meaning += " **isapy's own**" if attribute.ours else ""
    return f"| {attribute.name} | {kind} | {default} | {_range(attribute)} | {meaning} |"


def _range(attribute: Attribute) -> str:
    if attribute.names:
        return ", ".join(f"{name} {number}" for name, number in attribute.names)
    if attribute.kind is Kind.STRING:
        return _escaped(attribute.rule.value)
    shown = format_seconds if attribute.kind is Kind.TIME_SPAN else str
    parts = []
    if attribute.minimum is not None and attribute.maximum is not None:
        parts.append(f"{shown(attribute.minimum)} to {shown(attribute.maximum)}")
    if attribute.refused is not None:
        parts.append(f"not {attribute.refused[0]} to {attribute.refused[1]}")
    if attribute.granularity > 1:
        parts.append(f"multiple of {shown(attribute.granularity)}")
    return ", ".join(parts)


def _escaped(text: str) -> str:
    """Characters that mean something to Markdown."""
    return text.replace("|", "\\|").replace("*", "\\*")


def element_line(path: str, element: Element) -> str:
    """The line above an element's table."""
    text = f"`<{element.name}>` (`{path}`): {element.meaning}{_SUPPORT[element.support]}"
    text += " **isapy's own**" if element.ours else ""
    return text + "." + (_collection(element.collection) if element.collection else "")


def _collection(collection: Collection) -> str:
    names = [name for name in (collection.entry.name, collection.remove, collection.clear) if name]
    text = " Entries: " + ", ".join(f"`<{name}>`" for name in names) + "."
    text += "" if collection.merge_append else " Entries of a lower level come first."
    if collection.default_entries:
        end = "until the server's file lists its own" if collection.defaults_yield else "of which each may be replaced"
        text += f" Default entries: {len(collection.default_entries)}, {end}."
    return text


def section_heading(section: Section) -> str:
    """The heading of a section."""
    return f"### {section.path}"


def section_place(section: Section) -> str:
    """Where it may stand and who may override it."""
    text = (
        f"allowDefinition {section.scope.value}, overrideModeDefault {'Allow' if section.allows_override else 'Deny'}"
    )
    return text + ("." if section.is_per_path else ", not in location.") + (" **isapy's own**" if section.ours else "")


def section_lines(section: Section) -> Iterator[str]:
    """Everything the page says of one section. Elements that supply defaults repeat others and have no table."""
    yield section_heading(section)
    yield ""
    yield section_place(section)
    for path, element in elements_of(section):
        if "Defaults" in path:
            if path.endswith("Defaults") and path.count("Defaults") == 1:
                yield ""
                yield element_line(path, element)
            continue
        yield ""
        yield element_line(path, element)
        if element.attributes:
            yield ""
            yield from HEAD
            yield from (attribute_row(attribute) for attribute in element.attributes)


def unsupported_line(path: str) -> str:
    """One line of the list of sections that are not supported yet."""
    return f"- `{path}`: {UNSUPPORTED_SECTIONS[path]}"


def page() -> str:
    """The generated half of docs/configuration.md."""
    parts = ["\n".join(section_lines(section)) for section in SECTIONS.values()]
    return "\n\n".join(parts)


if __name__ == "__main__":
    print(page())
