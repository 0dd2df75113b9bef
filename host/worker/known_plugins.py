"""What an extension has said of itself outlives the worker that could load it: names and mappings by which a request is
refused with the cause (500.21) when the file, saved since, cannot be loaded any more.

Without that its URLs would fall to the next handler, mostly to a 404 that tells nobody anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from host.api import HandlerMapping
from host.wire.message_rows import KnownMapping, KnownPlugin
from host.worker.plugin_loader import declared_mappings


class Described(Protocol):
    """A plugin as far as it is described here."""

    path: str
    further_names: tuple[str, ...]
    mappings: tuple[HandlerMapping, ...]


def known_plugins(extensions: Iterable[Described]) -> list[KnownPlugin]:
    """What the worker after this one may have to know of them, those included that this one could not load."""
    return [
        KnownPlugin(
            path=plugin.path,
            further_names=list(plugin.further_names),
            mappings=[KnownMapping(name=one.name, path=one.path, verbs=one.verbs) for one in plugin.mappings],
        )
        for plugin in extensions
        if plugin.further_names or plugin.mappings
    ]


def recall(plugin: Described, known: KnownPlugin | None) -> None:
    """Give a plugin that could not be loaded the names and mappings that it had, and the mappings that its text shows;
    nothing in place of what it has said this time."""
    brought = {one.name: one for one in declared_mappings(plugin.path)}
    if known is not None:
        plugin.further_names = plugin.further_names or tuple(known.further_names)
        had = [HandlerMapping(name=one.name, path=one.path, verbs=one.verbs) for one in known.mappings]
        brought |= {one.name: one for one in had}
    plugin.mappings = plugin.mappings or tuple(brought.values())
