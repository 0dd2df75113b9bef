"""Samples with the numbers that a test names."""

from __future__ import annotations

from bench.sample import Memory, Sample


def sample(
    contestant: str,
    *,
    round: int = 0,
    requests: int = 1000,
    server_seconds: float = 0.5,
    scenario: str = "static",
    connections: int = 32,
    memory: tuple[Memory, ...] = (),
) -> Sample:
    """One second of `requests` of 1,000 bytes each."""
    return Sample(
        scenario=scenario,
        contestant=contestant,
        connections=connections,
        round=round,
        requests=requests,
        seconds=1.0,
        bytes=requests * 1000,
        errors=1,
        p50_seconds=0.0004,
        p99_seconds=0.002,
        server_seconds=server_seconds,
        tree_seconds=server_seconds / 2,
        generator_seconds=0.25,
        other_seconds=0.1,
        memory=memory,
    )
