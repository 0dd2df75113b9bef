"""Which fragments of which files concern one URL path, in the order of inheritance, and which of them may stand there.

A path is written as segments: () is the server, ("default web site", "shop") a path of a site. Order: path by path from
the server down to the target; what is said for one path is taken first from the server's file, then from the web.config
files above it, last from its own. So a location of the server's file for a deep path is not undone by a web.config that
stands further up. Paths match whole segments: /site is not above /siteTest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from host.config.document import Document, Fragment, Location, OverrideMode
from host.config.inheritance import Effective, in_force
from host.config.letter_case import without_case
from host.config.model import Application, Site
from host.config.problems import Problems
from host.config.schema import SECTIONS
from host.config.schema_types import Scope, Section

_LOCKS: Final = "system.webServer/security/"


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """A file at its place. The server's file is at ()."""

    document: Document
    path: Location


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A fragment at the path that it sets."""

    fragment: Fragment
    target: Location
    level: Level

    @property
    def is_server_level(self) -> bool:
        """Whether it stands in the server's file outside any site's location."""
        return not self.target


@dataclass(frozen=True, slots=True)
class ApplicationPlace:
    """An application as segments, and the places of all applications of its site."""

    path: Location
    siblings: frozenset[Location]


def application_path(application: Application) -> Location:
    """The segments of an application's root."""
    return (application.site_name.lower(), *segments_of(application.path))


def application_place(application: Application, site: Site) -> ApplicationPlace:
    """The application among those of its site."""
    return ApplicationPlace(
        application_path(application), frozenset(application_path(sibling) for sibling in site.applications)
    )


def segments_of(url_path: str) -> Location:
    """The segments of a URL path, empty ones dropped."""
    return tuple(segment for segment in url_path.split("/") if segment)


def is_above(upper: Location, lower: Location) -> bool:
    """Whether `upper` is `lower` or an ancestor of it, by whole segments."""
    return lower[: len(upper)] == upper


def concerns(section: Section, location: Location, target: Location) -> bool:
    """Whether what a location says of that section holds for `target`. Files have their case, and so have locations;
    but handlers, applications and virtual directories are found in any case of letters: what locks a path locks it
    however a client spells it."""
    if is_above(location, target):
        return True
    return section.path.startswith(_LOCKS) and is_above(_folded(location), _folded(target))


def _folded(location: Location) -> Location:
    return tuple(map(without_case, location))


def applicable(levels: Iterable[Level], target: Location, application: Location) -> list[Placed]:
    """The fragments that concern `target` (a path of `application`), the farthest first."""
    found = [
        Placed(fragment, level.path + fragment.location, level)
        for level in levels
        for fragment in level.document.fragments
        if fragment.section.is_per_path and concerns(fragment.section, level.path + fragment.location, target)
    ]
    found.sort(key=lambda placed: len(placed.target))  # stable: the upper file comes first within one path
    return [placed for placed in found if _reaches(placed, application)]


def _reaches(placed: Placed, application: Location) -> bool:
    """inheritInChildApplications="false" ends at the root of another application below."""
    if placed.fragment.inherits_in_child_applications or len(placed.target) >= len(application):
        return True
    return not placed.target and len(application) == 1


def check_permissions(placed: Sequence[Placed], server: Document, place: ApplicationPlace, problems: Problems) -> None:
    """Notes every fragment of a web.config that a lock or the section's scope keeps out."""
    for index, candidate in enumerate(placed):
        if not candidate.level.path:
            continue
        section = candidate.fragment.section
        node = candidate.fragment.content.node
        scope = server.scopes.get(section.path, section.scope)
        if scope is Scope.MACHINE_TO_APPLICATION and candidate.target not in place.siblings:
            remedy = "move it to the web.config of the application's root folder"
            problems.errors.append(node.error("this section may not stand below an application's root", remedy))
        locker = _locker(candidate, placed[:index], server)
        if locker is not None:
            problems.errors.append(node.error(f"this section is locked by {locker}", _unlock(server, section)))


def _locker(candidate: Placed, above: Sequence[Placed], server: Document) -> str | None:
    """Who forbids the section at this path: the nearest overrideMode above it, finally the section's own default."""
    section = candidate.fragment.section
    for upper in reversed(above):
        fragment = upper.fragment
        is_other_file = upper.level.document is not candidate.level.document
        if fragment.section is section and is_other_file and fragment.override_mode is not OverrideMode.INHERIT:
            node = fragment.content.node
            return f"{node.file}:{node.line}" if fragment.override_mode is OverrideMode.DENY else None
    allowed = server.override_defaults.get(section.path, section.allows_override)
    return None if allowed else server.file


def _unlock(server: Document, section: Section) -> str:
    return f'set it in {server.file}, or allow it there with <location overrideMode="Allow"> around {section.path}'


def sections_in_force(placed: Sequence[Placed], problems: Problems) -> dict[str, Effective]:
    """The effective sections by their path; those that nobody writes are missing."""
    by_section: dict[str, list[Placed]] = {}
    for part in placed:
        by_section.setdefault(part.fragment.section.path, []).append(part)
    return {
        path: in_force(SECTIONS[path], [(part.fragment.content, part.is_server_level) for part in parts], problems)
        for path, parts in by_section.items()
    }
