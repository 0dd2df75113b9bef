"""wrk as load generator: requests as fast as they are answered, over a fixed number of connections."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.packages import program
from bench.scenarios import Load

_SCRIPT: Final = Path(__file__).resolve().parent / "wrk" / "load.lua"
_MARK: Final = "wrk-result "
_GRACE_SECONDS: Final = 30


class LoadFailed(Exception):
    """The generator gave no numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What the generator saw.

    `errors` counts failed connects, failed writes, statuses from 400 and time-outs, and reads that failed while
    connections are kept (a server that closes after each answer causes those rightly).
    """

    requests: int
    seconds: float
    bytes: int
    errors: int
    p50_seconds: float
    p99_seconds: float


def drive(port: int, path: str, load: Load, *, connections: int, seconds: int) -> LoadResult:
    """Load `path` for that long. Raises LoadFailed."""
    command = [
        program("wrk"),
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds}s",
        "--timeout=10s",
        "--latency",
        f"--script={_SCRIPT}",
        f"http://127.0.0.1:{port}{path}",
        "--",
        load.value,
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=seconds + _GRACE_SECONDS, check=False)
    return parse_result(ended.stdout + ended.stderr, load)


def parse_result(output: str, load: Load) -> LoadResult:
    """The line of numbers that `wrk/load.lua` prints last. Raises LoadFailed when there is none."""
    line = next((line for line in output.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        raise LoadFailed(f"wrk said: {output.strip()[-500:]}")
    numbers: dict[str, int] = json.loads(line.removeprefix(_MARK))
    counted = ["connect_errors", "write_errors", "status_errors", "timeouts"]
    if load is not Load.CLOSE:
        counted.append("read_errors")
    return LoadResult(
        requests=numbers["requests"],
        seconds=numbers["duration_us"] / 1e6,
        bytes=numbers["bytes"],
        errors=sum(numbers[name] for name in counted),
        p50_seconds=numbers["p50_us"] / 1e6,
        p99_seconds=numbers["p99_us"] / 1e6,
    )
