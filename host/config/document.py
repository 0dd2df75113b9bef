"""One configuration file, read: its sections as fragments, each with the location it is meant for."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from host.config.expansion import Expander
from host.config.problems import Problems
from host.config.schema import FOREIGN_GROUPS, FOREIGN_SECTIONS, SECTION_GROUPS, SECTIONS, UNSUPPORTED_SECTIONS
from host.config.schema_types import Scope, Section
from host.config.section_reader import Content, SectionReader
from host.config.values import nearest_name
from host.config.xml_reader import Node

Location = tuple[str, ...]
"""Segments below the level of the file: () is the level itself; in the server's file the first one names the site."""

_LOCATION_ATTRIBUTES: Final = ("path", "overrideMode", "allowOverride", "inheritInChildApplications")
_ESCAPE: Final = re.compile("%[0-9A-Fa-f]{2}")


class OverrideMode(enum.Enum):
    """Whether lower levels may set a section (IIS: overrideMode)."""

    INHERIT = "Inherit"
    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True, eq=False)
class Fragment:
    """One section of one file, for one location."""

    section: Section
    location: Location
    content: Content
    override_mode: OverrideMode = OverrideMode.INHERIT
    inherits_in_child_applications: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A file. `override_defaults` and `scopes` are what its configSections say about known sections."""

    file: str
    fragments: tuple[Fragment, ...] = ()
    override_defaults: Mapping[str, bool] = field(default_factory=dict)
    scopes: Mapping[str, Scope] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """The location element that sections are read in."""

    location: Location = ()
    override_mode: OverrideMode = OverrideMode.INHERIT
    inherits: bool = True
    is_explicit: bool = False


def read_document(root: Node, expander: Expander, problems: Problems, *, is_web_config: bool) -> Document:
    """The document below `root`. Everything wrong is noted in `problems`, and left out."""
    if root.name != "configuration":
        problems.errors.append(root.error("the root element must be configuration", "rename it"))
        return Document(root.file)
    return _DocumentReader(expander, problems, is_web_config=is_web_config).read(root)


class _DocumentReader:
    def __init__(self, expander: Expander, problems: Problems, *, is_web_config: bool) -> None:
        self._sections = SectionReader(expander, problems, is_web_config=is_web_config)
        self._problems = problems
        self._is_web_config = is_web_config
        self._fragments: dict[tuple[str, Location], Fragment] = {}
        self._registered: set[str] = set()
        self._override_defaults: dict[str, bool] = {}
        self._scopes: dict[str, Scope] = {}

    def read(self, root: Node) -> Document:
        for child in root.children:
            if child.name == "configSections":
                self._register(child, "")
        for child in root.children:
            if child.name == "location":
                self._location(child)
            elif child.name != "configSections":
                self._top_level(child, _Place())
        fragments = tuple(self._fragments.values())
        return Document(root.file, fragments, self._override_defaults, self._scopes)

    def _top_level(self, node: Node, place: _Place) -> None:
        is_foreign = node.name in FOREIGN_GROUPS
        if node.name in SECTION_GROUPS and not (is_foreign and self._holds_nothing_known(node)):
            self._group(node, node.name, place)
        elif is_foreign or node.name in FOREIGN_SECTIONS or node.name in self._registered:
            self._problems.warnings.append(node.error("isapy has no use for this section; it is ignored"))
        else:
            known = [name for name in SECTION_GROUPS if "/" not in name] + ["location", "configSections"]
            self._unknown(node, f'no section or group is called "{node.name}"', nearest_name(node.name, known))

    def _holds_nothing_known(self, group: Node) -> bool:
        return not any(
            (full := f"{group.name}/{child.name}") in SECTIONS or full in UNSUPPORTED_SECTIONS
            for child in group.children
        )

    def _group(self, group: Node, path: str, place: _Place) -> None:
        for name in group.attributes:
            self._problems.errors.append(group.error("a group has no attributes", "remove it", attribute=name))
        for node in group.children:
            full = f"{path}/{node.name}"
            if full in SECTIONS:
                self._section(node, SECTIONS[full], place)
            elif full in SECTION_GROUPS:
                self._group(node, full, place)
            elif full in UNSUPPORTED_SECTIONS:
                message = f"{full} is not supported yet and ignored: {UNSUPPORTED_SECTIONS[full]}"
                self._problems.warnings.append(node.error(message))
            elif full in self._registered:
                self._problems.warnings.append(node.error("isapy has no schema for this section; it is ignored"))
            elif path in FOREIGN_GROUPS:
                self._problems.warnings.append(node.error("isapy has no use for this section; it is ignored"))
            else:
                here = [*SECTIONS, *SECTION_GROUPS, *UNSUPPORTED_SECTIONS]
                names = [known.rpartition("/")[2] for known in here if known.rpartition("/")[0] == path]
                self._unknown(node, f"no section is called {full}", nearest_name(node.name, names))

    def _unknown(self, node: Node, message: str, nearest: str) -> None:
        self._problems.errors.append(node.error(message, f"did you mean {nearest}?" if nearest else "remove it"))

    def _section(self, node: Node, section: Section, place: _Place) -> None:
        scope = self._scopes.get(section.path, section.scope)
        if self._is_web_config and scope is Scope.APP_HOST_ONLY:
            message = "this section may stand only in the server's configuration file"
            self._problems.errors.append(node.error(message, "move it there"))
            return
        if place.is_explicit and not section.is_per_path:
            message = "this section is one for the whole server"
            self._problems.errors.append(node.error(message, "move it out of location"))
            return
        earlier = self._fragments.get((section.path, place.location))
        if earlier is not None:
            line = earlier.content.node.line
            self._problems.errors.append(node.error(f"line {line} sets this section for the same path", "join the two"))
            return
        content = self._sections.read(node, section.element)
        self._fragments[section.path, place.location] = Fragment(
            section, place.location, content, place.override_mode, place.inherits
        )

    def _location(self, node: Node) -> None:
        place = self._place(node)
        for child in node.children:
            if child.name == "location":
                self._problems.errors.append(child.error("location may not stand in location", "move it out"))
            else:
                self._top_level(child, place)

    def _place(self, node: Node) -> _Place:
        for name in node.attributes:
            if name not in _LOCATION_ATTRIBUTES:
                nearest = nearest_name(name, _LOCATION_ATTRIBUTES)
                remedy = f"did you mean {nearest}?" if nearest else f"known here: {', '.join(_LOCATION_ATTRIBUTES)}"
                message = "location has no attribute of this name"
                self._problems.errors.append(node.error(message, remedy, attribute=name))
        return _Place(
            self._location_path(node),
            self._override_mode(node),
            self._boolean(node, "inheritInChildApplications", default=True),
            is_explicit=True,
        )

    def _location_path(self, node: Node) -> Location:
        text = node.attributes.get("path", "").replace("\\", "/").strip("/")
        if text in ("", "."):
            return ()
        segments = tuple(text.split("/"))
        if any(segment in ("", ".", "..") for segment in segments):
            message = f'"{text}" has an empty, "." or ".." segment'
            self._problems.errors.append(node.error(message, "write the path without it", attribute="path"))
        self._check_segments(node, segments if self._is_web_config else segments[1:])
        return segments if self._is_web_config else (segments[0].lower(), *segments[1:])

    def _check_segments(self, node: Node, segments: Location) -> None:
        """What is written as a pattern, or as in a URL, would be said for nothing that exists: a lock without a door.
        IIS refuses both characters, too."""
        for segment in segments:
            if "*" in segment or "?" in segment:
                message = f'"{segment}" is no pattern here: a location holds for its path and everything below'
                self._problems.errors.append(node.error(message, "write the path without it", attribute="path"))
            elif (escape := _ESCAPE.search(segment)) is not None:
                message = f'"{escape[0]}" stands for itself: a location is written as the path is, without escapes'
                self._problems.warnings.append(node.error(message, f"write {unquote(segment)}", attribute="path"))

    def _override_mode(self, node: Node) -> OverrideMode:
        mode = node.attributes.get("overrideMode")
        if "allowOverride" in node.attributes:
            if mode is not None:
                message = "allowOverride and overrideMode exclude each other"
                self._problems.errors.append(node.error(message, "keep overrideMode", attribute="allowOverride"))
            allowed = self._boolean(node, "allowOverride", default=True)
            return OverrideMode.ALLOW if allowed else OverrideMode.DENY
        for known in OverrideMode:
            if (mode or "Inherit").lower() == known.value.lower():
                return known
        message = f'"{mode}" is not known'
        self._problems.errors.append(node.error(message, "write Allow, Deny or Inherit", attribute="overrideMode"))
        return OverrideMode.INHERIT

    def _boolean(self, node: Node, name: str, *, default: bool) -> bool:
        text = node.attributes.get(name, "true" if default else "false").lower()
        if text not in ("true", "false"):
            message = f'"{node.attributes[name]}" is not a bool'
            self._problems.errors.append(node.error(message, "write true or false", attribute=name))
        return text == "true"

    def _register(self, node: Node, prefix: str) -> None:
        """configSections: which sections there are; of known ones, who may override them."""
        for child in node.children:
            name = child.attributes.get("name", "")
            full = f"{prefix}/{name}" if prefix else name
            if not name or child.name not in ("section", "sectionGroup"):
                remedy = "write <section name=...> or <sectionGroup name=...>"
                self._problems.errors.append(child.error("configSections holds named sections and groups", remedy))
            elif child.name == "sectionGroup":
                self._register(child, full)
            else:
                self._registered.add(full)
                self._registration(child, full)

    def _registration(self, node: Node, full: str) -> None:
        if full not in SECTIONS or self._is_web_config:
            return
        mode = node.attributes.get("overrideModeDefault")
        if mode is not None:
            self._override_defaults[full] = mode.lower() == "allow"
        scope = node.attributes.get("allowDefinition")
        known = {member.value: member for member in Scope}
        if scope in known:
            self._scopes[full] = known[scope]
