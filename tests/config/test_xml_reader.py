"""XML to nodes: lines, and everything that a hostile or damaged file may try."""

from __future__ import annotations

import pytest

from host.config.errors import ConfigErrors
from host.config.xml_reader import MAX_FILE_BYTES, Node, read_xml


def refusal(text: bytes) -> str:
    with pytest.raises(ConfigErrors) as caught:
        read_xml(text, "f")
    return str(caught.value)


def test_nodes_remember_name_attributes_and_first_line() -> None:
    """The line of an element is the one of its `<`, also when its start tag goes over several lines."""
    root = read_xml(b'<a>\n  <b x="1"\n     y="2"\n  >\n    <c/></b>\n  <d/><d\n q="1"/>\n</a>', "f")
    b, d, d2 = root.children
    assert (root.line, b.line, b.children[0].line, d.line) == (1, 2, 5, 6)
    assert b.attributes == {"x": "1", "y": "2"}
    assert (b.error("m", attribute="x").line, b.error("m", attribute="y").line) == (2, 3)
    assert d2.error("m", attribute="q").line == 7


def test_an_element_that_begins_with_another_ones_name_is_not_taken_for_it() -> None:
    """`<add-on` is not the start of `<add`."""
    root = read_xml(b'<a>\n<add\n x="1"/><add-on/>\n</a>', "f")
    assert root.children[0].line == 2


def test_labels_name_the_collection_of_a_directive() -> None:
    """`add` alone would say nothing."""
    root = read_xml(b"<handlers><add/><x/></handlers>", "f")
    assert [child.label for child in root.children] == ["handlers/add", "x"]


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml version="1.0"?>\n<!DOCTYPE configuration>\n<configuration/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]>\n<a/>',
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'.encode("utf-16"),
        b'\xef\xbb\xbf<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a x="1"/>',
    ],
)
def test_a_doctype_is_refused_in_every_encoding(text: bytes) -> None:
    """No DTD, internal or external, is ever read."""
    assert "a DOCTYPE declaration is not allowed; remove it, write values in place" in refusal(text)


def test_an_entity_bomb_is_refused_before_it_is_parsed() -> None:
    """Entities that multiply themselves never reach the parser."""
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    text = f'<!DOCTYPE a [<!ENTITY e0 "ha">{entities}]><a x="&e9;">&e9;</a>'
    assert refusal(text.encode()).startswith("f:1: a DOCTYPE declaration is not allowed")


def test_an_encoding_that_could_hide_a_doctype_is_refused() -> None:
    """UTF-7 writes `<!DOCTYPE` without a `<`."""
    text = b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a+AD4-+ADw-a/+AD4-'
    assert refusal(text) == "f:1: the encoding utf-7 is not supported; save the file as UTF-8"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "f:1: not well-formed XML: Document is empty; repair the XML"),
        (b"<a>\n<b></a>", "f:2: not well-formed XML: Opening and ending tag mismatch: b line 2 and a; repair the XML"),
        (b"<a>\n\n&amp;x &nope;</a>", "f:3: not well-formed XML: Entity 'nope' not defined; repair the XML"),
        (b"<a>\n\xff</a>", "f:2: not valid utf-8; save the file as UTF-8"),
        (b"<a>\n<b>text</b></a>", "f:2: b: text between elements has no meaning; remove it"),
        (b"<a/>\n<b/>", "f:2: not well-formed XML: Extra content at the end of the document; repair the XML"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(text: bytes, message: str) -> None:
    """The line is where the parser stopped, the remedy says what to do."""
    assert refusal(text) == message


def test_too_large_and_too_deep_files_are_refused() -> None:
    """Neither memory nor the stack belongs to whoever writes a web.config."""
    assert "the file is larger than" in refusal(b"<a>" + b" " * MAX_FILE_BYTES + b"</a>")
    assert "not well-formed XML" in refusal(b"<a>" * 5000 + b"</a>" * 5000)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_declared_encodings_are_read(encoding: str) -> None:
    """Files of Windows editors come in several encodings."""
    text = f'<?xml version="1.0" encoding="{encoding}"?>\r\n<a>\r\n<b x="ü"/></a>'.encode(encoding)
    node = read_xml(text, "f").children[0]
    assert (node.attributes["x"], node.line) == ("ü", 3)


def test_comments_and_processing_instructions_say_nothing() -> None:
    """They are dropped, also with markup inside."""
    root = read_xml(b"<a><!-- <add/> --><?x <add/> ?><b/></a>", "f")
    assert [child.name for child in root.children] == ["b"]


def test_what_a_node_says_does_not_depend_on_order_of_attributes_or_place() -> None:
    """Two spellings of the same element have one canonical form."""

    def canonical(text: bytes) -> object:
        return read_xml(text, "f").canonical()

    assert canonical(b'<a x="1" y="2"><b/></a>') == canonical(b'<a\n y="2" x="1"> <!-- c --> <b/></a>')
    assert canonical(b'<a x="1"/>') != canonical(b'<a x="2"/>')
    assert Node("a", "f", 1).canonical() == Node("a", "g", 9).canonical()
