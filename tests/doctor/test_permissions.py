"""The rules about permissions, for a user who is not there: facts in, findings out."""

from __future__ import annotations

import pytest

from host.doctor.permissions import permission_findings
from host.doctor.script import Identity, Place, Script, Severity

VISITOR = Identity(name="www", uid=33, groups=frozenset({33, 100}))
ROOT = Identity(name="root", uid=0, groups=frozenset({0}))


def script(mode: int, folder_mode: int = 0o40755, *, group: int = 5, text: bytes = b"#!/bin/sh\n") -> Script:
    top = Place(path="/srv", mode=0o40755, owner=0, group=0)
    folder = Place(path="/srv/cgi-bin", mode=folder_mode, owner=7, group=5)
    return Script(
        path="/srv/cgi-bin/x", mode=0o100000 | mode, owner=7, group=group, content=text, folders=(top, folder)
    )


@pytest.mark.parametrize(
    ("what", "rules"),
    [
        (script(0o755), set()),
        (script(0o750, group=100), set()),
        (script(0o644), {"not-executable"}),
        (script(0o744), {"not-executable"}),
        (script(0o711), {"not-readable"}),
        (script(0o711, text=b"\x7fELF\0"), set()),
        (script(0o700), {"not-executable", "not-readable"}),
        (script(0o755, 0o40700), {"folder-closed"}),
        (script(0o757), {"world-writable"}),
        (script(0o755, 0o40777), {"folder-world-writable"}),
        (script(0o755, 0o41777), set()),
        (script(0o4755), {"setuid"}),
        (script(0o2755), {"setuid"}),
    ],
)
def test_what_the_pools_user_may(what: Script, rules: set[str]) -> None:
    """Owner, group and others, of the file and of the folders above."""
    assert {finding.rule for finding in permission_findings(what, VISITOR)} == rules


def test_root_reads_all_and_executes_what_somebody_may() -> None:
    """Root needs one x bit, and nothing else."""
    assert [finding.rule for finding in permission_findings(script(0o644), ROOT)] == ["not-executable"]
    assert list(permission_findings(script(0o100, 0o40700), ROOT)) == []


def test_only_a_missing_bit_is_mended() -> None:
    """A file that some may execute was given to those; one that nobody may was forgotten."""
    forgotten, given = (next(permission_findings(script(mode), VISITOR)) for mode in (0o644, 0o744))
    assert forgotten.repair is not None
    assert given.repair is None


def test_a_file_system_without_execution() -> None:
    """noexec is told: chmod would not help."""
    what = Script(path="/srv/x", content=b"#!/bin/sh\n", is_on_noexec=True)
    (finding,) = permission_findings(what, VISITOR)
    assert (finding.rule, finding.severity) == ("noexec", Severity.ERROR)
