"""What is made without its constructor is as its constructor makes it."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest

from host.api import ApplicationInfo, Connection, Headers, Request, Response
from host.api.whole_body import WholeBody
from host.wire.frames import RequestFlag
from host.worker.new_request import new_request


def test_a_request_is_as_its_constructor_makes_it() -> None:
    """Every field, also one that is added some day; nothing is shared that may be changed."""
    connection = Connection("127.0.0.1", 1, "127.0.0.1", 2, 3)
    application = ApplicationInfo(1, "Site", "/", "/srv", "Pool")
    body = WholeBody(b"")
    flags = int(RequestFlag.HTTP_1_1 | RequestFlag.BODY_COMPLETE)
    parts = (flags, b"c", b"1:/", b"GET", b"/x?y", b"Host: x\r\n", 0, b"")
    made = new_request("7-1", parts, connection, application, body, "x")
    expected = Request(
        id="7-1",
        method="GET",
        raw_target="/x?y",
        http_version="1.1",
        raw_headers=b"Host: x\r\n",
        connection=connection,
        application=application,
        body=body,
        server_name="x",
    )
    for one in fields(Request):
        assert getattr(made, one.name) == getattr(expected, one.name), one.name
    made.context["mine"] = 1
    again = new_request("7-2", parts, connection, application, body, "x")
    assert again.context == {}
    with pytest.raises(TypeError):
        again.redirect_variables["A"] = "b"  # type: ignore[index]


def test_a_response_of_a_type_is_as_its_constructor_makes_it() -> None:
    """Text, a page, JSON; a status that is none is refused, and a class of a plugin's keeps its own fields."""

    @dataclass(slots=True, kw_only=True)
    class Own(Response):
        mark: str = "own"

    for made, media_type in (
        (Response.text("a", status=201), "text/plain; charset=utf-8"),
        (Response.html("a", status=201), "text/html; charset=utf-8"),
        (Own.text("a", status=201), "text/plain; charset=utf-8"),
    ):
        expected = Response(status=201, headers=Headers([("Content-Type", media_type)]), body=b"a")
        for one in fields(Response):
            found, wanted = getattr(made, one.name), getattr(expected, one.name)
            assert found == wanted or found.items() == wanted.items(), one.name
    own = Own.text("a")
    assert isinstance(own, Own)
    assert own.mark == "own"
    with pytest.raises(ValueError, match="not 1000"):
        Response.text("a", status=1000)
