"""What is added to an event of a process that SIGKILL has ended, when the kernel has killed for want of memory."""

from __future__ import annotations

from collections.abc import Iterator

from host.processes.out_of_memory import OutOfMemory, read_kills


def test_only_the_first_event_behind_a_kill_tells_of_it() -> None:
    """What was counted before is nobody's; another signal and an exit code do not even look."""
    counts: Iterator[int] = iter([3, 3, 5, 6])
    memory = OutOfMemory(lambda: next(counts))
    assert memory.addition({"status": "-9", "pool": "P"}) == ""
    assert memory.addition({"status": "-11"}) == memory.addition({"status": "1"}) == memory.addition({}) == ""
    assert "has killed 2 processes for want of memory" in memory.addition({"status": "-9"})
    assert memory.addition({"status": "-9"}).startswith("; the kernel has killed a process for want of memory")


def test_this_kernel_counts() -> None:
    """A number that never falls."""
    before = read_kills()
    assert 0 <= before <= read_kills()
