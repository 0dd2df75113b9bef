"""Adds a filter or a module to the text of a configuration file, leaving every other character as it is.

An XML library would write the whole file anew and lose line breaks, quotes and the order of attributes. So the text
is scanned for tags (comments, CDATA and attribute values are skipped), the place is found, and one line is inserted.
The caller validates the result before it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import quoteattr

_MARKUP: Final = re.compile(
    r"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"
    r"|<(?P<end>/?)(?P<name>[A-Za-z_][\w.\-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(?P<empty>/?)>",
    re.DOTALL,
)
_NAME_ATTRIBUTE: Final = re.compile(r"\sname\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
SERVER_PATH: Final = ("configuration", "system.webServer")
INDENT: Final = "    "


class NoPlaceFound(Exception):
    """The text is not what an applicationHost.config looks like; it is left to its owner."""


@dataclass(slots=True)
class _Element:
    """Where an element stands in the text. `inner_end` is where its end tag begins (-1: it is an empty tag)."""

    path: tuple[str, ...]
    start: int
    start_tag_end: int
    attributes: str
    inner_end: int = -1
    children: list[_Element] = field(default_factory=list)


def add_filter(text: str, name: str) -> str:
    """The text with `<filter name="..." />` as the last one of isapiFilters. Raises NoPlaceFound.

    Gives the text unchanged when a filter of that name is listed already.
    """
    return _add(text, "isapiFilters", "filter", name)


def add_module(text: str, name: str) -> str:
    """The same for `<add name="..." />` in modules."""
    return _add(text, "modules", "add", name)


def _add(text: str, section: str, tag: str, name: str) -> str:
    elements = list(_elements(text))
    newline = "\r\n" if "\r\n" in text else "\n"
    entry = f"<{tag} name={quoteattr(name)} />"
    listed = _find(elements, (*SERVER_PATH, section))
    if listed is not None:
        names = [_name_of(child) for child in listed.children if child.path[-1] == tag]
        return text if name in names else _insert(text, listed, entry, newline)
    server = _find(elements, SERVER_PATH)
    if server is not None:
        return _insert(text, server, _section(section, entry, newline), newline)
    root = _find(elements, SERVER_PATH[:1])
    if root is None:
        raise NoPlaceFound("there is no <configuration> element")
    whole = _section(SERVER_PATH[1], _section(section, entry, newline), newline)
    return _insert(text, root, whole, newline)


def _elements(text: str) -> Iterator[_Element]:
    """Every element, complete. Raises NoPlaceFound for tags that do not match."""
    stack: list[_Element] = []
    for tag in _MARKUP.finditer(text):
        name = tag["name"]
        if name is None:
            continue
        if tag["end"]:
            if not stack or stack[-1].path[-1] != name:
                raise NoPlaceFound(f"</{name}> ends nothing")
            element = stack.pop()
            element.inner_end = tag.start()
            yield element
            continue
        path = (*(stack[-1].path if stack else ()), name)
        element = _Element(path, tag.start(), tag.end(), tag["attributes"])
        if stack:
            stack[-1].children.append(element)
        if tag["empty"]:
            yield element
        else:
            stack.append(element)
    if stack:
        raise NoPlaceFound(f"<{stack[-1].path[-1]}> has no end")


def _find(elements: list[_Element], path: tuple[str, ...]) -> _Element | None:
    """The last element at that path: what comes later in a file has the last word."""
    return next((element for element in reversed(elements) if element.path == path), None)


def _insert(text: str, parent: _Element, lines: str, newline: str) -> str:
    """The text with these lines as the parent's last child, indented like its brothers."""
    outer = _indentation(text, parent.start)
    inner = outer + INDENT
    if parent.children and _is_alone(text, parent.children[-1].start):
        inner = _indentation(text, parent.children[-1].start)
    block = newline.join(inner + line for line in lines.split(newline))
    if parent.inner_end < 0:
        opened = text[parent.start : parent.start_tag_end].rstrip("/>").rstrip() + ">"
        closing = f"</{parent.path[-1]}>"
        whole = f"{opened}{newline}{block}{newline}{outer}{closing}"
        return text[: parent.start] + whole + text[parent.start_tag_end :]
    before = text[: parent.inner_end]
    kept = before.rstrip(" \t")
    if not kept.endswith("\n"):  # the end tag stands behind something on its line
        kept = before + newline
    return f"{kept}{block}{newline}{outer}{text[parent.inner_end :]}"


def _section(name: str, content: str, newline: str) -> str:
    inner = newline.join(INDENT + line for line in content.split(newline))
    return f"<{name}>{newline}{inner}{newline}</{name}>"


def _indentation(text: str, position: int) -> str:
    """The blanks at the start of the line in which that position lies."""
    line = text[text.rfind("\n", 0, position) + 1 : position]
    return line[: len(line) - len(line.lstrip())]


def _is_alone(text: str, position: int) -> bool:
    return not text[text.rfind("\n", 0, position) + 1 : position].strip()


def _name_of(element: _Element) -> str:
    found = _NAME_ATTRIBUTE.search(element.attributes)
    return (found[1] or found[2] or "") if found else ""
