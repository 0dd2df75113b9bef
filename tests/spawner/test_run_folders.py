"""Temporary folders of single runs, by themselves and with a real spawner."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from host.spawner.run_folders import make_run_folder, remove_run_folder
from host.wire.spawn_messages import LaunchFailed
from tests.running_service import wait_until
from tests.spawner.client import SpawnerClient

SH = b"/bin/sh"


@pytest.mark.parametrize("waits", [True, False])
@pytest.mark.parametrize("is_full", [True, False])
def test_a_folder_is_closed_to_others_and_taken_away_with_what_is_in_it(
    tmp_path: Path, *, waits: bool, is_full: bool
) -> None:
    """A link in it is taken away, and not what it leads to."""
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("kept")
    place = tmp_path / "place"
    place.mkdir()
    raw_folder = make_run_folder(str(place))
    folder = Path(os.fsdecode(raw_folder))
    assert (stat.S_IMODE(folder.stat().st_mode), folder.stat().st_uid) == (0o700, os.geteuid())
    if is_full:
        (folder / "deep/er").mkdir(parents=True)
        (folder / "deep/er/file").write_text("gone")
        (folder / "link").symlink_to(kept)
    remove_run_folder(raw_folder, waits=waits)
    if is_full and not waits:
        os.wait()
    assert list(place.iterdir()) == []
    assert (kept / "file").read_text() == "kept"
    remove_run_folder(raw_folder, waits=waits)


def test_a_folder_that_cannot_be_given_away_is_not_left(tmp_path: Path) -> None:
    """Nobody has user number 2**32 - 2; a plain user may give nothing to anybody."""
    if os.geteuid() == 0:
        with pytest.raises(OSError, match="No such file"):
            make_run_folder(str(tmp_path / "none"))
        return
    with pytest.raises(PermissionError):
        make_run_folder(str(tmp_path), user=os.geteuid() + 1)
    assert list(tmp_path.iterdir()) == []


def test_each_run_has_its_own_and_none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an end, after a kill that a child in another session has to be awaited for, after a start that failed; and
    when the spawner ends, of what ran until then. What the environment called TMPDIR counts no more."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    client = SpawnerClient()
    try:
        show = b'cd "$TMPDIR" && pwd && ls -A && echo mine > file; mkdir -p a/b; echo $TMPDIR'
        folders = []
        for _ in range(2):
            program = client.launch([SH, b"-c", show], environment={b"TMPDIR": b"/proc"}, private_temp=True)
            first, second = program.read_all().split()  # nothing was in it
            assert first == second
            assert program.status() == 0
            program.close()
            folders.append(Path(os.fsdecode(first)))
        assert folders[0] != folders[1]
        deaf = (
            b"trap '' TERM; (setsid sh -c 'trap \"\" TERM; echo $TMPDIR; while :; do sleep 1000; done' &); sleep 1000"
        )
        program = client.launch([SH, b"-c", deaf], private_temp=True)
        folders.append(Path(os.fsdecode(program.read_line().strip())))
        (folders[2] / "file").write_text("still there")
        client.kill(program.number)
        assert program.status() != 0
        program.close()
        failed = client.launch([b"/no/such/program"], private_temp=True)
        failed.close()
        assert isinstance(failed.answer, LaunchFailed)
        wait_until(lambda: not list(place.iterdir()), tmp_path, "the end of all folders")
        last = client.launch([SH, b"-c", b'echo mine > "$TMPDIR/file"; echo up; sleep 1000'], private_temp=True)
        assert last.read_line() == b"up\n"
        last.close()
        assert len(list(place.iterdir())) == 1
    finally:
        client.close()
    assert list(place.iterdir()) == []
