"""`--fix` on real files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.doctor.content import content_findings
from host.doctor.first_line import first_line_findings
from host.doctor.gather import identity_of, read_script
from host.doctor.permissions import permission_findings
from host.doctor.repair import Repaired, repair, repaired_content, repaired_mode
from host.doctor.script import Repair

BROKEN = b"\xef\xbb\xbf#!/bin/sh\r\necho\r\n"


def mend(path: Path, folder: Path, backups: Path) -> Repaired | None:
    script = read_script(str(path))
    findings = [
        *first_line_findings(script, lambda program: program),
        *permission_findings(script, identity_of()),
        *content_findings(script),
    ]
    return repair(script, findings, folder, backups)


def test_a_script_is_mended_and_kept_as_it_was(tmp_path: Path) -> None:
    """Mark, line ends and permission at once; the copy has the old bytes and the old permissions."""
    folder, backups = tmp_path / "site", tmp_path / "backups"
    (folder / "cgi-bin").mkdir(parents=True)
    script = folder / "cgi-bin" / "x.sh"
    script.write_bytes(BROKEN)
    script.chmod(0o640)
    done = mend(script, folder, backups)
    assert done is not None
    assert done.done == tuple(Repair)
    assert script.read_bytes() == b"#!/bin/sh\necho\n"
    assert script.stat().st_mode & 0o777 == 0o750
    copy = backups / "cgi-bin" / "x.sh"
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777) == (BROKEN, 0o640)
    assert os.listdir(script.parent) == ["x.sh"]
    assert mend(script, folder, backups) is None


def test_the_copy_of_a_script_that_is_mended_by_two_names_is_what_it_was_before_the_first(tmp_path: Path) -> None:
    """A link inside the folder: the second repair must not keep what the first has made of it, or undoing undoes
    nothing."""
    folder, backups = tmp_path / "site", tmp_path / "backups"
    folder.mkdir()
    (folder / "a.sh").write_bytes(b"#!/bin/sh\r\necho\r\n")
    (folder / "link.sh").symlink_to("a.sh")
    scripts = [read_script(str(folder / name)) for name in ("a.sh", "link.sh")]
    for script in scripts:
        done = repair(script, content_findings(script), folder, backups)
        assert done is not None
        assert done.refused == ""
    assert (folder / "a.sh").read_bytes() == b"#!/bin/sh\necho\n"
    assert (backups / "a.sh").read_bytes() == b"#!/bin/sh\r\necho\r\n"


def test_a_link_that_leads_out_is_left_alone(tmp_path: Path) -> None:
    """What lies elsewhere is not ours to change."""
    folder, outside = tmp_path / "site", tmp_path / "x.sh"
    folder.mkdir()
    outside.write_bytes(BROKEN)
    (folder / "link.sh").symlink_to(outside)
    done = mend(folder / "link.sh", folder, tmp_path / "backups")
    assert done is not None
    assert done.done == ()
    assert "outside" in done.refused
    assert outside.read_bytes() == BROKEN


@pytest.mark.parametrize(("mode", "after"), [(0o644, 0o755), (0o640, 0o750), (0o600, 0o700), (0o2444, 0o2555)])
def test_whoever_may_read_may_run(mode: int, after: int) -> None:
    """Nobody gets more than that."""
    assert repaired_mode(mode) == after


def test_a_cr_that_ends_no_line_stays() -> None:
    """Only CR LF becomes LF."""
    assert repaired_content(b"a\rb\r\n", [Repair.LINE_ENDS]) == b"a\rb\n"
