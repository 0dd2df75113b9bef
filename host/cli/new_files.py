"""Writing files for people: never over a file that is there, never half."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from host.cli.failures import CommandLineError


def write_new(files: Mapping[Path, str], *, executable: frozenset[Path] = frozenset()) -> None:
    """Write all of these files, or none when one of them exists already. Raises CommandLineError."""
    existing = [path for path in files if path.exists() or path.is_symlink()]
    if existing:
        raise CommandLineError(
            f"{existing[0]} exists already and is not overwritten", "choose another name, or remove it first"
        )
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as stream:
            stream.write(text)
        if path in executable:
            mode = path.stat().st_mode
            path.chmod(mode | (mode & 0o444) >> 2)  # whoever may read it may run it


def write_atomically(path: Path, text: str) -> None:
    """Replace a file's content in one step: a reader sees the old text or the new one. Its permissions stay."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if path.exists():
            state = path.stat()
            temporary.chmod(state.st_mode & 0o7777)
            if (state.st_uid, state.st_gid) != (os.geteuid(), os.getegid()) and os.geteuid() == 0:
                os.chown(temporary, state.st_uid, state.st_gid)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
