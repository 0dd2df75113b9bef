"""ProtocolSupportModule: what OPTIONS is told."""

from __future__ import annotations

import asyncio
from pathlib import Path

from extensions import protocol_support
from host.api import Response
from tests.extensions.requests import make_request


def ask(root: Path, method: str) -> Response | None:
    return asyncio.run(protocol_support.handle(make_request(root, "/nothing", method)))


def test_options_is_told_what_iis_says_of_every_url(tmp_path: Path) -> None:
    """Allow and IIS's Public, whether anything is there or not; TRACE is not among them."""
    response = ask(tmp_path, "OPTIONS")
    assert response is not None
    assert (response.status, response.body) == (200, b"")
    assert response.headers["Allow"] == response.headers["Public"] == "OPTIONS, GET, HEAD, POST"


def test_it_answers_nothing_else(tmp_path: Path) -> None:
    """The mapping's other modules, if there are any, are asked."""
    assert list(protocol_support.module_names()) == ["ProtocolSupportModule"]
    assert ask(tmp_path, "GET") is None
