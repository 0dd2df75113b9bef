"""A spawner for all tests of a file, and scripts that it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.spawner.client import SpawnerClient
from tests.spawner.warm_rig import WarmRig


@pytest.fixture(scope="module")
def client() -> Iterator[SpawnerClient]:
    client = SpawnerClient()
    yield client
    client.close()


@pytest.fixture
def rig(tmp_path: Path, client: SpawnerClient) -> WarmRig:
    """Python's; a file may have another one."""
    return WarmRig(tmp_path, client, sys.executable)
