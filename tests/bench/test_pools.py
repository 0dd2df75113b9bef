"""What a pool costs: the measurements over real servers, and their sums."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import LoadFailed, LoadResult
from bench.pools import demand, extra_worker, many, recycle_moments
from bench.pools.__main__ import main
from bench.pools.contestants import ISAPY, PAGE, write_pool_site
from bench.pools.demand import DemandStart, first_byte
from bench.pools.extra_worker import ExtraWorker
from bench.pools.recycling import summary
from bench.pools.report import demand_text, many_text, memory_text, moments_text, recycling_text
from bench.reliability.contestants import CONTESTANTS
from bench.server import NotReady, Server
from bench.summary import spread
from tests.bench.tiny_contestant import tiny_contestant


def load(p99: float, errors: int = 0) -> LoadResult:
    """A second of load."""
    return LoadResult(requests=100, seconds=1.0, bytes=1000, errors=errors, p50_seconds=0.001, p99_seconds=p99)


def rows(text: str) -> list[list[str]]:
    """The cells of a table's lines below its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_added_latency_is_compared_round_by_round() -> None:
    """Noise that lasts longer than a round falls out; errors and recycles are summed up."""
    found = summary(
        CONTESTANTS["isapy"],
        [(load(0.002), load(0.003, 1), 2), (load(0.004), load(0.004), 1), (load(0.1), load(0.12), 1)],
    )
    assert found.added.median == pytest.approx(1.2)
    assert (found.added.lowest, found.added.highest) == (1.0, 1.5)
    assert (found.errors, found.recycles, found.p99, found.p99_recycled) == (1, 4, 0.004, 0.004)
    assert rows(recycling_text([found])) == [
        ["isapy", "isapy recycle pool", "4", "1.0 ms", "4.0 ms", "4.0 ms", "1.20 (1.00-1.50)", "1"]
    ]


def test_the_tables_of_starts_and_of_memory() -> None:
    """Medians with their spans, ratios, megabytes."""
    start = DemandStart("isapy", "demand start", spread([0.010, 0.012, 0.020]), spread([0.001]))
    assert rows(demand_text([start])) == [["isapy", "demand start", "12.0 ms (10.0 ms-20.0 ms)", "1.0 ms", "12"]]
    assert rows(memory_text([ExtraWorker("isapy", 64 * 2**20, 5.5 * 2**20)])) == [["isapy", "64.0", "5.5"]]


def test_an_unknown_part_is_refused() -> None:
    """A typing mistake must not measure nothing in silence."""
    with pytest.raises(SystemExit, match="no part memry; there are demand, recycling, moments, memory"):
        main(["--parts", "memry"])


def test_the_half_second_of_a_recycle_is_compared_with_the_one_after_it() -> None:
    """A hundred answers in each: of 1 ms without a recycle; with one, five take 10, and in another second 20."""

    def answers(second: int, slow: int) -> list[tuple[int, int]]:
        due = [second * 10**9 + number * 5_000_000 for number in range(200)]
        return [(at, slow if 50 <= place < 55 else 1_000_000) for place, at in enumerate(due)]

    marks = [10**9, 2 * 10**9]
    found = recycle_moments.summary("isapy", 200, [*answers(1, 10_000_000), *answers(2, 20_000_000)], marks, 3)
    assert (found.recycles, found.p99, found.p99_recycled) == (2, 0.001, 0.02)
    assert (found.added.lowest, found.added.highest) == (10.0, 20.0)
    assert found.slow == 4.0  # five of a hundred, one of which always is
    assert rows(moments_text([found])) == [
        ["isapy", "200/s", "2", "1.0 ms", "20.0 ms", "20.00", "15.00 (10.00-20.00)", "4", "3"]
    ]
    with pytest.raises(LoadFailed, match="isapy has answered nothing for half a second"):
        recycle_moments.summary("isapy", 0, answers(1, 1), marks, 0)


@pytest.mark.slow
def test_recycles_are_measured_moment_by_moment_without_an_error(tmp_path: Path) -> None:
    """At both rates, on a real service."""
    tmp_path.chmod(0o755)
    found = recycle_moments.measure(tmp_path, ["isapy"], recycles=2, connections=2)
    assert [(one.rate, one.recycles, one.errors) for one in found] == [(0, 2, 0), (3000, 2, 0)]
    assert all(one.p99 > 0 and one.p99_recycled > 0 for one in found)


@pytest.mark.slow
def test_a_demand_start_finds_no_worker_and_costs_more_than_a_request(tmp_path: Path) -> None:
    """isapy's pool is recycled without overlap: its parent stays, its worker is gone, the request starts another."""
    server = Server(ISAPY, tmp_path / "run", write_pool_site(tmp_path / "site", 1))
    try:
        server.start(ISAPY.paths[PAGE])
        before, (parent,) = demand.workers(server, "worker"), demand.workers(server, "pool")
        demand.end_workers(server)
        assert demand.workers(server, "worker") == []
        assert [process.pid for process in demand.workers(server, "pool")] == [parent.pid]
        assert first_byte(server.port, ISAPY.paths[PAGE]) > 0.0
        (after,) = demand.workers(server, "worker")
        assert after.pid not in [process.pid for process in before]
        with pytest.raises(OSError, match=r"answers b'HTTP/1\.1 404"):
            first_byte(server.port, "/missing.greeting.html")
    finally:
        server.stop()


@pytest.mark.slow
def test_the_memory_of_more_workers_is_that_of_a_garden_that_has_grown(tmp_path: Path) -> None:
    """Three workers are there when it is looked at; a server that has too few is no measurement."""
    assert extra_worker.tree_memory(tmp_path / "three", ISAPY, 3) > 0
    with pytest.raises(NotReady, match="has 1 workers, not 2"):
        extra_worker.tree_memory(tmp_path / "two", tiny_contestant(), 2, patience=0.0)


@pytest.mark.slow
def test_the_last_of_many_pools_starts_on_demand(tmp_path: Path) -> None:
    """Its first page costs a start, the next ones do not; one pool alone has nobody to start."""
    tmp_path.chmod(0o755)
    (found,) = many.measure(tmp_path, [3])
    assert found.pools == 3
    assert found.cold is not None
    assert found.cold.lowest > found.warm > 0
    assert found.memory > 10**7
    ((pools, _, _, cold, _),) = rows(many_text([found]))
    assert (pools, cold.count("(")) == ("3", 1)


def test_each_of_many_pools_has_an_application(tmp_path: Path) -> None:
    """The first has the site's root."""
    text = many.write_many_pools(tmp_path / "site", 3).configuration.read_text()
    assert [text.count(f'<add name="{name}" />') for name in ("DefaultAppPool", "Pool1", "Pool2", "Pool3")] == [
        1,
        1,
        1,
        0,
    ]
    assert [text.count(f'path="/p{number}"') for number in (1, 2, 3)] == [1, 1, 0]
