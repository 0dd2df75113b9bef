"""The three formats of a site's log, and what no client can do to any of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.config.log_settings import CustomField, LogFile
from host.logs.fields import COLUMNS
from host.logs.line_formats import iis_line, line_format, ncsa_line
from host.logs.record import RequestRecord
from host.logs.w3c import within_bytes
from tests.logs.records import MAY_SECOND, details, request_record

CUSTOM = (
    CustomField(name="A", source_name="X-A"),
    CustomField(name="B", source_name="X-B", source_type="ResponseHeader"),
    CustomField(name="C", source_name="SERVER_NAME", source_type="ServerVariable"),
)
EVERYTHING = LogFile(
    fields=tuple(column.name for column in COLUMNS), custom_fields=CUSTOM, max_custom_field_length=50, log_site_id=False
)


@pytest.fixture
def new_york(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine is four hours west of UTC in May, five in January."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "EST5EDT,M3.2.0,M11.1.0")
        time.tzset()
        yield
    time.tzset()


def test_an_iis_line_has_its_fifteen_fields(new_york: None) -> None:
    """In IIS's order, local time, no zero before the hour, a comma at the end."""
    record = request_record(ended_at=MAY_SECOND - 4 * 3600, target="/a.htm?b=c", win32_status=64)
    assert iis_line(record, "WEB1") == (
        "192.168.0.17, -, 05/02/24, 9:42:15, W3SVC1, WEB1, 192.168.0.10, 12, 333, 512, 200, 64, GET, /a.htm, b=c,\n"
    )


def test_an_ncsa_line_is_the_common_log_format(new_york: None) -> None:
    """Local time with its distance from UTC, which follows daylight saving."""
    second = MAY_SECOND + 7  # in no other test: what a second is called is remembered, and the zone of a machine is one
    record = request_record(ended_at=second, target="/a?b", user_name="ACME\\john doe")
    assert ncsa_line(record) == (
        '192.168.0.17 - ACME\\john+doe [02/May/2024:13:42:22 -0400] "GET /a?b HTTP/1.1" 200 512\n'
    )
    january = MAY_SECOND - 120 * 86400
    assert "[03/Jan/2024:12:42:15 -0500]" in ncsa_line(record._replace(ended_at=january))


def test_a_zone_of_half_an_hour_east(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes count in the distance, too."""
    with monkeypatch.context() as context:
        context.setenv("TZ", "IST-5:30")
        time.tzset()
        assert "[02/May/2024:23:12:16 +0530]" in ncsa_line(request_record(ended_at=MAY_SECOND + 1))
    time.tzset()


def test_what_would_end_a_field_is_encoded() -> None:
    """A comma in IIS's format, a double quote in NCSA's request."""
    record = request_record(target='/a,"b?c,d"', user_name='x", y')
    assert iis_line(record).endswith(', GET, /a%2C"b, c%2Cd",\n')
    assert '"GET /a,%22b?c,d%22 HTTP/1.1" 200' in ncsa_line(record)


def test_a_w3c_header_names_custom_fields_behind_the_others() -> None:
    """The name that the operator gave; the other formats have no header."""
    log = LogFile(fields=("time", "sc-status"), custom_fields=CUSTOM[:1])
    assert line_format(log, "WEB1").header(MAY_SECOND).splitlines()[-1] == "#Fields: time sc-status A"
    for name in ("IIS", "NCSA"):
        assert line_format(LogFile(format=name), "WEB1").header(MAY_SECOND) == ""


def test_the_computer_s_name_is_shown() -> None:
    """s-computername, and IIS's sixth field."""
    assert line_format(LogFile(format="IIS"), "WEB 1").line(request_record()).split(", ")[5] == "WEB+1"
    assert line_format(LogFile(fields=("s-computername",)), "WEB 1").line(request_record()) == "WEB+1\n"


def test_an_unknown_format_is_an_error() -> None:
    """When the log is opened, not when a request ends."""
    with pytest.raises(ValueError, match="unknown log format Custom"):
        line_format(LogFile(format="Custom"), "WEB1")


texts = st.text(max_size=30) | st.text(
    alphabet='\r\n\t\0 ,"\\[]-#\x0b\x0c\x1b\x7f\x85\u2028\u2029\u00a0\ud800', max_size=30
)
raw_values = st.binary(max_size=30).map(lambda raw: raw.replace(b"\r", b"\x0b").replace(b"\n", b"\x0c"))
"""Header values as they pass the parser, which lets no CR and LF through."""


@st.composite
def records(draw: st.DrawFn) -> RequestRecord:
    """Whatever clients, workers and filters may put into a record."""
    names = (b"X-A", b"User-Agent", b"Cookie", b"Referer", b"Host", b"X-A")
    values: dict[str, Any] = {
        name: draw(texts)
        for name in ("site_name", "client_ip", "server_ip", "method", "target", "http_version", "user_name")
    }
    values["raw_fields"] = b"".join(name + b": " + draw(raw_values) + b"\r\n" for name in names)
    values["details"] = details(raw_head=b"HTTP/1.1 200 OK\r\nX-B: " + draw(raw_values))
    return request_record(**values)


def check_one_line(line: str) -> None:
    """One line for every program that splits text, and nothing in it that a terminal would obey."""
    assert line.endswith("\n")
    body = line[:-1]
    assert body.splitlines() == [body]
    assert all(character.isprintable() for character in body)
    assert line.encode("utf-8").decode("utf-8") == line


@given(records())
def test_nothing_breaks_a_w3c_line(record: RequestRecord) -> None:
    """As many columns as the header names, none empty, and none that reads as a directive."""
    line = line_format(EVERYTHING, "WEB1").line(record)
    check_one_line(line)
    columns = line[:-1].split(" ")
    assert len(columns) == len(COLUMNS) + len(CUSTOM)
    assert all(columns)
    assert not line.startswith("#")


@given(records())
def test_nothing_breaks_an_iis_line(record: RequestRecord) -> None:
    """Fifteen fields, whoever splits: at commas, or at commas and blanks."""
    line = iis_line(record, "WEB1")
    check_one_line(line)
    assert line.count(",") == 15
    assert line.count(" ") == 14
    assert line.count(", ") == 14


@given(records())
def test_nothing_breaks_an_ncsa_line(record: RequestRecord) -> None:
    """The usual pattern of analysers finds its seven parts."""
    line = ncsa_line(record)
    check_one_line(line)
    assert re.fullmatch(r'[^ ]+ - [^ ]+ \[[^\]]+\] "[^ "]+ [^ "]+ [^ "]+" 200 512\n', line)


@given(st.text(max_size=50), st.integers(0, 120))
def test_a_text_is_cut_between_characters(text: str, limit: int) -> None:
    """What is left is the longest beginning that fits."""
    cut = within_bytes(text, limit)
    assert text.startswith(cut)
    assert len(cut.encode("utf-8", "backslashreplace")) <= limit
    if cut != text:
        assert len(text[: len(cut) + 1].encode("utf-8", "backslashreplace")) > limit
