"""Adding a filter to the text of a configuration without touching the rest."""

from __future__ import annotations

import difflib

import pytest

from host.cli.configuration_text import NoPlaceFound, add_filter

WHOLE = """\
<?xml version="1.0"?>
<!-- <system.webServer><isapiFilters></isapiFilters></system.webServer> -->
<configuration>
  <location path="a"><system.webServer><isapiFilters>
  </isapiFilters></system.webServer></location>
  <system.webServer>
    <handlers><add name="x>y" path='<isapiFilters>' verb="*"/></handlers>
    <isapiFilters>
      <filter name="one" />  <!-- first -->
      <!-- last words -->
    </isapiFilters>
  </system.webServer>
</configuration>
"""


def added_lines(old: str, new: str) -> list[str]:
    """What the edit did, as a diff without context."""
    lines = difflib.ndiff(old.splitlines(keepends=True), new.splitlines(keepends=True))
    return [line for line in lines if line[0] in "+-"]


def test_one_line_is_added_and_nothing_else_changes() -> None:
    """Comments, locations and attribute values that look like the place are passed over."""
    new = add_filter(WHOLE, "two")
    assert added_lines(WHOLE, new) == ['+       <filter name="two" />\n']
    assert new.index('name="two"') > new.index("last words")


def test_windows_line_ends_stay() -> None:
    """A file edited on Windows keeps its line ends."""
    old = WHOLE.replace("\n", "\r\n")
    assert added_lines(old, add_filter(old, "two")) == ['+       <filter name="two" />\r\n']


def test_tabs_stay() -> None:
    """The new line is indented like its brothers."""
    old = WHOLE.replace("  ", "\t")
    assert added_lines(old, add_filter(old, "two")) == ['+ \t\t\t<filter name="two" />\n']


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "<configuration>\n  <system.webServer>\n    <isapiFilters/>\n  </system.webServer>\n</configuration>\n",
            '<configuration>\n  <system.webServer>\n    <isapiFilters>\n        <filter name="f" />\n'
            "    </isapiFilters>\n  </system.webServer>\n</configuration>\n",
        ),
        (
            "<configuration>\n    <system.webServer>\n        <handlers />\n    </system.webServer>\n"
            "</configuration>\n",
            "<configuration>\n    <system.webServer>\n        <handlers />\n        <isapiFilters>\n"
            '            <filter name="f" />\n        </isapiFilters>\n    </system.webServer>\n</configuration>\n',
        ),
        (
            "<configuration>\n</configuration>\n",
            '<configuration>\n    <system.webServer>\n        <isapiFilters>\n            <filter name="f" />\n'
            "        </isapiFilters>\n    </system.webServer>\n</configuration>\n",
        ),
        (
            "<configuration />",
            '<configuration>\n    <system.webServer>\n        <isapiFilters>\n            <filter name="f" />\n'
            "        </isapiFilters>\n    </system.webServer>\n</configuration>",
        ),
        (
            '<configuration><system.webServer><isapiFilters><filter name="a"/></isapiFilters></system.webServer>'
            "</configuration>",
            '<configuration><system.webServer><isapiFilters><filter name="a"/>\n    <filter name="f" />\n'
            "</isapiFilters></system.webServer></configuration>",
        ),
    ],
    ids=["empty tag", "no section", "no section group", "empty root", "one line"],
)
def test_missing_elements_are_made(old: str, new: str) -> None:
    """Whatever is missing above the filter is written, too."""
    assert add_filter(old, "f") == new


def test_a_listed_filter_is_not_listed_twice() -> None:
    """The text comes back as it was, whichever quotes the name stands in."""
    assert add_filter(WHOLE, "one") == WHOLE
    single = WHOLE.replace('name="one"', "name='one'")
    assert add_filter(single, "one") == single


@pytest.mark.parametrize(
    "text", ["", "hello", "<web/>", "<configuration>", "<configuration></web>", "</configuration>"]
)
def test_a_text_without_a_place_is_refused(text: str) -> None:
    """Not a configuration: nothing is guessed."""
    with pytest.raises(NoPlaceFound):
        add_filter(text, "f")
