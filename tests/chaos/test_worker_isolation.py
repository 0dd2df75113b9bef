"""Worker process isolation under load: what loses nothing, and what each death may cost and no more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.promises import Disturbance
from tests.chaos.rhythm import short_mix
from tests.chaos.scene import Outcome, Scene, start_folder
from tests.chaos.site import Settings, write_chaos_site
from tests.running_service import running

pytestmark = pytest.mark.slow

SETTINGS = Settings(process_model='pingInterval="00:00:01" pingResponseTime="00:00:04"')


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One service for all of these; every test leaves it as it was."""
    folder = tmp_path_factory.mktemp("chaos")
    config = write_chaos_site(folder, SETTINGS)
    with running(folder, config, environment=start_folder(folder)) as service:
        scene = Scene(service, SETTINGS, seed=int(os.environ.get("CHAOS_SEED", "3")))
        yield scene


def demand_nothing_lost(outcome: Outcome) -> None:
    """Every request was answered rightly."""
    assert not outcome.losses, outcome.report()
    assert not outcome.excused, outcome.report()


@pytest.mark.parametrize(
    "disturbances",
    [
        [Disturbance.RECYCLE] * 3,
        [Disturbance.SAVE_PLUGIN] * 2,
        [Disturbance.CHANGE_CONFIGURATION] * 3,
        [Disturbance.RESTART_OTHER_POOL] * 3,
        [Disturbance.SWITCH_MODE] * 2,
        [Disturbance.STOP_LISTENER] * 1,
    ],
    ids=lambda found: found[0].name,
)
def test_nothing_is_lost_when_nothing_dies(scene: Scene, disturbances: list[Disturbance]) -> None:
    """Recycling, saved files, other pools and the switch of the process model: every request is answered, and nothing
    is left over."""
    demand_nothing_lost(scene.run(disturbances))


@pytest.mark.parametrize(
    "disturbances",
    [
        [Disturbance.KILL_WORKER] * 3,
        [Disturbance.STOP_WORKER] * 1,
        [Disturbance.KILL_LISTENER] * 2,
        [Disturbance.KILL_PARENT] * 1,
    ],
    ids=lambda found: found[0].name,
)
def test_a_death_costs_what_cannot_be_saved_and_no_more(scene: Scene, disturbances: list[Disturbance]) -> None:
    """What docs/reliability.md grants to each, request by request; and nothing is left over."""
    outcome = scene.run(disturbances)
    assert not outcome.losses, outcome.report()


def test_everything_in_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A web garden, each disturbance in a random order, both modes. The tables are printed."""
    settings = Settings(process_model='maxProcesses="2" maxConcurrentRequests="6"')
    config = write_chaos_site(tmp_path, settings)
    with running(tmp_path, config, environment=start_folder(tmp_path)) as service:
        scene = Scene(service, settings, seed=7)
        scene.warm_up(workers=2)
        outcome = scene.run(list(short_mix(scene.rng)))
    with capsys.disabled():
        print("\n" + outcome.report())
    assert not outcome.losses, outcome.report()
