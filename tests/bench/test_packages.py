"""Missing packages are named."""

from __future__ import annotations

import pytest

from bench import packages
from bench.contestants import CONTESTANTS


def test_the_install_command_names_what_is_missing() -> None:
    """The line can be typed as it is."""
    assert packages.install_command(["nginx-light", "wrk"]).endswith(" nginx-light wrk")
    assert packages.install_command(["wrk"]).startswith("apt-get install ")


def test_packages_are_named_once_and_sorted() -> None:
    """Whatever is installed here, the answer is a sorted subset without repetition."""
    missing = packages.missing_packages(["wrk", "gcc", "wrk"])
    assert missing == sorted(set(missing) & {"gcc", "wrk"})


def test_every_package_of_every_contestant_can_be_looked_for() -> None:
    """A contestant that names an unknown package would stop the bench with a traceback."""
    for contestant in CONTESTANTS.values():
        packages.missing_packages(contestant.packages)


def test_a_program_that_is_not_there_is_an_error() -> None:
    """The name is in the message."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        packages.program("no-such-program")
