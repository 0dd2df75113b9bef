"""How an operator may name an application."""

from __future__ import annotations

import pytest

from host.config.application_names import applications_named
from host.config.model import Application, Site, Snapshot


def site(number: int, name: str, *paths: str) -> Site:
    applications = tuple(Application(site_id=number, site_name=name, path=path, pool_name="P") for path in paths)
    return Site(name=name, id=number, applications=applications)


SNAPSHOT = Snapshot(version=1, path="/x", sites=(site(1, "Default Web Site", "/", "/shop"), site(2, "Two", "/")))


@pytest.mark.parametrize(
    ("name", "keys"),
    [
        ("/shop", ["1:/shop"]),
        ("/SHOP/", ["1:/shop"]),
        ("1:/shop", ["1:/shop"]),
        ("/LM/W3SVC/1/ROOT/shop", ["1:/shop"]),
        ("/lm/w3svc/1/root", ["1:/"]),
        ("Default Web Site/shop", ["1:/shop"]),
        ("default web site/", ["1:/"]),
        ("Two", ["2:/"]),
        ("/", ["1:/", "2:/"]),
        ("2:/", ["2:/"]),
        ("2:/shop", []),
        ("/sho", []),
        ("", ["1:/", "2:/"]),
    ],
)
def test_every_name_of_iis_and_ours_finds_it(name: str, keys: list[str]) -> None:
    """Without regard to case; a bare path is found in every site that has it."""
    assert [application.key for application in applications_named(SNAPSHOT, name)] == keys
