"""Folders of logs on their way to a listener that is another user. Root gives them away; others give to themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.confinement.errors import ConfinementError
from host.confinement.log_folders import open_log_folder

LISTENER = 71998 if os.geteuid() == 0 else os.geteuid()


def owner(path: Path) -> int:
    return path.lstat().st_uid


def test_a_missing_folder_is_made_and_given_and_its_descriptor_leads_there(tmp_path: Path) -> None:
    """The folders above it stay whose they are."""
    folder = tmp_path / "logs" / "LogFiles" / "W3SVC1"
    descriptor = open_log_folder(str(folder), LISTENER)
    try:
        assert os.path.samestat(os.fstat(descriptor), folder.stat())
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)
    assert owner(folder) == LISTENER
    assert {owner(above) for above in (folder.parent, folder.parent.parent)} == {os.geteuid()}


def test_the_logs_of_a_folder_that_changes_hands_go_with_it_and_nothing_else_does(tmp_path: Path) -> None:
    """A log that root wrote before can be gone on with. A link, a folder, a file with a second name elsewhere and
    somebody else's file stay what they are."""
    folder, outside = tmp_path / "W3SVC1", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (folder / "u_ex1.log").write_text("a line\n")
    (folder / "archive").mkdir()
    (outside / "secret").write_text("secret")
    (folder / "link.log").symlink_to(outside / "secret")
    (outside / "twice").write_text("secret")
    os.link(outside / "twice", folder / "hard.log")
    os.mkfifo(folder / "pipe")
    (folder / "other.log").write_text("x")
    if os.geteuid() == 0:
        os.chown(folder / "other.log", 71997, 71997)
    os.close(open_log_folder(str(folder), LISTENER))
    assert owner(folder) == owner(folder / "u_ex1.log") == LISTENER
    assert (folder / "u_ex1.log").read_text() == "a line\n"
    untouched = [outside, outside / "secret", outside / "twice", folder / "link.log", folder / "archive"]
    assert {owner(path) for path in untouched} == {os.geteuid()}
    assert owner(folder / "pipe") == os.geteuid()
    if os.geteuid() == 0:
        assert owner(folder / "other.log") == 71997


def test_in_a_folder_that_is_the_listeners_already_nothing_changes_hands(tmp_path: Path) -> None:
    """Whoever got into the listener could put names there, and wait for the next start of the service."""
    folder = tmp_path / "W3SVC1"
    os.close(open_log_folder(str(folder), LISTENER))
    (folder / "later.log").write_text("root's")
    os.close(open_log_folder(str(folder), LISTENER))
    assert owner(folder / "later.log") == os.geteuid()


def test_a_link_at_the_end_is_not_followed(tmp_path: Path) -> None:
    """It would give away the folder that it leads to."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "W3SVC1").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfinementError, match="without a link"):
        open_log_folder(str(tmp_path / "W3SVC1"), LISTENER)
    assert owner(tmp_path / "outside") == os.geteuid()


def test_a_folder_that_cannot_be_made_is_refused_with_its_reason(tmp_path: Path) -> None:
    """A file stands in the way."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfinementError, match=f"{tmp_path}/file/W3SVC1 cannot be opened: Not a directory"):
        open_log_folder(str(tmp_path / "file" / "W3SVC1"), LISTENER)
