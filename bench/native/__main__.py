"""`python -m bench.native`: what an answer in C costs beside one in Python, in turn, in the same worker.

Printed for each kind: the median of requests a second with its spread, the processor time of the worker for one
request, and both as a ratio to the plain Python plugin. wrk must be installed, and a C compiler.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bench.server import take_sigterm_for_interrupt
from host.native.building import plan_build
from tests.native.native_site import write_native_site
from tests.running_service import RunningService, running

SOURCE: Final = Path(__file__).resolve().parents[1] / "programs" / "isapi_hello.c"
ANSWER: Final = "hello world\n"
CONNECTIONS: Final = 32

PLUGIN: Final = """\
from host.api import HandlerInfo, HandlerMapping, Response, hookimpl

@hookimpl
def handler_mappings():
    return [HandlerMapping(name="{name}", path="*.{name}")]

@hookimpl
def handler_info():
    return HandlerInfo(quick={quick})

@hookimpl
def handle(request):
    return Response.text("hello world\\n")
"""

KINDS: Final = {
    "python": "a Python plugin, plain def",
    "pythonquick": "the same, quick",
    "native": "C, on a thread",
    "single": "the same, threadingModel Single",
    "nativequick": "C, ISAPY_QUICK_PROC",
}


@dataclass(slots=True)
class Measured:
    """Of one kind, a number for each round."""

    rates: list[float] = field(default_factory=list)
    worker_microseconds: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.native", description="Native ISAPI beside Python plugins.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="isapy-bench-native-") as name:
        folder = Path(name)
        libraries = {"native": build(folder, "native"), "nativequick": build(folder, "nativequick", "-DQUICK")}
        libraries["single"] = libraries["native"]
        config = write_native_site(folder, "WorkerProcess", extensions=libraries)
        for plugin, quick in (("python", False), ("pythonquick", True)):
            (folder / "extensions" / f"{plugin}.py").write_text(PLUGIN.format(name=plugin, quick=quick))
        with running(folder, config) as service:
            show(measure(service, words.rounds, words.seconds))


def build(folder: Path, name: str, *arguments: str) -> Path:
    """The library."""
    output = folder / f"{name}.so"
    subprocess.run(plan_build([str(SOURCE), *arguments, "-o", str(output)]).command, check=True)
    return output


def measure(service: RunningService, rounds: int, seconds: int) -> dict[str, Measured]:
    """In turn: whatever disturbs the machine disturbs all."""
    found = {kind: Measured() for kind in KINDS}
    for kind in KINDS:
        assert service.get(f"/x.{kind}").text == ANSWER, kind
    worker = psutil.Process(service.pid_of("worker DefaultAppPool#1"))
    for _ in range(rounds):
        for kind, measured in found.items():
            before = sum(worker.cpu_times()[:2])
            url = f"http://127.0.0.1:{service.port}/x.{kind}"
            command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
            text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            count = re.search(r"(\d+) requests in", text)
            assert count is not None, text
            assert "Non-2xx" not in text, text
            measured.rates.append(int(count[1]) / seconds)
            measured.worker_microseconds.append((sum(worker.cpu_times()[:2]) - before) / int(count[1]) * 1e6)
    return found


def show(found: dict[str, Measured]) -> None:
    """A table."""
    base = found["python"]
    print(f"{'':30}{'requests/s':>12}{'spread':>16}{'ratio':>8}{'worker us':>11}{'ratio':>8}")
    for kind, measured in found.items():
        rate, cost = statistics.median(measured.rates), statistics.median(measured.worker_microseconds)
        spread = f"{min(measured.rates):.0f}-{max(measured.rates):.0f}"
        ratio = statistics.median(a / b for a, b in zip(measured.rates, base.rates, strict=True))
        cost_ratio = cost / statistics.median(base.worker_microseconds)
        print(f"{KINDS[kind]:30}{rate:12.0f}{spread:>16}{ratio:8.2f}{cost:11.0f}{cost_ratio:8.2f}")


if __name__ == "__main__":
    main()
