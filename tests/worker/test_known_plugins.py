"""What a worker tells of its extensions, and what the next one makes of it for those that it cannot load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from host.api import HandlerMapping
from host.wire.message_rows import KnownMapping, KnownPlugin
from host.worker.known_plugins import known_plugins, recall


@dataclass
class Described:
    path: str
    further_names: tuple[str, ...] = ()
    mappings: tuple[HandlerMapping, ...] = ()


def known(path: str) -> KnownPlugin:
    mappings = [KnownMapping(name="Old", path="*.old", verbs="GET"), KnownMapping(name="Text", path="*.x", verbs="*")]
    return KnownPlugin(path=path, further_names=["OldName"], mappings=mappings)


def test_only_what_has_said_something_is_worth_telling() -> None:
    """Most extensions of isapy's own kind are called by the configuration alone."""
    told = known_plugins([Described("/a.py"), Described("/b.py", ("B",), (HandlerMapping(name="M", path="*.m"),))])
    mapping = KnownMapping(name="M", path="*.m", verbs="*")
    assert told == [KnownPlugin(path="/b.py", further_names=["B"], mappings=[mapping])]


def test_what_was_known_and_what_the_text_shows_are_joined(tmp_path: Path) -> None:
    """Of one name what was known counts; and the next worker is told all of it again."""
    path = tmp_path / "broken.py"
    path.write_text("def f(:\n HandlerMapping(name='Text', path='*.text')\n HandlerMapping(name='New', path='*.new')")
    plugin = Described(str(path))
    recall(plugin, known(str(path)))
    assert plugin.further_names == ("OldName",)
    assert {one.name: (one.path, one.verbs) for one in plugin.mappings} == {
        "Old": ("*.old", "GET"),
        "Text": ("*.x", "*"),
        "New": ("*.new", "*"),
    }
    (told,) = known_plugins([plugin])
    assert {one.name for one in told.mappings} == {"Old", "Text", "New"}


def test_what_the_plugin_has_said_this_time_counts_alone(tmp_path: Path) -> None:
    """It was loaded as far as that."""
    mapping = HandlerMapping(name="Now", path="*.now")
    plugin = Described(str(tmp_path / "none.py"), ("Name",), (mapping,))
    recall(plugin, known("/x"))
    assert (plugin.further_names, plugin.mappings) == (("Name",), (mapping,))
    recall(unknown := Described("/nowhere.py"), None)
    assert (unknown.further_names, unknown.mappings) == ((), ())
