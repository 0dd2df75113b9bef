"""Every rule of requestFiltering and its substatus; what is let in; what tries to get around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from filters import request_filtering
from host.api import FilterPriority, HttpError, Request
from host.api.whole_body import WholeBody
from host.config.model import PathSettings, RequestFiltering
from tests.extensions.requests import make_request

EVERYTHING: dict[str, Any] = {
    "verbs": {"TRACE": False},
    "extensions": {".asa": False, ".pl": False},
    "hidden_segments": ("web.config", "bin"),
    "deny_url_sequences": ("..", ":"),
    "deny_query_string_sequences": ("<script", "union select"),
    "always_allowed_urls": ("/odd:page",),
    "header_limits": {"cookie": 8},
}


def make(root: Path, target: str, method: str = "GET", fields: dict[str, str] | None = None, **rules: Any) -> Request:
    settings = PathSettings(request_filtering=RequestFiltering(**{**EVERYTHING, **rules}))
    return make_request(root, target, method, fields, settings=settings)


def substatus(request: Request) -> int | None:
    """Of the refusal, or None when the request was let in."""
    try:
        request_filtering.begin_request(request)
    except HttpError as error:
        return error.substatus if error.status == 404 and error.remedy else -error.status
    return None


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/index.html",
        "/a/b.c/d.txt?x=1",
        "/caf%C3%A9",
        "/100%25",
        "/a%20b",
        "/binary/",
        "/mybin/x",
        "/odd:page",
        "/%2B",
    ],
)
def test_ordinary_requests_are_let_in(tmp_path: Path, target: str) -> None:
    """Whole segments only: `binary` is not `bin`."""
    assert substatus(make(tmp_path, target)) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/a/../b", 5),
        ("/a/%2e%2e/b", 5),
        ("/odd:page2", 5),
        ("/global.asa", 7),
        ("/global.ASA", 7),
        ("/global.as%61", 7),
        ("/x.pl/tail", 7),  # PATH_INFO behind a denied script
        ("/web.config", 8),
        ("/WEB.Config", 8),
        ("/a/bin/x.dll", 8),
        ("/a/b%69n/x.dll", 8),
        ("/a/bin", 8),
        ("/a%5cbin%5cx", 8),
        ("/a%2Fbin%2Fx", 8),
        ("/%252e%252e/x", 11),
        ("/a+b", 11),
        ("/" + "x" * 4096, 14),
        ("/?" + "x" * 2049, 15),
        ("/?q=<ScRiPt>", 18),
        ("/?q=%3Cscript%3E", 18),
        ("/?q=1+UNION+SELECT+2", 18),
    ],
)
def test_each_rule_refuses_with_its_substatus(tmp_path: Path, target: str, expected: int) -> None:
    """In any spelling that means the same."""
    assert substatus(make(tmp_path, target)) == expected


def test_a_request_target_in_absolute_form_is_judged_by_its_path(tmp_path: Path) -> None:
    """RFC 9112 section 3.2.2: scheme and host are no part of the path, and hide nothing."""
    request = make(tmp_path, "/")
    for target, expected in (
        ("http://host:8080/a", None),
        ("http://host:8080", None),
        ("*", None),
        ("http://h/bin/x", 8),
    ):
        request.raw_target = target
        assert substatus(request) == expected


def test_limits_are_inclusive(tmp_path: Path) -> None:
    """A path of exactly maxUrl and a query of exactly maxQueryString bytes pass."""
    assert substatus(make(tmp_path, "/" + "x" * 4095)) is None
    assert substatus(make(tmp_path, "/?" + "x" * 2048)) is None


def test_verbs_compare_with_case_and_may_be_closed(tmp_path: Path) -> None:
    """404.6."""
    assert substatus(make(tmp_path, "/", "TRACE")) == 6
    assert substatus(make(tmp_path, "/", "trace")) is None
    only_get: dict[str, Any] = {"verbs": {"GET": True}, "allow_unlisted_verbs": False}
    assert substatus(make(tmp_path, "/", "GET", **only_get)) is None
    assert substatus(make(tmp_path, "/", "POST", **only_get)) == 6


def test_unlisted_extensions_may_be_closed(tmp_path: Path) -> None:
    """404.7; a dot alone stands for names without extension."""
    closed: dict[str, Any] = {"extensions": {".html": True}, "allow_unlisted_extensions": False}
    assert substatus(make(tmp_path, "/a.html", **closed)) is None
    assert substatus(make(tmp_path, "/a.php", **closed)) == 7
    assert substatus(make(tmp_path, "/a.php/b.html", **closed)) == 7
    assert substatus(make(tmp_path, "/folder/", **closed)) == 7
    assert substatus(make(tmp_path, "/folder/", extensions={".": True}, allow_unlisted_extensions=False)) is None


def test_a_body_above_the_limit_is_404_13(tmp_path: Path) -> None:
    """By what the client announces; the body is not read."""
    request = make(tmp_path, "/", "POST", max_allowed_content_length=10)
    settings = request.settings
    assert substatus(make_request(tmp_path, "/", "POST", body=b"x" * 10, settings=settings)) is None
    assert substatus(make_request(tmp_path, "/", "POST", body=b"x" * 11, settings=settings)) == 13


def test_a_header_above_its_limit_is_404_10(tmp_path: Path) -> None:
    """Names compare without case; fields without a limit are free."""
    assert substatus(make(tmp_path, "/", fields={"COOKIE": "a=345678", "X-Other": "x" * 999})) is None
    assert substatus(make(tmp_path, "/", fields={"COOKIE": "a=3456789"})) == 10


def test_high_bit_characters_may_be_closed(tmp_path: Path) -> None:
    """404.12, for escaped and for raw bytes above 0x7F."""
    assert substatus(make(tmp_path, "/caf%C3%A9", allow_high_bit_characters=False)) == 12
    assert substatus(make(tmp_path, "/plain", allow_high_bit_characters=False)) is None


def test_double_escaping_may_be_allowed(tmp_path: Path) -> None:
    """allowDoubleEscaping lets `+` and a twice escaped blank in; the sequences still count."""
    assert substatus(make(tmp_path, "/a+b%2520c", allow_double_escaping=True)) is None
    assert substatus(make(tmp_path, "/a+b/..", allow_double_escaping=True)) == 5


def test_always_allowed_urls_override_denied_sequences_only(tmp_path: Path) -> None:
    """The other rules still hold for that URL."""
    assert substatus(make(tmp_path, "/odd:page", "TRACE")) == 6


def test_each_section_has_rules_of_its_own(tmp_path: Path) -> None:
    """Two web.config files, two sections; many sections do not grow the worker without end."""
    for number in range(request_filtering.KEPT_RULES + 10):
        assert substatus(make(tmp_path, f"/x{number}", hidden_segments=(f"x{number}",))) == 8
    assert len(request_filtering._compiled) <= request_filtering.KEPT_RULES


def test_it_sees_requests_first_and_bears_the_listeners_cache() -> None:
    """The same URL is judged the same way each time."""
    info = request_filtering.filter_info()
    assert (info.priority, info.cache_aware) == (FilterPriority.HIGH, True)


def test_a_chunked_body_is_limited_while_it_comes(tmp_path: Path) -> None:
    """No length announces it: whoever reads it meets the limit."""
    request = make(tmp_path, "/x", "POST", max_allowed_content_length=10)
    request.body = body = WholeBody(b"x" * 11)
    body.length = None
    assert substatus(request) is None
    with pytest.raises(HttpError) as refused:
        body.read_blocking()
    assert (refused.value.status, refused.value.substatus) == (404, 13)
