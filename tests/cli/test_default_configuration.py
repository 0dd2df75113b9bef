"""Which configuration a command means that names none."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.bundled_files import bundled_folder
from host.cli.default_configuration import SITE_CONFIGURATION, default_configuration


def test_in_a_sites_folder_it_is_the_sites_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who types `isapy check` there must not be told that the samples are valid."""
    (tmp_path / "conf").mkdir()
    (tmp_path / SITE_CONFIGURATION).write_text("<configuration/>")
    monkeypatch.chdir(tmp_path)
    assert default_configuration() == tmp_path / "conf" / "applicationHost.config"


def test_elsewhere_it_is_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first command of a newcomer needs no file."""
    monkeypatch.chdir(tmp_path)
    assert default_configuration() == bundled_folder("conf") / "applicationHost.config"
