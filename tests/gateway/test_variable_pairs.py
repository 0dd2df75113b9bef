"""What is remembered between requests is what each request says, whichever came before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from host.api import ApplicationInfo, Connection, Headers, HttpError, Request
from host.gateway.environment import meta_variables
from host.gateway.fastcgi_records import decode_pairs
from host.gateway.variable_pairs import announces_length, variable_pairs
from tests.gateway.sample_request import sample_request

CONNECTION = Connection("192.0.2.7", 40123, "127.0.0.1", 8080, 1)
SHOP = ApplicationInfo(2, "Shop", "/shop", "/srv/shop", "DefaultAppPool")


def told(request: Request, *, length: int | None = None, passes: bool = False, mount: int = -1) -> dict[bytes, bytes]:
    """The pairs of a request, none of which comes twice."""
    pairs = decode_pairs(variable_pairs(request, content_length=length, pass_authorization=passes, mount_length=mount))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def everyday(**changes: Any) -> Request:
    """A request of the connection that all tests here share."""
    values = {"connection": CONNECTION} | changes
    return sample_request([("Accept", "text/html"), ("Cookie", "a=b")], **values)


def with_user(request: Request) -> None:
    request.user, request.auth_type = "päul", "Basic"


def warmed_up(request: Request) -> None:
    request.context["warm_up"] = True


def with_other_fields(request: Request) -> None:
    request.headers.set("Accept", "image/png")


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "x" * 200},
        {"method": "POST"},
        {"raw_target": "/cgi-bin/show.cgi?a=b", "raw_query": "a=b"},
        {"raw_query": "rewritten=1"},
        {"script_name": "/cgi-bin", "path_info": "/show.cgi"},
        {"physical_path": "/srv/elsewhere/show.cgi"},
        {"http_version": "1.0"},
        {"server_name": "other.example.com"},
        {"server_name": ""},
        {"application": SHOP},
        {"raw_headers": b"Host: www.example.com:8080\r\nContent-Length: 0\r\n"},
        {"raw_headers": b"Host: www.example.com:8080\r\nX-Long: " + b"y" * 4000 + b"\r\n"},
        {"connection": replace(CONNECTION, remote_address="192.0.2.8")},
        {"connection": replace(CONNECTION, remote_port=1)},
        {"connection": replace(CONNECTION, local_address="::1")},
        {"connection": replace(CONNECTION, local_port=81)},
        {"connection": replace(CONNECTION, is_secure=True)},
        {"redirect_count": 1, "redirect_variables": {"REDIRECT_STATUS": "404", "URL": "/lost"}},
        {"redirect_count": 1, "context": {"isapy.original-target": "/asked?for=this"}},
    ],
)
def test_a_request_that_differs_is_told_as_it_is(changes: dict[str, Any]) -> None:
    """Also behind one that is the same but for that, and the next one is told as the first was."""
    first = told(everyday())
    assert first == meta_variables(everyday(), content_length=None)
    changed = everyday(**changes)
    assert changed.connection.state is CONNECTION.state
    assert told(changed) == meta_variables(changed, content_length=None)
    assert told(everyday()) == first


@pytest.mark.parametrize("change", [with_user, warmed_up, with_other_fields])
def test_what_filters_have_made_of_a_request_is_told(change: Callable[[Request], None]) -> None:
    """A user, a note for us, another field: none of them is the next request's."""
    first = told(everyday())
    request = everyday()
    change(request)
    assert told(request) == meta_variables(request, content_length=None) != first
    assert told(everyday()) == first


def test_length_mount_point_and_credentials_are_each_call_s_own() -> None:
    """What the caller says is not remembered with the request's own facts."""
    with_password = [("Authorization", "Basic eDp5")]
    for length, passes, mount in [(None, False, -1), (7, False, -1), (None, True, -1), (None, False, 8), (0, True, 0)]:
        request = sample_request(with_password, connection=CONNECTION)
        expected = meta_variables(request, content_length=length, pass_authorization=passes, mount_length=mount)
        assert told(request, length=length, passes=passes, mount=mount) == expected


def test_a_request_without_a_name_has_that_of_the_address_it_came_to() -> None:
    """Two ends of the server, one target, no Host: SERVER_NAME and SCRIPT_URI are each end's own."""
    for address in ("127.0.0.1", "192.0.2.1"):
        connection = replace(CONNECTION, local_address=address, state={})
        request = sample_request(connection=connection, server_name="")
        assert told(request)[b"SERVER_NAME"] == address.encode()
        assert told(request)[b"SCRIPT_URI"] == f"http://{address}:8080/cgi-bin/show.cgi".encode()


def test_what_cannot_be_told_is_refused_each_time() -> None:
    """A line end in the path is 400.0, the second time as well."""
    for _ in range(2):
        with pytest.raises(HttpError) as refused:
            told(everyday(script_name="/a\nb"))
        assert (refused.value.status, refused.value.substatus) == (400, 0)


def test_many_targets_and_long_ones_are_told_as_they_are() -> None:
    """Whatever is forgotten of them is found again."""
    for number in [*range(600), 3, 599]:
        target = f"/cgi-bin/show.cgi?n={number}" + ("z" * 600 if number % 50 == 0 else "")
        assert told(everyday(raw_target=target))[b"REQUEST_URI"] == target.encode()


def test_whether_a_length_is_announced_is_seen_in_the_fields_of_that_request() -> None:
    """Behind another request of the connection, in any case of letters, and in fields that a filter has made."""
    block = b"Host: a\r\nCONTENT-LENGTH: 0\r\n"
    told(everyday())
    assert not announces_length(everyday())
    assert announces_length(everyday(raw_headers=block))
    told(everyday(raw_headers=block))
    assert announces_length(everyday(raw_headers=block))
    assert not announces_length(everyday(raw_headers=b"X-Content-Length: 5\r\n"))
    long = b"X-Long: " + b"y" * 4000 + b"\r\n"
    assert announces_length(everyday(raw_headers=long + b"Content-Length: 0\r\n"))
    assert not announces_length(everyday(raw_headers=long))
    made = everyday()
    made._headers = Headers([("Content-Length", "0")])
    assert announces_length(made)
