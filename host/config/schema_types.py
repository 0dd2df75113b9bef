"""The vocabulary in which sections are declared: attributes, elements, collections, sections. Data, no behaviour.

Defaults are written as they would stand in the file ("00:20:00"); `values.py` turns them into values. Declarations are
compared by identity: there is one of each.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace


class Kind(enum.Enum):
    """IIS's schema types. A timeSpan is kept in seconds, flags as the tuple of their names."""

    BOOL = "bool"
    UINT = "uint"
    INT = "int"
    INT64 = "int64"
    STRING = "string"
    ENUM = "enum"
    FLAGS = "flags"
    TIME_SPAN = "timeSpan"


class Rule(enum.Enum):
    """What a text must look like (IIS: validationType)."""

    NONE = ""
    NON_EMPTY = "not empty"
    POOL_NAME = r"none of | \ \" < > & / [ ] + = ; : , ? * @"
    SITE_NAME = r"none of / \ ?"
    HANDLER_PATH = "not empty, no ?"
    URL_PATH = "starts with /, no / at the end, no . or .. segment"


class Expansion(enum.Enum):
    """What happens to a text when it is read."""

    NONE = "as it stands"
    TEXT = "%NAME% replaced"
    PATH = "%NAME% replaced, made absolute"
    PATHS = "folders separated by semicolons, each as a path"
    COMMAND = "%NAME% replaced, the program made absolute when it is written with a slash"
    PLUGIN = "%NAME% replaced, made absolute when it is a file and not a type of .NET"


class Support(enum.Enum):
    """What isapy does with an attribute or element that IIS knows."""

    HONOURED = "honoured"
    WITHOUT_MEANING = "accepted, without meaning here"
    UNSUPPORTED = "accepted with a warning, not supported yet"


class Scope(enum.Enum):
    """Where a section may stand (IIS: allowDefinition)."""

    EVERYWHERE = "Everywhere"
    MACHINE_TO_APPLICATION = "MachineToApplication"
    APP_HOST_ONLY = "AppHostOnly"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attribute:
    """One attribute. `minimum`, `maximum` and `granularity` count in the unit of the value (seconds for timeSpan);
    values inside `refused` are not allowed although they lie between the two."""

    name: str
    kind: Kind
    default: str = ""
    meaning: str
    required: bool = False
    is_key: bool = False
    names: tuple[tuple[str, int], ...] = ()  # of enum and flags, with IIS's numbers
    minimum: int | None = None
    maximum: int | None = None
    granularity: int = 1
    refused: tuple[int, int] | None = None
    rule: Rule = Rule.NONE
    expansion: Expansion = Expansion.NONE
    case_sensitive: bool = False
    support: Support = Support.HONOURED
    server_only: bool = False  # ours: refused in web.config
    ours: bool = False  # IIS does not have it


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Collection:
    """The entries of an element and the names of its directives (an empty name: IIS has no such directive).

    `default_entries` stand above the server's file, as IIS's setup writes them into it: adding one again replaces it.
    With `defaults_yield` they are gone as soon as the server's file lists entries of its own.
    """

    entry: Element  # its name is the one of the add directive
    remove: str = ""
    clear: str = ""
    merge_append: bool = True
    allow_duplicates: bool = False
    default_entries: tuple[Mapping[str, str], ...] = ()
    defaults_yield: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Element:
    """An element: attributes, child elements, perhaps a collection."""

    name: str
    meaning: str
    attributes: tuple[Attribute, ...] = ()
    elements: tuple[Element, ...] = ()
    collection: Collection | None = None
    support: Support = Support.HONOURED
    ours: bool = False

    def attribute(self, name: str) -> Attribute:
        """The attribute of that name. Raises KeyError."""
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise KeyError(name)

    @property
    def is_opaque(self) -> bool:
        """Nothing is declared of it: it may hold anything, which makes sense for what is not supported only."""
        return not (self.attributes or self.elements or self.collection)

    @property
    def keys(self) -> tuple[Attribute, ...]:
        """The attributes that together name an entry."""
        return tuple(attribute for attribute in self.attributes if attribute.is_key)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Section:
    """A section: its full path, where it may stand, and whether lower levels may set it unless told otherwise."""

    path: str
    element: Element
    scope: Scope = Scope.EVERYWHERE
    allows_override: bool = True
    ours: bool = False
    is_per_path: bool = True  # false: one for the server, never inside location


