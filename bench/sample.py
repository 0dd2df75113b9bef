"""One measurement: a contestant, a scenario, a number of connections, a round."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Processes of one role: their number and the mean USS and PSS of one, in bytes; the peak of the largest USS while
    the load ran and what it was before (both 0 when nobody looked)."""

    role: str
    count: int
    uss: float
    pss: float
    uss_before: int = 0
    uss_peak: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Times in seconds, sizes in bytes.

    `server_seconds` is the processor time the server is charged with, `tree_seconds` what its own counters say;
    `other_seconds` was used by processes that have nothing to do with the measurement.
    """

    scenario: str
    contestant: str
    connections: int
    round: int
    requests: int
    seconds: float
    bytes: int
    errors: int
    p50_seconds: float
    p99_seconds: float
    server_seconds: float
    tree_seconds: float
    generator_seconds: float
    other_seconds: float
    memory: tuple[Memory, ...] = ()

    @property
    def requests_per_second(self) -> float:
        return self.requests / self.seconds if self.seconds else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.seconds if self.seconds else 0.0

    @property
    def server_seconds_per_1000(self) -> float:
        """Processor seconds per 1,000 requests."""
        return self.server_seconds / self.requests * 1000 if self.requests else 0.0

    @property
    def tree_seconds_per_1000(self) -> float:
        """The same, from the tree's own counters."""
        return self.tree_seconds / self.requests * 1000 if self.requests else 0.0

    @property
    def server_seconds_per_gigabyte(self) -> float:
        """Processor seconds per 10^9 bytes."""
        return self.server_seconds / self.bytes * 1e9 if self.bytes else 0.0

    @property
    def tree_seconds_per_gigabyte(self) -> float:
        """The same, from the tree's own counters."""
        return self.tree_seconds / self.bytes * 1e9 if self.bytes else 0.0
