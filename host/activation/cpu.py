"""`cpu`: when a pool has used too much processor time, and how much of it a worker may use that is slowed down.

Facts are a clock, and processor seconds that the pool has used so far (workers and programs together, never falling).
A limit is a share of all processors: 50000 of 100000 on four processors are two seconds of processor time a second.

NoAction and KillW3wp count in windows of resetInterval: the limit is exceeded as soon as a window's share is used up,
which is told once a window. Throttle and ThrottleUnderLoad know no window.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from host.config.confinement import WHOLE, Cpu

COUNTING_ACTIONS: Final = ("NoAction", "KillW3wp")
SLOWING_ACTIONS: Final = ("Throttle", "ThrottleUnderLoad")

_BUSY_IDLE: Final = 0.05  # of all processors' time idle: less means that somebody waits for a processor
_OTHERS: Final = 0.05  # of all processors' time used by others: less means that the pool only competes with itself
_HOLD_SECONDS: Final = 10.0  # a pool that is slowed down stays so for this long: its own slowness makes room
_LEAST_SHARE: Final = 0.01  # processors; a worker that gets nothing would answer nobody and look hung


class Window(NamedTuple):
    """An accounting window: when it began (monotonic seconds), what had been used by then, and whether it was told
    that the limit is exceeded."""

    began_at: float
    used_before: float
    is_exceeded: bool = False


class CpuUse(NamedTuple):
    """What is known at `now`: processor seconds of the pool so far, and the processors that all limits refer to."""

    now: float
    used: float
    processors: int


def is_counted(cpu: Cpu) -> bool:
    """Whether windows are kept for this pool."""
    return bool(cpu.limit and cpu.reset_interval_seconds) and cpu.action in COUNTING_ACTIONS


def is_slowed(cpu: Cpu) -> bool:
    """Whether this pool may be slowed down."""
    return bool(cpu.limit) and cpu.limit < WHOLE and cpu.action in SLOWING_ACTIONS


def allowed_share(cpu: Cpu, processors: int) -> float:
    """Processor seconds a second that the limit stands for."""
    return cpu.limit / WHOLE * processors


def follow_window(window: Window | None, use: CpuUse, cpu: Cpu) -> Window:
    """The window that `use` falls into, marked when the limit is exceeded in it. A window that is over is followed by
    a new one from now on; so is one whose pool counts from less than before (its processes are other ones)."""
    if window is None or use.now - window.began_at >= cpu.reset_interval_seconds or use.used < window.used_before:
        return Window(use.now, use.used)
    allowed = allowed_share(cpu, use.processors) * cpu.reset_interval_seconds
    return window._replace(is_exceeded=window.is_exceeded or use.used - window.used_before >= allowed)


def window_end(window: Window, cpu: Cpu) -> float:
    """When the window is over, monotonic seconds: a pool that KillW3wp has shut down starts again then."""
    return window.began_at + cpu.reset_interval_seconds


def exceeded_text(window: Window, use: CpuUse, cpu: Cpu) -> str:
    """Which limit, which value."""
    allowed = allowed_share(cpu, use.processors) * cpu.reset_interval_seconds
    return (
        f"cpu/@limit is {cpu.limit / 1000:g} % of {use.processors} processors, {allowed:.1f} s within "
        f"{cpu.reset_interval_seconds} s; the pool has used {use.used - window.used_before:.1f} s "
        f"in {use.now - window.began_at:.0f} s"
    )


class Load(NamedTuple):
    """Shares of all processors' time since the last look, 0 to 1: nobody's, and that of others than the pool."""

    idle: float
    others: float


def must_slow(cpu: Cpu, load: Load | None, *, slowed_since: float | None, now: float) -> bool:
    """Whether the pool is to be slowed down from now on. `load` None: not known yet.

    ThrottleUnderLoad asks whether others want what the pool takes: no processor is idle, and the pool is not alone.
    """
    if not is_slowed(cpu):
        return False
    if cpu.action == "Throttle":
        return True
    if slowed_since is not None and now - slowed_since < _HOLD_SECONDS:
        return True
    return load is not None and load.idle < _BUSY_IDLE and load.others >= _OTHERS


def worker_share(allowed: float, used_elsewhere: float, workers: int) -> float:
    """Processor seconds a second for each of the pool's workers: what its programs (`used_elsewhere`, in the same unit)
    leave of `allowed`, in equal parts; never nothing."""
    return max(_LEAST_SHARE, (allowed - used_elsewhere) / max(1, workers))
