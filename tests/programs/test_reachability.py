"""What is said of a server that somebody else runs."""

from __future__ import annotations

from host.programs.reachability import Reachability


def test_an_outage_is_told_once_for_each_reason_and_its_end_with_a_number() -> None:
    """And the next outage anew."""
    told: list[str] = []
    server = Reachability("the server x", told.append)
    server.met()
    for detail in ("x: refused", "x: refused", "x: nobody listens", "x: refused"):
        server.missed(detail)
    assert [text.partition(";")[0] for text in told] == ["x: refused", "x: nobody listens"]
    for _ in range(2):
        server.met()
    assert told[2:] == ["the server x is reached again; 4 requests got 502.0"]
    server.missed("x: refused")
    server.met()
    assert told[4:] == ["the server x is reached again; 1 request got 502.0"]
