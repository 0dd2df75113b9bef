"""What the pools of one server share: webLimits, the number of workers, the machine's memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from host.activation.idle import idle_timeout
from host.activation.memory import MachineMemory, machine_memory
from host.activation.processor_groups import ProcessorGroups
from host.config.model import Pool, WebLimits

_MEMORY_SECONDS: Final = 10.0  # how old a measure of the machine's memory may be


class WholeServer:
    """`limits` is what the configuration in force says; `worker_count()` how many workers all pools have now."""

    def __init__(
        self,
        limits: WebLimits,
        worker_count: Callable[[], int],
        measure: Callable[[], MachineMemory] = machine_memory,
    ) -> None:
        self.limits = limits
        self.worker_count = worker_count
        self.processor_groups = ProcessorGroups()
        self._measure = measure
        self._memory = MachineMemory(0, 0)
        self._measured_at = float("-inf")

    def idle_timeout(self, pool: Pool, now: float) -> float:
        """The pool's idle time-out in seconds (0: never), shortened while memory is scarce (dynamicIdleThreshold)."""
        threshold = self.limits.dynamic_idle_threshold
        if not threshold:
            return pool.idle_timeout_seconds
        if now - self._measured_at >= _MEMORY_SECONDS:
            self._memory, self._measured_at = self._measure(), now
        used = self._memory.total - self._memory.available
        return idle_timeout(pool.idle_timeout_seconds, threshold, self._memory.total, used)
