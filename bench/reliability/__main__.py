"""`python -m bench.reliability`: recycles every two seconds under load, isapy beside its peers."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.packages import install_command, missing_packages
from bench.reliability.contestants import CONTESTANTS, write_pages
from bench.reliability.report import report_json, report_text
from bench.reliability.run import Deed, Result, run
from bench.server import NotReady, take_sigterm_for_interrupt

EXIT_LEFT_OUT = 1
EXIT_MISSING = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line. The exit status is 1 when a contestant had to be left out, 2 when packages are missing."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument("--contestants", default=",".join(CONTESTANTS), help=f"of {','.join(CONTESTANTS)}")
    parser.add_argument("--seconds", type=float, default=30.0, help="length of each run (default 30)")
    parser.add_argument("--beat", type=float, default=2.0, help="seconds between two recycles (default 2)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write everything to this file")
    words = parser.parse_args(arguments)
    names = [name.strip() for name in words.contestants.split(",") if name.strip()]
    unknown = [name for name in names if name not in CONTESTANTS]
    if unknown:
        sys.exit(f"there is no contestant {', '.join(unknown)}; there are {', '.join(CONTESTANTS)}")
    packages = [package for name in names for package in CONTESTANTS[name].contestant.packages]
    if missing := missing_packages(packages):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return EXIT_MISSING
    results: list[Result] = []
    left_out: list[str] = []
    with tempfile.TemporaryDirectory(prefix="isapy-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the peers' workers run as another user
        for deed in (Deed.RECYCLE, Deed.KILL):
            for one in names:
                where = folder / f"{one}-{deed.name.lower()}"
                where.mkdir()
                site = write_pages(where / "site")
                try:
                    result = run(
                        CONTESTANTS[one],
                        site,
                        where / "run",
                        deed=deed,
                        seconds=words.seconds,
                        beat=words.beat,
                        seed=words.seed,
                    )
                except (NotReady, AssertionError) as error:
                    left_out.append(f"{one}, {deed.value}: {error}")
                    continue
                results.append(result)
                print(f"{one}, {deed.value}: {result.sent} sent, {len(result.failures)} failed", file=sys.stderr)
    print(report_text(results))
    print("\n".join(f"left out: {reason}" for reason in left_out))
    if words.json:
        words.json.parent.mkdir(parents=True, exist_ok=True)
        words.json.write_text(report_json(results))
    return EXIT_LEFT_OUT if left_out else 0


if __name__ == "__main__":
    sys.exit(main())
