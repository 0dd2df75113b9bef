"""`python -m bench`: measure isapy beside its peers and print the tables of docs/performance.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TypeVar

from bench.contestants import CONTESTANTS
from bench.packages import install_command, missing_packages
from bench.report import report_json, report_text
from bench.run import RunOptions, run
from bench.scenarios import SCENARIOS
from bench.server import take_sigterm_for_interrupt
from bench.site import write_site

EXIT_LEFT_OUT = 1
EXIT_MISSING = 2
Named = TypeVar("Named")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. The exit status is 1 when a contestant had to be left out, 2 when packages are missing."""
    take_sigterm_for_interrupt()
    words = _parser().parse_args(arguments)
    options = _options(words)
    if missing := missing_packages(_wanted_packages(options)):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return EXIT_MISSING
    began = time.time()
    with tempfile.TemporaryDirectory(prefix="isapy-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the peers' workers run as another user
        try:
            samples, left_out = run(options, write_site(folder / "site"), folder)
        except KeyboardInterrupt:
            return 128 + 2
    print(report_text(samples, left_out))
    print(f"{_machine()}; {options.rounds} rounds of {options.seconds} s; {time.time() - began:.0f} s in all")
    if words.json:
        facts = {"began": began, "machine": _machine(), "rounds": options.rounds, "seconds": options.seconds}
        words.json.parent.mkdir(parents=True, exist_ok=True)
        words.json.write_text(report_json(samples, left_out, facts))
    return EXIT_LEFT_OUT if left_out else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure isapy beside nginx, Apache, lighttpd and uWSGI: in turn, in one run, on this machine.",
        epilog="What the columns mean: docs/performance.md",
    )
    parser.add_argument("--scenarios", type=_names, default=list(SCENARIOS), help=f"of {','.join(SCENARIOS)}")
    parser.add_argument("--contestants", type=_names, default=list(CONTESTANTS), help=f"of {','.join(CONTESTANTS)}")
    parser.add_argument("--rounds", type=_positive, default=3, help="measurements of each cell (default 3)")
    parser.add_argument("--seconds", type=_positive, default=2, help="length of one measurement (default 2)")
    parser.add_argument(
        "--connections", type=_numbers, default=(), help="for example 1,32,256; default: the scenario's"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=3.0,
        help="seconds to wait for a quiet machine before a measurement (default 3)",
    )
    parser.add_argument("--json", type=Path, help="write samples and tables to this file")
    return parser


def _options(words: argparse.Namespace) -> RunOptions:
    return RunOptions(
        scenarios=_chosen(words.scenarios, SCENARIOS, "scenario"),
        contestants=_chosen(words.contestants, CONTESTANTS, "contestant"),
        rounds=words.rounds,
        seconds=words.seconds,
        connections=words.connections,
        patience=words.patience,
    )


def _chosen(names: Sequence[str], known: Mapping[str, Named], what: str) -> tuple[Named, ...]:
    unknown = [name for name in names if name not in known]
    if unknown:
        sys.exit(f"there is no {what} {', '.join(unknown)}; there are {', '.join(known)}")
    return tuple(entry for name, entry in known.items() if name in names)


def _wanted_packages(options: RunOptions) -> list[str]:
    taking_part = {
        contestant.name: contestant for scenario in options.scenarios for contestant in options.contestants_of(scenario)
    }
    wanted = [contestant.packages for contestant in taking_part.values()]
    wanted += [scenario.packages for scenario in options.scenarios]
    return ["wrk", "gcc", "libc6-dev", *chain.from_iterable(wanted)]


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(_positive(word) for word in text.split(","))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def _machine() -> str:
    return f"{os.cpu_count()} processors, Linux {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
