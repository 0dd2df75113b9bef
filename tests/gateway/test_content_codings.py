"""Accept-Encoding against what the server offers."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.gateway.content_codings import choose_coding, weights_of

ALL = ("br", "zstd", "gzip")


@pytest.mark.parametrize(
    ("accepted", "offered", "chosen"),
    [
        ("", ALL, ""),
        ("gzip", (), ""),
        ("gzip", ALL, "gzip"),
        ("GZip", ALL, "gzip"),
        ("x-gzip", ALL, "gzip"),
        ("gzip, deflate, br, zstd", ALL, "br"),
        ("gzip, deflate", ("deflate", "gzip"), "deflate"),
        ("br;q=0.5, gzip;q=0.8", ALL, "gzip"),
        ("br;q=0, gzip", ALL, "gzip"),
        ("gzip;q=0", ALL, ""),
        ("*", ALL, "br"),
        ("*;q=0", ALL, ""),
        ("*;q=0.1, zstd;q=0.2", ALL, "zstd"),
        ("br;q=0, *", ALL, "zstd"),
        ("identity", ALL, ""),
        ("identity;q=1, gzip;q=0.5", ALL, ""),
        ("identity;q=0.5, gzip;q=0.5", ALL, "gzip"),
        ("identity;q=0, gzip;q=0.001", ALL, "gzip"),
        ("identity;q=0", ALL, ""),
        ("gzip ; q = 1.000", ALL, "gzip"),
        ("gzip;q=2", ALL, ""),
        ("gzip;q=", ALL, ""),
        ("gzip;level=9", ALL, ""),
        (",, ,gzip,,", ALL, "gzip"),
        ("gzip;q=1, gzip;q=0", ALL, ""),
        ("gzip " * 200, ALL, ""),
        ("x, " * 200 + "gzip", ALL, "gzip"),
        ("gz\xefp, gzip", ALL, "gzip"),
    ],
)
def test_the_clients_weights_and_then_the_servers_order(accepted: str, offered: tuple[str, ...], chosen: str) -> None:
    """What is malformed counts as not said; who refuses everything gets everything as it is."""
    assert choose_coding(accepted, offered) == chosen


names = st.sampled_from(["gzip", "br", "zstd", "deflate", "identity", "*", "compress"])
weights = st.one_of(st.none(), st.integers(0, 1000))


def text_of(member: tuple[str, int | None]) -> str:
    name, weight = member
    if weight is None:
        return name
    return f"{name};q={'1' if weight == 1000 else f'0.{weight:03d}'}"


def oracle(members: list[tuple[str, int | None]], offered: list[str]) -> str:
    """RFC 9110 section 12.5.3, step by step: the acceptable ones, the best weight, the server's order."""
    said = {name: Fraction(1000 if weight is None else weight, 1000) for name, weight in members}

    def weight(coding: str) -> Fraction:
        return said.get(coding, said.get("*", Fraction(0)))

    acceptable = [coding for coding in offered if weight(coding) > 0]
    best = max((weight(coding) for coding in acceptable), default=Fraction(0))
    if not acceptable or said.get("identity", Fraction(0)) > best:
        return ""
    return next(coding for coding in acceptable if weight(coding) == best)


@given(st.lists(st.tuples(names, weights), max_size=6), st.lists(st.sampled_from(ALL), unique=True))
def test_the_choice_is_that_of_the_simple_rule(members: list[tuple[str, int | None]], offered: list[str]) -> None:
    """Whatever is weighed how, repeated or left out."""
    accepted = " , ".join(map(text_of, members))
    assert choose_coding(accepted, tuple(offered)) == oracle(members, offered)


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=400))
def test_no_text_raises(accepted: str) -> None:
    """Clients send anything, and what is chosen is always something that was offered."""
    assert choose_coding(accepted, ALL) in ("", *ALL)
    assert all(0 <= weight <= 1000 for weight in weights_of(accepted).values())
