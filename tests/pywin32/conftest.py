"""Fixtures of the ISAPI contract's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.worker.site import Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An empty site with the built-in extensions behind its own."""
    return Site(tmp_path)
