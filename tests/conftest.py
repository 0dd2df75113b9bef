"""What holds for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
"""The same examples each time, however slow the machine: a run fails because of the code and of nothing else."""

settings.register_profile("search", settings.get_profile("steady"), derandomize=False)
"""HYPOTHESIS_PROFILE=search: other examples each time, for whoever goes looking for new ones."""

settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

_LONGEST_FIRST: Final = (
    *("chaos", "programs", "processes", "native", "managed", "cli", "conformance", "extensions", "spawner"),
    *("python_apps", "isapi", "pywin32", "bench", "listener", "fuzz", "http1"),
)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Logs of sites that name no folder are the tests' own, and not in that of whoever runs them: a service of his
    could not go on with a log that a test has begun as another user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders with long files first: where files run beside one another (`make unit`), a long one that begins last
    would keep everybody waiting."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        folder = item.path.relative_to(here).parts[0]
        return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)

    items.sort(key=rank)
