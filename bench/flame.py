"""Where a request's time goes, as a flame graph: `python -m bench.flame` writes the pictures of docs/performance.md.

py-spy (from PyPI: `pip install py-spy`; it needs root, or ptrace_scope 0) looks at the listener, or at the worker, some
hundred times a second while wrk keeps it busy. Compiled modules have no frames that it could see, so isapy runs as
Python (ISAPY_COMPILED=off): the shares are those of the sources, and all of it is slower than it is.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from bench.contestants import CONTESTANTS
from bench.flame_picture import draw
from bench.flame_stacks import readable
from bench.load import LoadFailed, drive
from bench.memory import processes_of
from bench.packages import install_command, missing_packages
from bench.scenarios import SCENARIOS
from bench.server import NotReady, Server, take_sigterm_for_interrupt
from bench.site import write_site

PICTURES: Final = (("hello", "listener"), ("hello", "worker"), ("connect", "listener"), ("static", "listener"))
"""A scenario, and the process that is looked at."""

EXIT_FAILED = 1
EXIT_MISSING = 2

_CONNECTIONS: Final = 32
_RATE: Final = 400  # a second: not a divisor of anything that the listener does by the clock
_LOAD_SECONDS: Final = 3  # more than the recording, before and after it
_WARM_SECONDS: Final = 1
_GRACE_SECONDS: Final = 60.0
_SPY: Final = Path(sys.executable).with_name("py-spy")


class NotRecorded(Exception):
    """py-spy saw nothing; the message says why."""


def record(scenario: str, role: str, seconds: int, folder: Path) -> str:
    """The picture of that process under that load. Raises NotReady, LoadFailed, NotRecorded."""
    contestant = CONTESTANTS["isapy"]
    load, path = SCENARIOS[scenario].load, contestant.paths[scenario]
    server = Server(contestant, folder / f"{scenario}-{role}", write_site(folder / f"site-{scenario}-{role}"))
    try:
        server.start(path)
        drive(server.port, path, load, connections=_CONNECTIONS, seconds=_WARM_SECONDS)
        pid = _process(server, role)
        raw = server.place.folder / "stacks.txt"
        command = [str(_SPY), "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(_RATE)]
        command += ["--function", "--native", "--format", "raw", "--output", str(raw)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as spy:
            drive(server.port, path, load, connections=_CONNECTIONS, seconds=seconds + _LOAD_SECONDS)
            try:
                _, said = spy.communicate(timeout=_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                spy.kill()
                raise NotRecorded(f"py-spy did not end within {_GRACE_SECONDS:g} s of the load's end") from None
        if spy.returncode or not raw.exists():
            raise NotRecorded(next(reversed(said.strip().splitlines()), f"py-spy ended with {spy.returncode}"))
    finally:
        server.stop()
    stacks, _ = readable(raw.read_text().splitlines())
    if not stacks:
        raise NotRecorded("nothing was seen at work")
    title = f"isapy's {role} under {scenario}, {_CONNECTIONS} connections, run as Python"
    return draw(stacks, title)


def _process(server: Server, role: str) -> int:
    """The process of that role. Raises NotReady when there is none."""
    for process in processes_of(server.roots):
        if server.contestant.role_of(process) == role:
            return process.pid
    raise NotReady(f"isapy has no {role}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw PICTURES, or those that are named. The exit status is 1 when one could not be drawn, 2 when something is
    missing on this machine."""
    take_sigterm_for_interrupt()
    parser = argparse.ArgumentParser(prog="python -m bench.flame", description="Flame graphs of isapy under load.")
    parser.add_argument("--seconds", type=int, default=10, help="of each recording (default 10)")
    parser.add_argument("--folder", type=Path, default=Path("docs/flames"), help="default docs/flames")
    words = parser.parse_args(arguments)
    if missing := missing_packages(["wrk"]):
        print(f"missing on this machine: {', '.join(missing)}\nas root, type: {install_command(missing)}")
        return EXIT_MISSING
    if not _SPY.exists():
        print(f"missing: py-spy\ntype: {sys.executable} -m pip install py-spy")
        return EXIT_MISSING
    words.folder.mkdir(parents=True, exist_ok=True)
    os.environ["ISAPY_COMPILED"] = "off"  # for the service that is started, too
    return _draw(PICTURES, words.seconds, words.folder)


def _draw(pictures: Iterable[tuple[str, str]], seconds: int, into: Path) -> int:
    status = 0
    with tempfile.TemporaryDirectory(prefix="isapy-flame-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for scenario, role in pictures:
            picture = into / f"{scenario}-{role}.svg"
            try:
                picture.write_text(record(scenario, role, seconds, folder))
            except (NotReady, LoadFailed, NotRecorded, OSError) as error:
                status = EXIT_FAILED
                print(f"{scenario}, {role}: {error}", file=sys.stderr)
            else:
                print(f"{picture}: {picture.stat().st_size // 1024} KB")
    return status


if __name__ == "__main__":
    sys.exit(main())
