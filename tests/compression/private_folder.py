"""The temporary folder of a pool, as a worker is told of it, and files that are old enough to be copied."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest


def make_private_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What TMPDIR names until the test ends."""
    folder = tmp_path / "temporary"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def settle(path: Path) -> None:
    """Return when the file is older than the ticks of file times: a new file's time has moved on."""
    probe = path.parent / "probe"
    while True:
        probe.write_bytes(b"")
        if probe.stat().st_mtime_ns - path.stat().st_ctime_ns > 25_000_000:
            return
