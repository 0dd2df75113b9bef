"""Which virtual environments this Python can use."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from host.python_apps.virtual_environment import EnvironmentRefused, packages_folder

OWN = f"{sys.version_info.major}.{sys.version_info.minor}"


def write(folder: Path, configuration: str, *, packages: bool = True) -> str:
    (folder / "pyvenv.cfg").write_text(configuration)
    if packages:
        (folder / "lib" / f"python{OWN}" / "site-packages").mkdir(parents=True)
    return str(folder)


@pytest.mark.parametrize("line", ["version = {}.4\n", "version_info = {}.4.final.0\n", "home = /usr/bin\n"])
def test_one_of_the_same_minor_version_fits(tmp_path: Path, line: str) -> None:
    """As venv and virtualenv write it."""
    folder = write(tmp_path, line.format(OWN))
    assert packages_folder(folder) == f"{folder}/lib/python{OWN}/site-packages"


def test_another_version_is_refused_with_both_named(tmp_path: Path) -> None:
    """Compiled packages would not load."""
    with pytest.raises(EnvironmentRefused) as raised:
        packages_folder(write(tmp_path, "version = 3.7.2"))
    assert "one of Python 3.7, but" in str(raised.value)
    assert OWN in str(raised.value)
    assert OWN in raised.value.remedy


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    """Without its file, or without packages."""
    with pytest.raises(EnvironmentRefused, match="is no virtual environment"):
        packages_folder(str(tmp_path))
    with pytest.raises(EnvironmentRefused, match="has no folder"):
        packages_folder(write(tmp_path, f"version = {OWN}.1", packages=False))
