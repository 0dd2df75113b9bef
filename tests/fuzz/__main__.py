"""`make fuzz`: coverage-guided fuzzing of everything that reads what strangers send, each target for so many seconds.

atheris instruments the parsers and drives libFuzzer; where it has no wheel (it has them for x86-64 alone) the same
targets are fed with changed seeds at random, which the first line of the output says. What was found interesting is
kept in `.fuzz/` beside the project and is where the next run starts; an input that breaks a promise is printed, kept
there as `crash-...` and belongs into `tests/fuzz/seeds.py` together with the repair.
"""

from __future__ import annotations

import argparse
import importlib
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

try:
    import atheris
except ImportError:  # no wheel for this machine
    atheris = None

WORK: Final = Path(__file__).resolve().parents[2] / ".fuzz"
NAMES: Final = ("requests", "frames", "forwarded", "worker_heads")  # what is fuzzed is imported only when instrumented
READERS: Final = ("host.http1", "host.wire", "host.listener.forwarded", "tests.fuzz.targets")
LONGEST: Final = 4096  # bytes of an input: the limits of the readers are tested where they are
MARKS: Final = (
    b"\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b"\0",
    b":",
    b";",
    b",",
    b"%",
    b"/",
    b"\\",
    b'"',
    b"\xff",
    b"0",
    b"-",
)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz the targets one after another; the exit status is 0 when none broke a promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--work", type=Path, default=WORK, help="where what was found is kept")
    parser.add_argument("--seed", type=int, default=0, help="repeats a run; 0 takes another one each time")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)  # this process fuzzes that target
    options = parser.parse_args(arguments)
    if options.one:
        fuzz = fuzz_by_chance if atheris is None else fuzz_by_coverage
        return fuzz(options.one, options.seconds, options.work, options.seed or random.getrandbits(31))
    print("guided by coverage (atheris)" if atheris is not None else "by chance: atheris is not installed")
    failed = []
    for target in NAMES:
        print(f"--- {target}", flush=True)
        passed = (f"--seconds={options.seconds}", f"--work={options.work}", f"--seed={options.seed}")
        if subprocess.run([sys.executable, "-m", "tests.fuzz", f"--one={target}", *passed], check=False).returncode:
            failed.append(target)
    print(f"broken: {', '.join(failed)}" if failed else "nothing was broken")
    return 1 if failed else 0


def fuzz_by_coverage(name: str, seconds: int, work: Path, seed: int) -> int:
    """libFuzzer ends the process itself: with a status other than 0 when the target raised."""
    corpus = work / name
    corpus.mkdir(parents=True, exist_ok=True)
    with atheris.instrument_imports(include=list(READERS)):
        target = importlib.import_module("tests.fuzz.targets").TARGETS[name]
        seeds = importlib.import_module("tests.fuzz.seeds").SEEDS[name]
    for number, raw in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(raw)
    options = (f"-max_total_time={seconds}", f"-max_len={LONGEST}", f"-seed={seed}", f"-artifact_prefix={work}/")
    atheris.Setup([sys.argv[0], *options, "-verbosity=1", "-print_final_stats=1", str(corpus)], target)
    atheris.Fuzz()
    return 0


def fuzz_by_chance(name: str, seconds: int, work: Path, seed: int) -> int:
    """Changed seeds until the time is over."""
    target, rng = importlib.import_module("tests.fuzz.targets").TARGETS[name], random.Random(seed)
    seeds = importlib.import_module("tests.fuzz.seeds").SEEDS[name]
    end = time.monotonic() + seconds
    tried = 0
    while time.monotonic() < end:
        raw = changed(rng, seeds)
        tried += 1
        try:
            target(raw)
        except BaseException:
            work.mkdir(parents=True, exist_ok=True)
            (work / f"crash-{name}-{seed}-{tried}").write_bytes(raw)
            print(f"{name}: {raw!r}")
            raise
    print(f"{tried} inputs, seed {seed}")
    return 0


def changed(rng: random.Random, seeds: list[bytes]) -> bytes:
    """One of the seeds with a few changes: marks put in, bytes replaced, pieces taken out, doubled or of another."""
    raw = bytearray(rng.choice(seeds))
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(raw))
        length = rng.choice((0, 0, 1, 1, 2, 8, 40))
        match rng.randrange(5):
            case 0:
                raw[at : at + length] = rng.choice(MARKS)
            case 1:
                raw[at : at + 1] = rng.randbytes(1)
            case 2:
                del raw[at : at + length]
            case 3:
                raw[at:at] = raw[at : at + length]
            case _:
                other = rng.choice(seeds)
                start = rng.randint(0, len(other))
                raw[at:at] = other[start : start + length]
    return bytes(raw[:LONGEST])


if __name__ == "__main__":
    sys.exit(main())
