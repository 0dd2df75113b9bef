"""Whatever stands in a file, only ConfigErrors come out."""

from __future__ import annotations

import contextlib
from xml.sax.saxutils import quoteattr

from hypothesis import given, settings
from hypothesis import strategies as st

from host.config.errors import ConfigErrors
from host.config.schema import SECTIONS, elements_of
from host.config.schema_types import Attribute, Element
from host.config.store import Source, build_snapshot
from host.config.xml_reader import read_xml

PATH = "/nonexistent/conf/applicationHost.config"
XML_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=30)
TRICKY = st.sampled_from(
    ["", "/", "*", "%", "%%", "%HOME%", "%A", "..\\..", "-1", "0x", "9" * 400, "00:00:00", "\ud7ff", "Infinite", "٣",
     "99999999.99999999:59:59", "*:80:", "[:80:", "::", "a:1:é" * 9, '"', '"x', "|", "\u2028"]
)  # fmt: skip
VALUES = XML_TEXT | TRICKY


def sections() -> list[tuple[str, Element]]:
    return [(section.path, section.element) for section in SECTIONS.values()]


@st.composite
def element_text(draw: st.DrawFn, element: Element, depth: int = 0) -> str:
    """The element with some of its attributes, children and entries, all values at random."""
    chosen = draw(st.lists(st.sampled_from(element.attributes), unique=True)) if element.attributes else []
    required = [attribute for attribute in element.attributes if attribute.required and attribute not in chosen]
    pairs = [f"{attribute.name}={quoteattr(draw(value_of(attribute)))}" for attribute in (*chosen, *required)]
    inner = ""
    parts = [*element.elements, *([element.collection.entry] if element.collection else [])]
    if parts and depth < 4:
        picked = draw(st.lists(st.sampled_from(parts), max_size=3))
        inner = "".join(draw(element_text(part, depth + 1)) for part in picked)
    return f"<{element.name} {' '.join(pairs)}>{inner}</{element.name}>"


def value_of(attribute: Attribute) -> st.SearchStrategy[str]:
    """Sound values too, so that more than the first check is reached."""
    sound = [attribute.default, *(name for name, _ in attribute.names), "1", "true", "x", "/", "/x"]
    return st.sampled_from(sound) | VALUES


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_random_values_raise_nothing_but_config_errors(data: st.DataObject) -> None:
    """Each section with random attributes, inside and outside of location."""
    path, element = data.draw(st.sampled_from(sections()))
    text = data.draw(element_text(element))
    for group in reversed(path.split("/")[:-1]):
        text = f"<{group}>{text}</{group}>"
    if data.draw(st.booleans()):
        text = f"<location path={quoteattr(data.draw(VALUES))}>{text}</location>"
    cleaned = f"<configuration>{text}</configuration>".encode()
    with contextlib.suppress(ConfigErrors):
        build_snapshot(Source(PATH, cleaned), 1)


@given(st.binary(max_size=200) | VALUES.map(lambda text: text.encode()) | VALUES.map(lambda t: t.encode("utf-16")))
@settings(max_examples=150, deadline=None)
def test_random_bytes_raise_nothing_but_config_errors(text: bytes) -> None:
    """Neither the decoder nor the parser lets anything else through."""
    with contextlib.suppress(ConfigErrors):
        read_xml(text, "f")
    with contextlib.suppress(ConfigErrors):
        build_snapshot(Source(PATH, text), 1)


def test_every_section_can_be_drawn() -> None:
    """The strategy above reaches all of them."""
    assert {path for path, _ in sections()} == set(SECTIONS)
    assert all(list(elements_of(section)) for section in SECTIONS.values())
