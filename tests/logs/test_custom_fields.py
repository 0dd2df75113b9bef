"""Custom fields of a W3C log."""

from __future__ import annotations

import pytest

from host.config.log_settings import LOGGED_VARIABLES, CustomField
from host.logs.custom_fields import VARIABLES, host_name
from host.logs.record import RequestRecord
from host.logs.w3c import compile_formatter
from tests.logs.records import details, request_record


def shown(record: RequestRecord, *sources: tuple[str, str], limit: int = 4096) -> list[str]:
    """What columns of these sources (type, name) show, behind one of the format's own."""
    fields = [CustomField(name="x", source_name=name, source_type=kind) for kind, name in sources]
    line = compile_formatter(["sc-status"], custom_fields=fields, max_custom_field_length=limit)(record)
    assert line.endswith("\n")
    status, *values = line[:-1].split(" ")
    assert status == "200"
    return values


def test_every_variable_that_the_configuration_promises_is_there() -> None:
    """And none that it would warn of."""
    assert set(VARIABLES) == LOGGED_VARIABLES


def test_request_fields_are_found_whatever_their_case() -> None:
    """A field that is missing or empty is a dash; one that came several times is a list."""
    raw = b"Host: x\r\nX-FORWARDED-FOR: 10.0.0.1\r\nx-empty:\r\nx-forwarded-for: 10.0.0.2, 10.0.0.3\r\n"
    names = ("X-Forwarded-For", "X-Empty", "X-Missing", "host")
    record = request_record(raw_fields=raw)
    values = shown(record, *(("RequestHeader", name) for name in names))
    assert values == ["10.0.0.1,+10.0.0.2,+10.0.0.3", "-", "-", "x"]


def test_columns_of_the_format_see_their_fields_beside_custom_ones() -> None:
    """One search finds both."""
    fields = [CustomField(name="A", source_name="Accept"), CustomField(name="U", source_name="User-Agent")]
    line = compile_formatter(["cs(User-Agent)", "cs-uri-query"], custom_fields=fields)
    assert line(request_record(target="/a?b")) == "Mozilla/5.0+(X11) b */* Mozilla/5.0+(X11)\n"
    assert line(request_record(raw_fields=b"")) == "- - - -\n"


def test_answer_fields_are_those_that_were_sent() -> None:
    """The listener's own among them; without an answer there is none. The status line is no field."""
    sources = (("ResponseHeader", "content-type"), ("ResponseHeader", "SERVER"), ("ResponseHeader", "HTTP/1.1 200 OK"))
    assert shown(request_record(details=details()), *sources) == ["text/html", "isapy", "-"]
    assert shown(request_record(details=details(raw_head=b"")), *sources) == ["-", "-", "-"]
    assert shown(request_record(), *sources) == ["-", "-", "-"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_POOL_ID", "Shop"),
        ("APPL_MD_PATH", "/LM/W3SVC/1/ROOT/shop"),
        ("AUTH_USER", "ACME\\john+doe"),
        ("CONTENT_LENGTH", "7"),
        ("CONTENT_TYPE", "a/b;+c=d"),
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("HTTPS", "off"),
        ("HTTP_METHOD", "POST"),
        ("HTTP_URL", "/a+b?c"),
        ("HTTP_VERSION", "HTTP/1.1"),
        ("INSTANCE_ID", "1"),
        ("INSTANCE_META_PATH", "/LM/W3SVC/1"),
        ("INSTANCE_NAME", "Default+Web+Site"),
        ("LOCAL_ADDR", "192.168.0.10"),
        ("LOGON_USER", "ACME\\john+doe"),
        ("QUERY_STRING", "c"),
        ("REMOTE_ADDR", "192.168.0.17"),
        ("REMOTE_HOST", "192.168.0.17"),
        ("REMOTE_PORT", "2920"),
        ("REMOTE_USER", "ACME\\john+doe"),
        ("REQUEST_METHOD", "POST"),
        ("SERVER_NAME", "www.example.org"),
        ("SERVER_PORT", "80"),
        ("SERVER_PORT_SECURE", "0"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("UNENCODED_URL", "/a+b?c"),
        ("http_x_part", "one"),
        ("SCRIPT_NAME", "-"),
    ],
)
def test_variables(name: str, value: str) -> None:
    """Each as a worker's variable of that name would be; one that only a worker knows is a dash."""
    raw = b"Host: www.example.org:80\r\nContent-Type: a/b; c=d\r\nContent-Length: 7\r\nX-Part: one\r\n"
    record = request_record(
        raw_fields=raw, method="POST", target="/a b?c", user_name="ACME\\john doe", details=details()
    )
    assert shown(record, ("ServerVariable", name)) == [value]
    assert shown(record, ("ServerVariable", name.lower())) == [value]


def test_a_secure_connection_says_so() -> None:
    """HTTPS and SERVER_PORT_SECURE; a dash when it is not known."""
    sources = (("ServerVariable", "HTTPS"), ("ServerVariable", "SERVER_PORT_SECURE"), ("ServerVariable", "REMOTE_PORT"))
    assert shown(request_record(details=details(is_secure=True)), *sources) == ["on", "1", "2920"]
    assert shown(request_record(), *sources) == ["-", "-", "-"]


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.example", "a.example"),
        ("a.example:8080", "a.example"),
        ("[::1]:80", "[::1]"),
        ("[::1]", "[::1]"),
        ("", "10.0.0.1"),
        ("a:b", "a:b"),
    ],
)
def test_the_server_s_name_has_no_port(host: str, name: str) -> None:
    """As SERVER_NAME of a worker; the address when the client named no host."""
    assert host_name(host, "10.0.0.1") == name


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [("abcdef", 6, "abcdef"), ("abcdef", 4, "abcd"), ("\u00e9\u00e9\u00e9", 5, "\u00e9\u00e9"), ("\u20ac", 2, "-")],
)
def test_a_value_is_cut_at_its_bytes(value: str, limit: int, expected: str) -> None:
    """maxCustomFieldLength; no character is cut in two, and what does not fit at all is a dash."""
    record = request_record(raw_fields=b"X-A: " + value.encode() + b"\r\n")
    assert shown(record, ("RequestHeader", "X-A"), limit=limit) == [expected]


def test_a_name_is_data_and_no_program() -> None:
    """Whatever stands in the configuration: quotes and braces change nothing of the formatter."""
    evil = "x'].__class__ or {raw_fields!r}"
    record = request_record(raw_fields=evil.encode() + b": 1\r\n")
    assert shown(record, ("RequestHeader", evil), ("ServerVariable", f"HTTP_{evil}")) == ["1", "-"]
