"""XML to nodes that remember file and line. Hardened: no DOCTYPE, no entities, no network, no huge trees.

The text is decoded here and handed to lxml as UTF-8, so that no encoding can hide a DOCTYPE from the check.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from lxml import etree

from host.config.errors import ConfigError, ConfigErrors

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
"""A longer file is refused before it is parsed (IIS stops at 250 KB for web.config)."""

_ENCODINGS: Final = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "windows-1252", "utf-16"})
_DECLARATION: Final = re.compile(rb"<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_DIRECTIVES: Final = frozenset({"add", "remove", "clear"})


@dataclass(frozen=True, slots=True)
class Node:
    """One element. `parent` is the name of the element it stands in; lines count from 1."""

    name: str
    file: str
    line: int
    parent: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    children: tuple[Node, ...] = ()
    attribute_lines: Mapping[str, int] = field(default_factory=dict)  # only of start tags with several lines

    @property
    def label(self) -> str:
        """How messages name it: `processModel`, but `handlers/add`."""
        return f"{self.parent}/{self.name}" if self.name in _DIRECTIVES and self.parent else self.name

    def error(self, message: str, remedy: str = "", *, attribute: str = "") -> ConfigError:
        """A problem with this element or one of its attributes."""
        line = self.attribute_lines.get(attribute, self.line)
        return ConfigError(self.file, line, self.label, attribute, message, remedy)

    def canonical(self) -> tuple[object, ...]:
        """What it says, without where it says it and without the order of attributes."""
        return (self.name, tuple(sorted(self.attributes.items())), tuple(c.canonical() for c in self.children))


def read_xml(text: bytes, file: str) -> Node:
    """The root element of `text`. `file` is only named in messages. Raises ConfigErrors."""
    decoded = _decode(text, file)
    position = re.search("<!(DOCTYPE|ENTITY)", decoded)
    if position is not None:
        line = decoded.count("\n", 0, position.start()) + 1
        raise _refusal(file, line, f"a {position[1]} declaration is not allowed", "remove it, write values in place")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(decoded.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        message = re.sub(r", line \d+, column \d+$", "", error.msg or "the document is empty")
        raise _refusal(file, error.lineno or 1, f"not well-formed XML: {message}", "repair the XML") from error
    converter = _Converter(file, decoded.split("\n"))
    node = converter.node(root, "")
    if converter.errors:
        raise ConfigErrors(converter.errors)
    return node


def _refusal(file: str, line: int, message: str, remedy: str) -> ConfigErrors:
    return ConfigErrors([ConfigError(file, line, "", "", message, remedy)])


def _decode(text: bytes, file: str) -> str:
    """The text by byte order mark or XML declaration, UTF-8 otherwise; line ends become LF as XML 1.0 2.11 says."""
    if len(text) > MAX_FILE_BYTES:
        raise _refusal(file, 1, f"the file is larger than {MAX_FILE_BYTES} bytes", "split it into web.config files")
    encoding = "utf-8"
    if text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif declared := _DECLARATION.match(text.removeprefix(codecs.BOM_UTF8)):
        encoding = declared[1].decode("ascii").lower()
    if encoding not in _ENCODINGS:
        raise _refusal(file, 1, f"the encoding {encoding} is not supported", "save the file as UTF-8")
    try:
        decoded = text.removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise _refusal(file, line, f"not valid {encoding}", "save the file as UTF-8") from error
    return decoded.replace("\r\n", "\n").replace("\r", "\n")


class _Converter:
    """lxml elements to nodes. libxml2 names the last line of a start tag; the first one is found in the text."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self._file = file
        self._lines = lines
        self.errors: list[ConfigError] = []

    def node(self, element: etree._Element, parent: str) -> Node:
        name = str(element.tag)
        last = cast(int, element.sourceline)  # an element that was parsed has one
        first = self._start(name, last)
        self._refuse_text(element, name, last)
        return Node(
            name,
            self._file,
            first,
            parent,
            {str(key): str(value) for key, value in element.attrib.items()},
            tuple(self.node(child, name) for child in element),
            self._attribute_lines(element, first, last) if first < last else {},
        )

    def _start(self, name: str, last: int) -> int:
        pattern = re.compile(rf"<{re.escape(name)}(?![\w.-])")
        for line in range(min(last, len(self._lines)), 0, -1):
            if pattern.search(self._lines[line - 1]):
                return line
        return last

    def _attribute_lines(self, element: etree._Element, first: int, last: int) -> dict[str, int]:
        found: dict[str, int] = {}
        for key in element.attrib:
            pattern = re.compile(rf"(^|\s){re.escape(str(key))}\s*=")
            found[str(key)] = next(
                (line for line in range(first, last + 1) if pattern.search(self._lines[line - 1])), first
            )
        return found

    def _refuse_text(self, element: etree._Element, name: str, line: int) -> None:
        texts = [element.text, *(child.tail for child in element)]
        if any(text is not None and str(text).strip() for text in texts):
            message = "text between elements has no meaning"
            self.errors.append(ConfigError(self._file, line, name, "", message, "remove it"))
