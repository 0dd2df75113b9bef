"""Types that offer a contract without being derived from it, and types that cannot be made."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.managed.test_runtime import MODES, serve, write_application
from tests.worker.front import run
from tests.worker.site import Site

CODE = """
    class Duck:
        def process_request(self, context):
            context.response.write("duck")

    class Pond:
        def get_handler(self, context, request_type, url, path_translated):
            return Duck()

    class Needy(IHttpHandler):
        def __init__(self, name):
            self.name = name

        def process_request(self, context):
            context.response.write(self.name)

    class Failing(IHttpHandler):
        def __init__(self):
            raise TypeError("of its own")
"""
KINDS = {"*.duck": "Duck", "*.pond": "Pond", "*.needy": "Needy", "*.failing": "Failing"}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@MODES
def test_a_type_need_not_be_derived_from_its_contract(site: Site, mode: str) -> None:
    """What it offers counts: a handler without is_reusable is made anew, a factory without release_handler asked on."""
    write_application(site, mode, CODE, KINDS, {})

    async def main() -> None:
        front = await serve(site, mode)
        for target in ("/a.duck", "/a.pond", "/a.duck", "/a.pond"):
            answer = await front.ask(target)
            assert (answer.status, answer.text) == (200, "duck")
        assert site.told("plugin-error") == []

    run(main())


@MODES
def test_a_handler_that_wants_arguments_is_named(site: Site, mode: str) -> None:
    """500.21 with the type; a TypeError of its own is told as what it is, with its place."""
    write_application(site, mode, CODE, KINDS, {})

    async def main() -> None:
        front = await serve(site, mode)
        answer = await front.ask("/a.needy")
        assert (answer.status, answer.substatus) == (500, 21)
        assert "Needy cannot be made without arguments" in answer.text
        answer = await front.ask("/a.failing")
        assert (answer.status, answer.substatus) == (500, 0)
        assert "of its own" in answer.text
        assert "app.py:" in answer.text

    run(main())
