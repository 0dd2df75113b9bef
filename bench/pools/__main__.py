"""`python -m bench.pools`: starts on demand, recycling under load, memory of a worker, many pools; with peers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.packages import install_command, missing_packages
from bench.pools import demand, extra_worker, many, recycle_moments, recycling
from bench.pools.report import demand_text, many_text, memory_text, moments_text, recycling_text
from bench.reliability.contestants import CONTESTANTS
from bench.server import take_sigterm_for_interrupt

EXIT_MISSING = 2
_PARTS = ("demand", "recycling", "moments", "memory", "many")
_BY_THE_MOMENT = ("isapy", "gunicorn")  # uWSGI's requests wait for a second and longer
_RECYCLED = ("isapy", "gunicorn", "nginx-uwsgi")
_PACKAGES = (
    "wrk",
    "gcc",
    "libc6-dev",
    "gunicorn",
    "python3-uvicorn",
    "nginx-light",
    "uwsgi-core",
    "uwsgi-plugin-python3",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. The exit status is 2 when packages are missing."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.pools", description=__doc__)
    parser.add_argument("--parts", default=",".join(_PARTS), help=f"of {','.join(_PARTS)}")
    parser.add_argument("--rounds", type=int, default=15, help="demand starts; recycling takes a third, moments twice")
    parser.add_argument("--seconds", type=int, default=6, help="length of one load with recycling (default 6)")
    parser.add_argument("--beat", type=float, default=2.0, help="seconds between two recycles (default 2)")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--patience", type=float, default=3.0, help="seconds to wait for a quiet machine")
    counts = ",".join(map(str, many.COUNTS))
    parser.add_argument("--pools", default=counts, help=f"how many pools there are in `many` (default {counts})")
    words = parser.parse_args(arguments)
    parts = [part.strip() for part in words.parts.split(",")]
    unknown = [part for part in parts if part not in _PARTS]
    if unknown:
        sys.exit(f"there is no part {', '.join(unknown)}; there are {', '.join(_PARTS)}")
    if missing := missing_packages(_PACKAGES):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return EXIT_MISSING
    with tempfile.TemporaryDirectory(prefix="isapy-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the peers' workers run as another user
        if "demand" in parts:
            print(demand_text(demand.measure(folder, rounds=words.rounds, patience=words.patience)), flush=True)
        if "recycling" in parts:
            found = recycling.measure(
                folder,
                [name for name in _RECYCLED if name in CONTESTANTS],
                rounds=max(1, words.rounds // 3),
                seconds=words.seconds,
                beat=words.beat,
                connections=words.connections,
                patience=words.patience,
            )
            print(recycling_text(found), flush=True)
        if "moments" in parts:
            count = 2 * words.rounds
            moments = recycle_moments.measure(folder, _BY_THE_MOMENT, recycles=count, connections=words.connections)
            print(moments_text(moments), flush=True)
        if "memory" in parts:
            print(memory_text(extra_worker.measure(folder)), flush=True)
        if "many" in parts:
            pools = [int(word) for word in words.pools.split(",")]
            print(many_text(many.measure(folder, pools)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
