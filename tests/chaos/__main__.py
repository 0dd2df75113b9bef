"""`python -m tests.chaos --minutes 60 --seed N` (`make chaos`): everything at once, for as long as you like.

Ends with the tables, and with status 1 when a request was lost that should not have been, or something was left over.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.census import memory_megabytes, take_census, wait_for_census
from tests.chaos.load import Load
from tests.chaos.promises import Disturbance, judge
from tests.chaos.rhythm import Calendar
from tests.chaos.scene import Scene, start_folder
from tests.chaos.site import Settings, write_chaos_site
from tests.running_service import running

_REPORT_SECONDS = 60.0
_SETTINGS = Settings(
    process_model='pingInterval="00:00:01" pingResponseTime="00:00:04" maxProcesses="2" maxConcurrentRequests="6" '
    'startupTimeLimit="00:00:20" shutdownTimeLimit="00:00:20"'  # one that is stopped while it starts or ends
)


def main() -> int:
    """The command line; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    words = parser.parse_args()
    print(f"seed {words.seed}, {words.minutes:g} minutes", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="isapy-chaos-"))
    config = write_chaos_site(folder, _SETTINGS)
    print(f"its logs: {folder}/state/logs (kept unless all is well)", flush=True)
    with running(folder, config, environment=start_folder(folder)) as service:
        try:
            status = run(Scene(service, _SETTINGS, seed=words.seed), words.minutes * 60.0)
        finally:
            (folder / "state" / "logs" / "output.txt").write_text("\n".join(service.output) + "\n")
    if status == 0:
        shutil.rmtree(folder)
    return status


def run(scene: Scene, seconds: float) -> int:
    """Disturb for so long, and judge."""
    scene.warm_up(workers=2)
    before, memory = take_census(scene.service), memory_megabytes(scene.service)
    with scene.load() as load:
        load.wait_for_answers(1)
        disturb(scene, load, seconds)
        load.wait_for_answers(2)
    outcome = scene.outcome(load, 0, 0)
    outcome.memory_before = memory
    print(outcome.report(), flush=True)
    try:
        wait_for_census(scene.service, before)
    except AssertionError as error:
        print(error)
        return 1
    print("nothing is left over")
    return 1 if outcome.losses else 0


def disturb(scene: Scene, load: Load, seconds: float) -> None:
    """Follow the calendar; end in the mode in which it began."""
    disturber = scene.disturber
    end = time.monotonic() + seconds
    calendar = Calendar(scene.rng, time.monotonic())
    report_at, seen = time.monotonic() + _REPORT_SECONDS, 0
    while (now := time.monotonic()) < end:
        found = calendar.next(now, is_iis5=disturber.is_iis5)
        if isinstance(found, Disturbance):
            disturber.strike(found)
        else:
            time.sleep(found)
        if now >= report_at:
            report_at += _REPORT_SECONDS
            failures = load.failures[seen:]
            seen += len(failures)
            _, losses = judge(failures, disturber.strikes)
            counts = f"{sum(load.answered.values())} answered, {len(load.failures)} not, {len(losses)} lost just now"
            print(f"{end - now:.0f} s to go: {len(disturber.strikes)} disturbances, {counts}", flush=True)
            for loss in losses[:10]:
                print(f"  LOST {loss}", flush=True)
    if disturber.is_iis5:
        disturber.strike(Disturbance.SWITCH_MODE)


if __name__ == "__main__":
    sys.exit(main())
