"""Text to value: forms that IIS takes, ranges, and names that were almost right."""

from __future__ import annotations

import pytest

from host.config.errors import ValueProblem
from host.config.schema_pools import PROCESS_MODEL, RECYCLING
from host.config.schema_types import Rule, boolean, choice, flags, string, time_span, uint
from host.config.values import Value, default_value, format_seconds, nearest_name, parse_value, suggestion

ANY_SPAN = time_span("t", "00:00:00", "")
COLOURS = {"None": 0, "Red": 1, "Green": 2, "Blue": 4}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:20:00", 1200),
        ("1.00:00:00", 86400),
        ("29:00:00", 104400),
        ("0:0:1", 1),
        ("2.03:04:05", 2 * 86400 + 3 * 3600 + 4 * 60 + 5),
        ("100:00:00", 360000),
    ],
)
def test_forms_of_a_time_span(text: str, seconds: int) -> None:
    """Days are optional, and hours may be more than 23 as in IIS's own default of 29:00:00."""
    assert parse_value(ANY_SPAN, text) == seconds


@pytest.mark.parametrize("text", ["", "20", "00:20", "00:60:00", "00:00:60", "-00:00:01", "1:00:00:00", "00:20:00.5"])
def test_what_is_no_time_span(text: str) -> None:
    """The remedy shows the form."""
    with pytest.raises(ValueProblem) as caught:
        parse_value(ANY_SPAN, text)
    assert caught.value.remedy == "write hh:mm:ss or d.hh:mm:ss, as in 00:20:00"


@pytest.mark.parametrize(("text", "ok"), [("00:00:59", False), ("00:01:00", True), ("30.00:01:00", False)])
def test_range_and_granularity_of_a_time_span(text: str, ok: bool) -> None:
    """idleTimeout: whole minutes up to 30 days."""
    idle_timeout = PROCESS_MODEL.attribute("idleTimeout")
    if ok:
        assert parse_value(idle_timeout, text) == 60
    else:
        with pytest.raises(ValueProblem):
            parse_value(idle_timeout, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("4294967295", 4294967295),
        ("0x10", 16),
        ("4294967296", None),
        ("-1", None),
        ("1_0", None),
        ("\uff11", None),
    ],
)
def test_a_uint_has_32_bits(text: str, value: int | None) -> None:
    """Only ASCII digits count, and no number is cut off silently."""
    attribute = uint("n", 0, "")
    if value is not None:
        assert parse_value(attribute, text) == value
    else:
        with pytest.raises(ValueProblem):
            parse_value(attribute, text)


@pytest.mark.parametrize(("number", "ok"), [(9, False), (10, True), (20, True), (21, False), (15, False)])
def test_integer_range_and_its_exclusion(number: int, ok: bool) -> None:
    """The borders are allowed; the refused range inside is not."""
    attribute = uint("n", 10, "", within=(10, 20), refused=(12, 16))
    if ok:
        assert parse_value(attribute, str(number)) == number
    else:
        with pytest.raises(ValueProblem):
            parse_value(attribute, str(number))


@pytest.mark.parametrize(("text", "value"), [("green", "Green"), ("2", "Green"), ("Purple", None), ("8", None)])
def test_an_enum_takes_a_name_in_any_case_or_its_number(text: str, value: str | None) -> None:
    """The value is always the declared spelling."""
    attribute = choice("c", "Red", "", COLOURS)
    if value is not None:
        assert parse_value(attribute, text) == value
    else:
        with pytest.raises(ValueProblem, match="is not known"):
            parse_value(attribute, text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("blue, Red", ("Red", "Blue")),
        ("5", ("Red", "Blue")),
        ("None", ()),
        ("", ()),
        ("0", ()),
        ("Red, Mauve", None),
        ("8", None),
    ],
)
def test_flags_are_a_list_of_names_or_the_sum_of_their_numbers(text: str, value: Value | None) -> None:
    """The value has the declared order; bits without a name are refused."""
    attribute = flags("f", "Red", "", COLOURS)
    if value is not None:
        assert parse_value(attribute, text) == value
    else:
        with pytest.raises(ValueProblem):
            parse_value(attribute, text)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("1", None), ("yes", None)])
def test_a_bool_is_true_or_false(text: str, value: bool | None) -> None:
    """Numbers and other words are refused."""
    if value is not None:
        assert parse_value(boolean("b", True, ""), text) is value
    else:
        with pytest.raises(ValueProblem, match="is not a bool"):
            parse_value(boolean("b", True, ""), text)


@pytest.mark.parametrize("character", [*'|\\"<>&/[]+=;:,?*@\t'])
def test_characters_that_a_pool_name_may_not_have(character: str) -> None:
    """IIS's list, and control characters."""
    with pytest.raises(ValueProblem, match="contains"):
        parse_value(string("name", "", rule=Rule.POOL_NAME), f"a{character}b")


@pytest.mark.parametrize("name", ["Default Web Site", "example.org", "Käse"])
def test_site_names_may_have_blanks_dots_and_letters_of_all_kinds(name: str) -> None:
    """Only / \\ ? are refused."""
    assert parse_value(string("name", "", rule=Rule.SITE_NAME), name) == name


@pytest.mark.parametrize("path", ["x", "/x/", "//", "/a//b", "/.", "/a/../b", ""])
def test_paths_that_no_application_may_have(path: str) -> None:
    """A leading slash, none at the end, no dots."""
    with pytest.raises(ValueProblem):
        parse_value(string("path", "", rule=Rule.URL_PATH), path)


def test_a_question_mark_in_a_handlers_path_is_refused() -> None:
    """It would never match, and no handler would say so."""
    assert parse_value(string("path", "", rule=Rule.HANDLER_PATH), "*.a,b/*,*.") == "*.a,b/*,*."
    with pytest.raises(ValueProblem, match="matches nothing") as caught:
        parse_value(string("path", "", rule=Rule.HANDLER_PATH), "/img?.pys")
    assert caught.value.remedy == 'write "/img*.pys"'


def test_defaults_are_values() -> None:
    """What stands in the schema as text is parsed like a file's text."""
    assert default_value(RECYCLING.elements[0].attribute("time")) == 104400
    assert default_value(PROCESS_MODEL.attribute("maxProcesses")) == 1
    assert default_value(RECYCLING.attribute("logEventOnRecycle")) == (
        "Time", "Requests", "Schedule", "Memory", "IsapiUnhealthy", "OnDemand", "ConfigChange", "PrivateMemory",
    )  # fmt: skip


def test_seconds_are_shown_as_they_are_written() -> None:
    """Messages speak the language of the file."""
    assert [format_seconds(n) for n in (0, 1200, 104400)] == ["00:00:00", "00:20:00", "1.05:00:00"]


def test_an_unknown_name_is_answered_with_the_nearest_or_with_all() -> None:
    """A typing error gets one name, a guess gets the list, a long list gets neither."""
    assert nearest_name("quelength", ["queueLength", "name"]) == "queueLength"
    assert nearest_name("zzz", ["queueLength"]) == ""
    assert suggestion("zzz", ["a", "b"]) == "known here: a, b"
    assert suggestion("zzz", [f"name{n}" for n in range(20)]) == "remove it"
