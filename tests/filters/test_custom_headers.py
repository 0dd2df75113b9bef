"""The fields that custom_headers adds."""

from __future__ import annotations

from pathlib import Path

from filters import custom_headers
from host.api import Response
from tests.extensions.requests import make_request


def fields(root: Path, response: Response) -> dict[str, str]:
    custom_headers.on_send_response(make_request(root), response)
    return dict(response.headers.items())


def test_who_serves_and_the_requests_number(tmp_path: Path) -> None:
    """The number is the one of the log and the error page."""
    assert fields(tmp_path, Response()) == {"X-Powered-By": "isapy", "X-Request-Id": "5f0c"}


def test_what_the_handler_said_of_itself_stays(tmp_path: Path) -> None:
    """X-Powered-By is a default; the number is the host's alone."""
    response = Response.text("x", headers={"X-Powered-By": "shop", "X-Request-Id": "forged"})
    found = fields(tmp_path, response)
    assert (found["X-Powered-By"], found["X-Request-Id"]) == ("shop", "5f0c")


def test_its_responses_stay_out_of_the_listeners_cache() -> None:
    """A kept response would show another request's number."""
    assert custom_headers.filter_info().cache_aware is False
