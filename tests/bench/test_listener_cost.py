"""What the listener's own code costs: the measurement measures what it says."""

from __future__ import annotations

import pytest

from bench.listener_cost import Bench, main, request_of
from host.wire.frames import CacheFrame


def test_requests_have_as_many_fields_as_is_said() -> None:
    """Host and those that a caller adds count."""
    for count in (2, 13, 50):
        assert request_of(count).count(b": ") == count
    assert request_of(4, "/x", "Connection: close").count(b": ") == 4


def test_pages_come_from_the_pools_and_hits_from_the_cache() -> None:
    """A page is a request of its pool's worker, and gives its credit back; a hit never gets there."""
    bench = Bench(pools=3)
    client = bench.connected()
    try:
        bench.hello(client, request_of(13, "/p2/page"), 2)
        bench.hello(client, request_of(2, "/page"), policy=CacheFrame(0, 0))
        client.data_received(request_of(2, "/page"))
        client.data_received(request_of(2, "/page"))
        assert bench.listener.cache_contents(1).rows[0].hits == 2
        assert client.exchange is None
        bench.connect(request_of(4, "/other", "Connection: close"))
        assert bench.listener.connection_count == 1
    finally:
        bench.close()


def test_the_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row has a cost above nothing."""
    main(["--rounds", "1"])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert len(rows) > 8
    assert all(float(row.split("|")[2].removesuffix(" us ")) > 0 for row in rows)
