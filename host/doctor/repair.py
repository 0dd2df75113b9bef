"""`isapy doctor --fix`: the changes whose outcome is beyond doubt, each with a copy of what was there before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from host.doctor.script import UTF8_MARK, Finding, Repair, Script


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """What became of one script: what was done, or why nothing was."""

    path: str
    done: tuple[Repair, ...]
    refused: str = ""


def repair(script: Script, findings: Iterable[Finding], folder: Path, backups: Path) -> Repaired | None:
    """Do what the findings allow; the file as it was is copied below `backups` first. None when there is nothing to do.

    A link is left alone when it leads out of `folder`, and so is a file of somebody else's: a new file in its place
    would belong to us.
    """
    wanted = {finding.repair for finding in findings if finding.repair is not None}
    if not wanted:
        return None
    todo = tuple(each for each in Repair if each in wanted)
    path = Path(script.path).resolve()
    if not path.is_relative_to(folder):
        return Repaired(path=script.path, done=(), refused=f"it is a link to {path}, outside the folder")
    try:
        if os.geteuid() not in (0, path.stat().st_uid):
            return Repaired(path=script.path, done=(), refused=f"it belongs to {path.owner()}")
        copy = backups / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not copy.exists():  # it has been mended by another name, of a link: what it was then is no copy to keep
            shutil.copy2(path, copy)
        _change(path, todo)
    except (OSError, KeyError) as error:
        return Repaired(path=script.path, done=(), refused=str(error))
    return Repaired(path=script.path, done=todo)


def repaired_content(content: bytes, repairs: Iterable[Repair]) -> bytes:
    """The bytes of a file after those of the repairs that concern its bytes."""
    if Repair.BYTE_ORDER_MARK in repairs:
        content = content.removeprefix(UTF8_MARK)
    if Repair.LINE_ENDS in repairs:
        content = content.replace(b"\r\n", b"\n")
    return content


def repaired_mode(mode: int) -> int:
    """Whoever may read it may run it."""
    return mode | (mode & 0o444) >> 2


def _change(path: Path, repairs: tuple[Repair, ...]) -> None:
    """In one step: whoever asks meanwhile gets the old file or the new one. Its owner and its permissions stay."""
    status = path.stat()
    mode = repaired_mode(status.st_mode) if Repair.EXECUTABLE in repairs else status.st_mode
    content = path.read_bytes()
    changed = repaired_content(content, repairs)
    if changed == content:
        path.chmod(mode & 0o7777)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        temporary.write_bytes(changed)
        if os.geteuid() == 0:
            os.chown(temporary, status.st_uid, status.st_gid)
        temporary.chmod(mode & 0o7777)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
