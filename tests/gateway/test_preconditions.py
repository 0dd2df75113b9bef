"""RFC 9110 section 13: conditions and their order."""

from __future__ import annotations

import pytest

from host.api import Headers
from host.gateway.preconditions import Verdict, conditional_fields, evaluate, http_date_seconds, range_applies

TAG = '"abc:1"'
SECONDS = 784111777  # Sun, 06 Nov 1994 08:49:37 GMT
SAME, EARLIER, LATER = (f"Sun, 06 Nov 1994 08:49:{second} GMT" for second in (37, 36, 38))
PERFORM, NOT_MODIFIED, FAILED = Verdict.PERFORM, Verdict.NOT_MODIFIED, Verdict.FAILED


@pytest.mark.parametrize(
    "text", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
)
def test_the_three_forms_of_a_date_mean_the_same_second(text: str) -> None:
    """RFC 9110 section 5.6.7."""
    assert http_date_seconds(text) == SECONDS


@pytest.mark.parametrize("text", ["", "yesterday", "Sun, 06 Nov 99999999 08:49:37 GMT", "Sun, 99 Foo 1994", "0", "-1"])
def test_what_is_no_date_is_none(text: str) -> None:
    """A recipient ignores an invalid date."""
    assert http_date_seconds(text) is None


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, PERFORM),
        ({"if-match": TAG}, PERFORM),
        ({"if-match": "*"}, PERFORM),
        ({"if-match": '"x", "abc:1"'}, PERFORM),
        ({"if-match": '"x"'}, FAILED),
        ({"if-match": 'W/"abc:1"'}, FAILED),  # strong comparison
        ({"if-match": ""}, FAILED),
        ({"if-match": TAG, "if-unmodified-since": EARLIER}, PERFORM),  # If-Match beats the date
        ({"if-unmodified-since": EARLIER}, FAILED),
        ({"if-unmodified-since": SAME}, PERFORM),
        ({"if-unmodified-since": "never"}, PERFORM),
        ({"if-none-match": TAG}, NOT_MODIFIED),
        ({"if-none-match": 'W/"abc:1"'}, NOT_MODIFIED),  # weak comparison
        ({"if-none-match": "*"}, NOT_MODIFIED),
        ({"if-none-match": '"x","y"'}, PERFORM),
        ({"if-none-match": '"x"', "if-modified-since": LATER}, PERFORM),  # If-None-Match beats the date
        ({"if-modified-since": SAME}, NOT_MODIFIED),
        ({"if-modified-since": EARLIER}, PERFORM),
        ({"if-modified-since": "rubbish"}, PERFORM),
        ({"if-match": '"x"', "if-none-match": TAG}, FAILED),  # the first step decides
        ({"if-match": TAG, "if-none-match": TAG}, NOT_MODIFIED),
        ({"if-unmodified-since": SAME, "if-modified-since": SAME}, NOT_MODIFIED),
    ],
)
def test_conditions_are_tested_in_the_standard_order(fields: dict[str, str], verdict: Verdict) -> None:
    """RFC 9110 section 13.2.2."""
    assert evaluate("GET", fields, TAG, SECONDS) is verdict


def test_a_matching_entity_tag_refuses_an_unsafe_method() -> None:
    """If-None-Match on PUT guards against overwriting: 412, not 304."""
    assert evaluate("PUT", {"if-none-match": "*"}, TAG, SECONDS) is FAILED
    assert evaluate("PUT", {"if-modified-since": SAME}, TAG, SECONDS) is PERFORM


def test_without_an_entity_tag_only_the_star_matches() -> None:
    """setEtag="false": the file exists, but has no tag to compare with."""
    assert evaluate("GET", {"if-none-match": TAG}, "", SECONDS) is PERFORM
    assert evaluate("GET", {"if-match": TAG}, "", SECONDS) is FAILED
    assert evaluate("GET", {"if-match": "*"}, "", SECONDS) is PERFORM


@pytest.mark.parametrize(
    ("if_range", "applies"),
    [("", True), (TAG, True), ('"x"', False), (f"W/{TAG}", False), (SAME, True), (LATER, False), ("junk", False)],
)
def test_if_range_needs_the_very_same_representation(if_range: str, applies: bool) -> None:
    """RFC 9110 section 13.1.5: strong comparison, dates by equality."""
    assert range_applies(if_range, TAG, SECONDS, SECONDS + 60) is applies


def test_a_date_as_young_as_the_clocks_grain_is_no_strong_validator() -> None:
    """The file may have changed twice within that second."""
    assert not range_applies(SAME, TAG, SECONDS, SECONDS)


def test_repeated_fields_are_joined_and_others_left_out() -> None:
    """A list may be spread over several lines; everything else of the request is of no interest here."""
    headers = Headers([("Host", "h"), ("If-None-Match", '"a"'), ("IF-NONE-MATCH", '"b"'), ("Range", "bytes=0-0")])
    assert conditional_fields(headers) == {"if-none-match": '"a", "b"', "range": "bytes=0-0"}
