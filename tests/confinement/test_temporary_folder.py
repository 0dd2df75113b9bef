"""A pool's private temporary folder: whose it is, where it lies, when it is emptied."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from host.confinement.errors import ConfinementError
from host.confinement.identity import Account, own_account
from host.confinement.temporary_folder import can_search, make_temporary_folder, occupy, restore
from tests.confinement.everybody import CHECKOUT, open_folder

STRANGER = Account(71234, 71234, (71234,))

HOLD = """
import sys
from host.confinement.temporary_folder import occupy
occupy(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


def test_it_is_the_accounts_alone_and_keeps_its_name(tmp_path: Path) -> None:
    """Made once, closed to everybody else; another pool, account or configuration has another one."""
    own = own_account()
    folder = Path(make_temporary_folder(str(tmp_path / "temp"), "Shop", "/a/conf", own))
    status = folder.stat()
    assert (stat.S_IMODE(status.st_mode), status.st_uid) == (0o700, own.user)
    assert make_temporary_folder(str(tmp_path / "temp"), "Shop", "/a/conf", own) == str(folder)
    assert folder.stat().st_ctime_ns == status.st_ctime_ns  # nothing is said again: the disk may be read-only by now
    others = [("Blog", "/a/conf"), ("Shop", "/b/conf")]
    assert str(folder) not in [make_temporary_folder(str(tmp_path / "temp"), *other, own) for other in others]


def test_an_account_that_cannot_reach_the_state_folder_gets_one_elsewhere() -> None:
    """Root's state lies in root's home; the folder is then below the system's temporary folder, in one of our own."""
    if os.geteuid() != 0:
        assert not can_search("/root", own_account()) or os.access("/root", os.X_OK)
        return
    with open_folder() as folder:
        (folder / "closed").mkdir(0o700)
        made = Path(make_temporary_folder(str(folder / "closed" / "temp"), "Shop", str(folder), STRANGER))
        try:
            assert made.parent.name == "isapy-temp-0"
            assert (made.stat().st_uid, made.stat().st_gid) == (STRANGER.user, STRANGER.group)
            assert can_search(str(made), STRANGER)
        finally:
            made.rmdir()


def test_a_folder_that_somebody_has_removed_is_made_again(tmp_path: Path) -> None:
    """With those above it, and closed to everybody else as before."""
    folder = Path(make_temporary_folder(str(tmp_path / "temp"), "Shop", "/a/conf", own_account()))
    assert not restore(str(folder))
    folder.rmdir()
    folder.parent.rmdir()
    assert restore(str(folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not restore(str(folder))


@pytest.mark.slow
def test_it_is_emptied_when_nobody_uses_it_any_more(tmp_path: Path) -> None:
    """A parent that is replaced, and its workers, keep their files; the first one after all of them starts empty."""
    folder = tmp_path / "temp"
    folder.mkdir()
    (folder / "old").write_text("left over")
    (folder / "below").mkdir()
    (folder / "below" / "deep").write_text("left over")
    (folder / "link").symlink_to(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        assert list(folder.iterdir()) == []
        (folder / "upload").write_text("in use")
        os.close(occupy(str(folder)))
        assert (folder / "upload").exists()
        holder.stdin.close()
    os.close(occupy(str(folder)))
    assert list(folder.iterdir()) == []
    assert tmp_path.exists()


def test_a_place_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    """With the remedy; a pool without its folder would write into everybody's."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfinementError, match="ISAPY_STATE"):
        make_temporary_folder(str(tmp_path / "file" / "temp"), "Shop", "/a", own_account())
