"""The clock on the wall, in a place of its own where the machine's time zone can be changed."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from host.activation.wall_clock import WallClock
from tests.running_service import ROOT

ZONE = Path("/usr/share/zoneinfo/Etc/GMT-5")  # five hours before UTC
MOVES = """\
import os, subprocess
from datetime import UTC, datetime
from host.activation.wall_clock import WallClock

clock = WallClock(0.0)
clock()
subprocess.run(["mount", "--bind", os.environ["ZONE"], os.path.realpath("/etc/localtime")], check=True)
print(round((clock() - datetime.now(UTC).replace(tzinfo=None)).total_seconds()))
"""


def test_it_is_local_time() -> None:
    """As the machine has it."""
    before = datetime.now()
    assert before <= WallClock(0.0)() <= datetime.now()


def test_a_time_zone_that_is_set_while_the_service_runs_is_followed() -> None:
    """Without TZ, which would stay: /etc/localtime is another file from now on."""
    apart = ["unshare", "--map-root-user", "--mount"]
    if not ZONE.exists() or not Path("/etc/localtime").exists() or subprocess.run([*apart, "true"]).returncode:
        pytest.skip("no time zones here, or nobody may have mounts of their own")
    environment = {key: value for key, value in os.environ.items() if key != "TZ"}
    done = subprocess.run(
        [*apart, sys.executable, "-c", MOVES],
        env={**environment, "ZONE": str(ZONE)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == 5 * 3600
