"""File name extensions that are written without their dot: no file has them, so what is said of them would be said of
nothing, and a `fileExtension` that is to be refused would be let through.

Warnings: IIS takes such entries, too, and they have as little effect there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from host.config.document import Document
from host.config.problems import Problems
from host.config.section_reader import Content, DirectiveKind

_LISTS: Final = {
    "staticContent": ("", "fileExtension"),
    "requestFiltering": ("fileExtensions", "fileExtension"),
    "caching": ("profiles", "extension"),
}
"""Section to the child element that lists extensions (empty: the section itself), and the attribute of an entry."""
_ALL: Final = "*"  # of caching/profiles


def check_extensions(document: Document, problems: Problems) -> None:
    """Warns of each entry whose extension has no dot, by file and line."""
    for fragment in document.fragments:
        child, attribute = _LISTS.get(fragment.section.element.name, ("", ""))
        listing = fragment.content.children.get(child) if child else fragment.content
        for entry in _added(listing) if attribute and listing is not None else ():
            extension = str(entry.values.get(attribute, ""))
            if extension and extension != _ALL and not extension.startswith("."):
                message = f'"{extension}" begins with no dot, so no file has it'
                problems.warnings.append(entry.node.error(message, f'write ".{extension}"', attribute=attribute))


def _added(listing: Content) -> Iterator[Content]:
    return (one.content for one in listing.directives if one.kind is DirectiveKind.ADD)
