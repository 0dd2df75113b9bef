"""Writing files for people."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from host.cli.failures import CommandLineError
from host.cli.new_files import write_atomically, write_new


def test_nothing_is_written_when_one_file_exists(tmp_path: Path) -> None:
    """All or nothing, and what is there stays as it is."""
    (tmp_path / "b").write_text("mine")
    with pytest.raises(CommandLineError, match="exists already and is not overwritten"):
        write_new({tmp_path / "a": "new", tmp_path / "b": "new"})
    assert not (tmp_path / "a").exists()
    assert (tmp_path / "b").read_text() == "mine"


def test_a_dangling_link_counts_as_a_file(tmp_path: Path) -> None:
    """Nothing is written through a link."""
    (tmp_path / "a").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CommandLineError):
        write_new({tmp_path / "a": "new"})
    assert not (tmp_path / "elsewhere").exists()


def test_programs_are_executable_for_those_who_may_read_them(tmp_path: Path) -> None:
    """Others are not."""
    program, page = tmp_path / "bin" / "x.py", tmp_path / "page.html"
    write_new({program: "#!", page: "<p>"}, executable=frozenset({program}))
    mode = stat.S_IMODE(program.stat().st_mode)
    assert mode & 0o111 == (mode & 0o444) >> 2 != 0
    assert not page.stat().st_mode & 0o111


def test_replacing_keeps_permissions_and_line_ends_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The file is replaced in one step."""
    path = tmp_path / "x.config"
    path.write_text("old")
    path.chmod(0o640)
    inode = path.stat().st_ino
    write_atomically(path, "new\r\nlines\r\n")
    assert path.read_bytes() == b"new\r\nlines\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.stat().st_ino != inode
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_replacement_leaves_the_old_file(tmp_path: Path) -> None:
    """Here a folder is in the way."""
    path = tmp_path / "x.config"
    path.mkdir()
    with pytest.raises(OSError, match=r"x\.config"):
        write_atomically(path, "new")
    assert list(tmp_path.iterdir()) == [path]
