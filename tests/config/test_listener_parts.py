"""What each of several listeners obeys: limits divided by their number."""

from __future__ import annotations

import pytest

from host.config.listener_parts import UNLIMITED, divided, part_of
from host.config.store import Source, build_snapshot
from tests.config.server_sample import Server

SECTION = """<system.applicationHost>
<listener processes="3" maxConnections="100" uriMaxCacheMegabyteCount="1" maxRequestBytes="5000" />
<webLimits maxGlobalBandwidth="4000" />
</system.applicationHost>"""
LIMITS = '<limits maxConnections="1" maxBandwidth="2048" connectionTimeout="00:00:10" />'


@pytest.mark.parametrize(
    ("limit", "parts"),
    [
        (1000, [1000]),
        (1000, [334, 333, 333]),
        (3, [2, 1]),
        (1, [1, 1, 1]),
        (0, [0, 0]),
        (UNLIMITED - 1, [2147483647, 2147483647]),
        (UNLIMITED, [UNLIMITED, UNLIMITED]),
    ],
)
def test_the_parts_are_the_whole_and_none_is_left_with_nothing(limit: int, parts: list[int]) -> None:
    """Two listeners admit three connections where maxConnections is 3. No limit stays none."""
    assert [part_of(limit, len(parts), place) for place in range(len(parts))] == parts


def test_what_counts_in_one_process_is_divided_and_nothing_else(server: Server) -> None:
    """Connections, waiting requests, cache and bandwidth; not the size of a request or a time limit."""
    source = server.write(SECTION, pools='<add name="P" queueLength="10" />')
    text = source.text.replace(b'id="2">', f'id="2">{LIMITS}'.encode())
    snapshot = build_snapshot(Source(source.path, text), 1)
    part = divided(snapshot, snapshot.listener.processes, 0)
    assert (part.listener.max_connections, part.listener.uri_max_cache_bytes) == (34, 349526)
    assert part.listener.max_request_bytes == 5000
    assert part.web_limits.max_global_bandwidth == 1334
    assert part.pool("P").queue_length == 4
    first, second = sorted(part.sites, key=lambda site: site.id)
    assert (first.limits.max_connections, first.limits.max_bandwidth) == (UNLIMITED, UNLIMITED)
    assert (second.limits.max_connections, second.limits.max_bandwidth) == (1, 683)
    assert second.limits.connection_timeout_seconds == 10
    assert first.log_file is min(snapshot.sites, key=lambda site: site.id).log_file
    assert divided(snapshot, 1, 0) is snapshot
    last = divided(snapshot, 3, 2)
    assert (last.listener.max_connections, last.pool("P").queue_length) == (33, 3)


def test_a_worker_that_takes_fewer_requests_than_there_are_listeners_is_warned_of(server: Server) -> None:
    """At the line that says so, of each pool; not with one listener, and not in IIS 5 isolation mode."""
    few = '<add name="P"><processModel maxConcurrentRequests="2" /></add><add name="Q" />'
    for listeners, mode, expected in ((3, "WorkerProcess", 1), (2, "WorkerProcess", 0), (3, "IIS5", 0)):
        section = f'<isolation mode="{mode}" /><listener processes="{listeners}" />'
        server.write(f"<system.applicationHost>{section}</system.applicationHost>", pools=few)
        warnings = [line for line in server.snapshot().warnings if "a worker takes 2 requests at a time" in line]
        assert len(warnings) == expected
        assert all("each of 3 listeners" in line and "@maxConcurrentRequests" in line for line in warnings)
