"""Lines and header blocks of the W3C extended format."""

from __future__ import annotations

import time
import timeit

import pytest

from host.logs.fields import COLUMNS, DEFAULT_COLUMNS
from host.logs.w3c import column_text, compile_formatter, header_block
from tests.kept_memory import kept_bytes
from tests.logs.records import MAY_SECOND, request_record

ALL_COLUMNS = tuple(column.name for column in COLUMNS)


def test_header_block_names_the_fields() -> None:
    """Software, version, date, fields: one line each."""
    assert header_block(DEFAULT_COLUMNS, MAY_SECOND).splitlines() == [
        "#Software: isapy",
        "#Version: 1.0",
        "#Date: 2024-05-02 17:42:15",
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) "
        "cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
    ]


def test_default_line() -> None:
    """Blanks become plus signs, empty values dashes."""
    record = request_record(target="/shop/list.py?page=2&q=a", user_name="ACME\\john doe", status=404, substatus=3)
    assert compile_formatter(DEFAULT_COLUMNS)(record) == (
        "2024-05-02 17:42:15 192.168.0.10 GET /shop/list.py page=2&q=a 80 ACME\\john+doe 192.168.0.17 "
        "Mozilla/5.0+(X11) - 404 3 0 12\n"
    )


def test_long_header_fields_are_not_kept() -> None:
    """Two thousand invented user agents of 16 KB were 60 MB in the listener."""
    line = compile_formatter(DEFAULT_COLUMNS)
    assert kept_bytes(lambda text: line(request_record(raw_fields=f"User-Agent: {text}\r\n".encode()))) < 500_000


def test_line_with_every_column() -> None:
    """All columns, in the fixed order."""
    record = request_record(
        raw_fields=b"host: www.example.org:80\r\nCOOKIE: a=1; b=2\r\nReferer:http://x/\r\nuser-agent: curl/8\r\n"
    )
    line = compile_formatter(ALL_COLUMNS, computer_name="WEB 1")(record)
    assert dict(zip(ALL_COLUMNS, line.rstrip("\n").split(" "), strict=True)) == {
        "date": "2024-05-02",
        "time": "17:42:15",
        "s-sitename": "W3SVC1",
        "s-computername": "WEB+1",
        "s-ip": "192.168.0.10",
        "cs-method": "GET",
        "cs-uri-stem": "/default.htm",
        "cs-uri-query": "-",
        "s-port": "80",
        "cs-username": "-",
        "c-ip": "192.168.0.17",
        "cs-version": "HTTP/1.1",
        "cs(User-Agent)": "curl/8",
        "cs(Cookie)": "a=1;+b=2",
        "cs(Referer)": "http://x/",
        "cs-host": "www.example.org:80",
        "sc-status": "200",
        "sc-substatus": "0",
        "sc-win32-status": "0",
        "sc-bytes": "512",
        "cs-bytes": "333",
        "time-taken": "12",
    }


def test_site_name_instead_of_its_id() -> None:
    """logSiteId=false shows the site's name."""
    assert compile_formatter(["s-sitename"], log_site_id=False)(request_record()) == "Default+Web+Site\n"


def test_header_fields_do_not_leak_from_one_request_into_the_next() -> None:
    """A request without a User-Agent shows a dash although the one before had one."""
    format_line = compile_formatter(["cs(User-Agent)"])
    assert format_line(request_record()) == "Mozilla/5.0+(X11)\n"
    assert format_line(request_record(raw_fields=b"Host: x\r\n")) == "-\n"
    assert format_line(request_record()) == "Mozilla/5.0+(X11)\n"


def test_browsers_take_turns() -> None:
    """Sites with the same columns share what is known of header fields; each line shows its own client's."""
    sites = [compile_formatter(["s-sitename", "cs(User-Agent)", "c-ip"]) for _ in range(2)]
    for number in range(600):  # more than are kept
        raw_fields = b"Host: x\r\nUser-Agent: A/%d\r\n" % (number // 2)
        record = request_record(raw_fields=raw_fields, client_ip=f"10.0.0.{number % 3}")
        assert sites[number % 2](record) == f"W3SVC1 A/{number // 2} 10.0.0.{number % 3}\n"


@pytest.mark.parametrize(
    ("raw_agent", "shown"),
    [
        (b"a b\tc", "a+b+c"),
        (b"evil\x0b2024-01-01", "evil+2024-01-01"),
        (b"\xc2\x85next\xe2\x80\xa8line", "+next+line"),
        (b"\xff\xfe", "��"),
        (b"caf\xc3\xa9", "café"),
        (b"", "-"),
        (b"  \t", "-"),
    ],
)
def test_a_value_stays_in_its_column(raw_agent: bytes, shown: str) -> None:
    """Nothing a client sends can begin a column or a line of its own."""
    line = compile_formatter(["cs(User-Agent)", "sc-status"])(
        request_record(raw_fields=b"User-Agent: " + raw_agent + b"\r\nX: y\r\n")
    )
    assert line == f"{shown} 200\n"
    assert len(line.splitlines()) == 1


def test_a_header_name_inside_a_value_is_not_a_header() -> None:
    """`X: user-agent: forged` does not set the user agent."""
    record = request_record(raw_fields=b"X: user-agent: forged\r\nX-User-Agent: no\r\nUser-Agent: real\r\n")
    assert compile_formatter(["cs(User-Agent)"])(record) == "real\n"


def test_target_with_blanks_and_without_path() -> None:
    """A raw target is cut at the first question mark only, and made safe."""
    format_line = compile_formatter(["cs-uri-stem", "cs-uri-query"])
    assert format_line(request_record(target="/a b\n?c d?e")) == "/a+b+ c+d?e\n"
    assert format_line(request_record(target="*")) == "* -\n"
    assert format_line(request_record(target="")) == "- -\n"
    assert format_line(request_record(target="/x?")) == "/x -\n"


def test_time_follows_the_record() -> None:
    """The cached second is dropped when the next one comes, and when the clock goes back."""
    format_line = compile_formatter(["date", "time"])
    seconds = (MAY_SECOND, MAY_SECOND + 0.5, MAY_SECOND + 1, MAY_SECOND - 86400)
    assert [format_line(request_record(ended_at=at)).strip() for at in seconds] == [
        "2024-05-02 17:42:15",
        "2024-05-02 17:42:15",
        "2024-05-02 17:42:16",
        "2024-05-01 17:42:15",
    ]


def test_unknown_column_is_refused_by_name() -> None:
    """A column that does not exist is an error when the formatter is made, not when a request ends."""
    with pytest.raises(ValueError, match="unknown log column cs-colour"):
        compile_formatter(["date", "cs-colour"])


def test_column_text_of_nothing_is_a_dash() -> None:
    """W3C's empty value."""
    assert column_text("") == "-"


def test_formatting_is_cheap() -> None:
    """A default line of a browser's 13 fields costs a few microseconds at most (2 on an idle machine)."""
    raw_fields = b"".join(b"X-Field-%d: some value of usual length\r\n" % number for number in range(11))
    blocks = [b"User-Agent: Mozilla/5.0 (X11; Linux) %d\r\nReferer: http://x/\r\n" % n + raw_fields for n in range(2)]
    records = [request_record(raw_fields=block) for block in blocks]
    format_line = compile_formatter(DEFAULT_COLUMNS)
    both = lambda: (format_line(records[0]), format_line(records[1]))  # noqa: E731
    best = min(timeit.repeat(both, timer=time.process_time, number=2000, repeat=7))
    assert best / 4000 < 12e-6