def defaults_element(element: Element, name: str, meaning: str) -> Element:
    """The element that supplies defaults for entries like `element` (applicationPoolDefaults): nothing is required."""
    attributes = tuple(replace(attribute, required=False, is_key=False) for attribute in element.attributes)
    return replace(element, name=name, meaning=meaning, attributes=attributes, collection=None)


def boolean(
    name: str,
    default: bool,
    meaning: str,
    *,
    support: Support = Support.HONOURED,
    server_only: bool = False,
    ours: bool = False,
) -> Attribute:
    """An attribute that is `true` or `false`."""
    return Attribute(
        name=name,
        kind=Kind.BOOL,
        default="true" if default else "false",
        meaning=meaning,
        support=support,
        server_only=server_only,
        ours=ours,
    )


def string(  # noqa: PLR0913  # a declaration names what differs from the plain case
    name: str,
    meaning: str,
    default: str = "",
    *,
    required: bool = False,
    key: bool = False,
    rule: Rule = Rule.NONE,
    expansion: Expansion = Expansion.NONE,
    case_sensitive: bool = False,
    support: Support = Support.HONOURED,
    ours: bool = False,
) -> Attribute:
    """An attribute that is a text."""
    return Attribute(
        name=name,
        kind=Kind.STRING,
        default=default,
        meaning=meaning,
        required=required,
        is_key=key,
        rule=rule,
        expansion=expansion,
        case_sensitive=case_sensitive,
        support=support,
        ours=ours,
    )


def uint(
    name: str,
    default: int,
    meaning: str,
    *,
    within: tuple[int, int] = (0, 4294967295),
    refused: tuple[int, int] | None = None,
    support: Support = Support.HONOURED,
    ours: bool = False,
) -> Attribute:
    """An attribute that is a number from 0 to 4294967295, or within a smaller range."""
    return Attribute(
        name=name,
        kind=Kind.UINT,
        default=str(default),
        meaning=meaning,
        minimum=within[0],
        maximum=within[1],
        refused=refused,
        support=support,
        ours=ours,
    )


def time_span(
    name: str,
    default: str,
    meaning: str,
    *,
    within: tuple[int, int] = (0, 4294967295),
    granularity: int = 1,
    support: Support = Support.HONOURED,
    ours: bool = False,
) -> Attribute:
    """An attribute that is a span of time, `hh:mm:ss` or `d.hh:mm:ss`; the range counts in seconds."""
    return Attribute(
        name=name,
        kind=Kind.TIME_SPAN,
        default=default,
        meaning=meaning,
        minimum=within[0],
        maximum=within[1],
        granularity=granularity,
        support=support,
        ours=ours,
    )


def choice(
    name: str,
    default: str,
    meaning: str,
    names: Mapping[str, int],
    *,
    support: Support = Support.HONOURED,
    ours: bool = False,
) -> Attribute:
    """An attribute that is one of several names (IIS: enum). The number of a name is accepted too."""
    return Attribute(
        name=name,
        kind=Kind.ENUM,
        default=default,
        meaning=meaning,
        names=tuple(names.items()),
        support=support,
        ours=ours,
    )


def flags(
    name: str, default: str, meaning: str, names: Mapping[str, int], *, support: Support = Support.HONOURED
) -> Attribute:
    """An attribute that is a comma list of names; the sum of their numbers is accepted too."""
    return Attribute(
        name=name, kind=Kind.FLAGS, default=default, meaning=meaning, names=tuple(names.items()), support=support
    )
