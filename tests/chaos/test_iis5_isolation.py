"""IIS 5 isolation under load: a dllhost that dies takes its own requests, inetinfo takes the open connections."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.promises import Disturbance
from tests.chaos.scene import Scene, start_folder
from tests.chaos.site import Settings, write_chaos_site
from tests.running_service import running

pytestmark = pytest.mark.slow

SETTINGS = Settings(mode="IIS5")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One service for all of these; the application under load is Medium."""
    folder = tmp_path_factory.mktemp("chaos")
    with running(folder, write_chaos_site(folder, SETTINGS), environment=start_folder(folder)) as service:
        scene = Scene(service, SETTINGS, seed=5)
        yield scene


@pytest.mark.parametrize(
    "disturbances",
    [[Disturbance.KILL_DLLHOST] * 2, [Disturbance.KILL_INETINFO], [Disturbance.CHANGE_CONFIGURATION]],
    ids=lambda found: found[0].name,
)
def test_a_death_costs_what_this_mode_says_and_no_more(scene: Scene, disturbances: list[Disturbance]) -> None:
    """What docs/reliability.md grants to each; a changed configuration loses nothing here either."""
    outcome = scene.run(disturbances)
    assert not outcome.losses, outcome.report()
    if Disturbance.CHANGE_CONFIGURATION in disturbances:
        assert not outcome.excused, outcome.report()
