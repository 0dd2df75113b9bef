"""Files of users and of groups: what their lines say, and when they are read again."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.authentication.user_files import (
    MOST_BYTES,
    KeptFile,
    Users,
    parse_groups,
    parse_users,
    read_text,
    told_of,
)
from tests.authentication.hashes import HASHES

HASH = HASHES["htpasswd -s"]
OTHER = HASHES["htpasswd -m"]


def test_lines_give_users_and_comments_are_passed_over() -> None:
    """As Apache reads them: a second colon begins a comment; line ends of Windows and a byte order mark do no harm."""
    users = parse_users(f"\ufeff# people\r\n\r\nalice:{HASH}\r\nbob:{OTHER}:Bob B.\n  jürgen:{HASH}  \nco lon:{HASH}")
    assert users == Users({"alice": HASH, "bob": OTHER, "jürgen": HASH, "co lon": HASH})
    assert users.some_hash == HASH
    assert parse_users("").some_hash == ""


def test_lines_that_are_nobodys_are_told_with_number_and_remedy() -> None:
    """The others count all the same; of two lines of a name, the first."""
    text = f"alice\n:{HASH}\n*:{HASH}\nbob:secret\nalice:{HASH}\nalice:{OTHER}\na\x01b:{HASH}"
    users = parse_users(text)
    assert users.hashes == {"alice": HASH}
    expected = [
        r"line 1: it has no colon; write name:hash",
        r"line 2: it has no name",
        r"line 3 \(\*\): '\*' is no name",
        r"line 4 \(bob\): .*plain text is refused.*htpasswd -B",
        r"line 6 \(alice\): alice stands further up",
        r"line 7 \(a\x01b\): .* is no name",
    ]
    assert len(users.problems) == len(expected)
    for pattern, problem in zip(expected, users.problems, strict=True):
        assert re.match(pattern, problem), problem


def test_a_first_line_that_is_bad_keeps_the_second_from_counting() -> None:
    """What looks like a line of that name must not be replaced by one that somebody has added below it."""
    assert parse_users(f"bob:plain\nbob:{HASH}").hashes == {}


def test_groups_add_up() -> None:
    """Apache's format; names in several groups and groups in several lines."""
    groups = parse_groups("# x\nstaff: alice bob\nadmins:alice\nstaff: carol\nempty:\nno colon\n: x")
    assert groups.by_name == {
        "alice": frozenset({"staff", "admins"}),
        "bob": frozenset({"staff"}),
        "carol": frozenset({"staff"}),
    }
    assert groups.problems == ("line 6: write group: name name", "line 7: write group: name name")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_read_or_told(text: str) -> None:
    """Every line that says something is a user's, or a problem's."""
    users = parse_users(text)
    lines = [line.strip() for line in text.removeprefix("\ufeff").split("\n")]
    assert len(users.hashes) + len(users.problems) == sum(1 for line in lines if line and not line.startswith("#"))
    parse_groups(text)


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    """In place or by another file in its place; its problems are told once for each state."""
    path, told = tmp_path / "users", list[str]()
    path.write_text(f"alice:{HASH}\nbob\n")
    kept = KeptFile(str(path), parse_users, told.append)
    first = kept.content()
    assert kept.content() is first
    assert told == [f"{path}, line 2: it has no colon; write name:hash"]
    path.write_text(f"alice:{OTHER}\n")
    assert kept.content().hashes == {"alice": OTHER}
    (tmp_path / "new").write_text(f"alice:{HASH}\n")
    os.replace(tmp_path / "new", path)
    assert kept.content().hashes == {"alice": HASH}
    path.unlink()
    with pytest.raises(FileNotFoundError):
        kept.content()
    path.write_text(f"carol:{HASH}\n")
    assert kept.content().hashes == {"carol": HASH}
    assert len(told) == 1


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    """A folder, a FIFO (which must not block) and a file without end."""
    os.mkfifo(tmp_path / "fifo")
    with open(tmp_path / "large", "wb") as large:
        large.truncate(MOST_BYTES + 1)
    for name, error in (("fifo", ValueError), ("large", ValueError), (".", OSError)):
        with pytest.raises(error):
            read_text(str(tmp_path / name))


def test_many_problems_are_told_in_short() -> None:
    """The event log is no copy of the file."""
    text = told_of("/f", tuple(f"line {number}: x" for number in range(50)))
    assert text.endswith("line 19: x; and 30 more")
