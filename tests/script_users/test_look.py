"""Scripts looked at on a real disk."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from host.script_users.look import facts_of, find_user, open_script
from tests.extensions.requests import open_descriptors


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "www/a/b").mkdir(parents=True)
    script = tmp_path / "www/a/b/x.cgi"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return tmp_path / "www"


def test_everything_on_the_way_is_looked_at(root: Path) -> None:
    """The folders above the root, those below it, the file; the descriptors are the folder's and the file's."""
    script = root / "a/b/x.cgi"
    before = open_descriptors()
    opened = open_script(str(root), str(script))
    try:
        assert [one.path for one in opened.folders] == [str(root), str(root / "a"), str(root / "a/b")]
        assert [one.path for one in opened.above] == [str(one) for one in root.parents]
        assert opened.found is not None
        assert (opened.found.path, opened.found.mode, opened.found.owner) == (str(script), 0o100755, os.geteuid())
        assert os.fstat(opened.file).st_ino == script.stat().st_ino
        assert os.fstat(opened.folder).st_ino == script.parent.stat().st_ino
    finally:
        opened.close()
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("path", "link", "stop"),
    [
        ("a/link.cgi", "a/link.cgi", ""),
        ("linked/b/x.cgi", "linked", ""),
        ("a/none.cgi", "", "a/none.cgi: No such file or directory"),
        ("none/x.cgi", "", "none: No such file or directory"),
        ("a/b/x.cgi/more", "", "a/b/x.cgi is no folder"),
        ("a/b/\0", "", "embedded null"),
    ],
)
def test_a_link_or_a_gap_on_the_way_is_told(root: Path, path: str, link: str, stop: str) -> None:
    """No link is followed below the root, wherever it stands; nothing stays open."""
    (root / "a/link.cgi").symlink_to("b/x.cgi")
    (root / "linked").symlink_to("a")
    before = open_descriptors()
    opened = open_script(str(root), f"{root}/{path}")
    opened.close()
    assert (opened.link, opened.found) == (f"{root}/{link}" if link else "", None)
    assert stop in opened.stop
    assert bool(opened.stop) == bool(stop)
    assert open_descriptors() == before


def test_a_link_above_the_root_is_the_administrators(root: Path) -> None:
    """The configured folder may be one; the folders above are those of where it leads."""
    (root.parent / "site").symlink_to("www")
    opened = open_script(f"{root.parent}/site", f"{root.parent}/site/a/b/x.cgi")
    opened.close()
    assert opened.found is not None
    assert [one.path for one in opened.above] == [str(one) for one in root.parents]


def test_users_are_those_of_passwd(root: Path) -> None:
    """By the owner's number, by name, by number as text; whoever is in no passwd is nobody."""
    root_user = pwd.getpwuid(0)
    for wanted, owner in (("FileOwner", 0), ("root", 1), ("0", None)):
        user = find_user(wanted, owner)
        assert user is not None
        assert (user.name, user.number, user.group, user.home) == (root_user.pw_name, 0, 0, root_user.pw_dir)
        assert 0 in user.groups
    for wanted, owner in (("FileOwner", 4_000_000_000), ("FileOwner", None), ("no such user", 0), ("9" * 30, 0)):
        assert find_user(wanted, owner) is None
    opened = open_script(str(root), f"{root}/a/b/x.cgi")
    facts = facts_of(opened, f"{root}/a/b/x.cgi", str(root), "FileOwner", may_become=True, own_user=5)
    opened.close()
    assert facts.user == find_user("FileOwner", os.geteuid())
    assert (facts.own_user, facts.may_become, len(facts.folders)) == (5, True, 3)
