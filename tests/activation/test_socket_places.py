"""Which listener accepts on which socket, over every number of both."""

from __future__ import annotations

import pytest

from host.activation.socket_places import served_at


@pytest.mark.parametrize("instances", range(1, 6))
@pytest.mark.parametrize("count", range(1, 6))
def test_every_socket_is_served_and_every_listener_has_one(count: int, instances: int) -> None:
    """As many sockets as listeners: one each. Fewer are shared; more are dealt out, and none is left alone."""
    sockets = {"127.0.0.1:80": [f"socket {number}" for number in range(count)]}
    parts = [served_at(sockets, place, instances) for place in range(instances)]
    served = [number for part in parts for (_, number) in part]
    assert set(served) == set(range(count))
    assert len(served) == max(count, instances)
    assert all(name == f"socket {number}" for part in parts for (_, number), name in part.items())
    fewest, most = min(map(len, parts)), max(map(len, parts))
    assert fewest >= 1
    assert most - fewest <= 1


def test_endpoints_are_dealt_out_apart() -> None:
    """A unix socket is shared although the address beside it is not."""
    sockets = {"unix:/run/a": ["u"], "[::]:80": ["a", "b"]}
    assert served_at(sockets, 1, 2) == {("unix:/run/a", 0): "u", ("[::]:80", 1): "b"}
