"""Fixtures of the configuration tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.server_sample import Server


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Folders of a server without a configuration file yet."""
    return Server(tmp_path)
