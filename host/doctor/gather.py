"""Finds the scripts of a folder and the facts of their files. Reads, and runs nothing."""

from __future__ import annotations

import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from host.doctor.script import LOOKED_AT, Identity, Place, Script

MOST_FILES: Final = 20_000
"""Files of a folder that are looked at."""

EXTENSIONS: Final = frozenset({".cgi", ".py", ".pl", ".sh", ".exe", ".bat", ".cmd", ".vbs", ".dll"})
"""Files that are meant to be programs, by their names; in a folder cgi-bin those that look like one are, too."""

PROGRAM_FOLDER: Final = "cgi-bin"

_BEGINNINGS: Final = (b"#!", b"\xef\xbb\xbf#!", b"\x7fELF", b"MZ")


def identity_of(user: str = "") -> Identity:
    """A user of this machine by name or number, or whoever asks. Raises KeyError when there is none of that name."""
    if not user:
        entry_uid, groups = os.geteuid(), {os.getegid(), *os.getgroups()}
        try:
            name = pwd.getpwuid(entry_uid).pw_name
        except KeyError:
            name = f"user {entry_uid}"
        return Identity(name=name, uid=entry_uid, groups=frozenset(groups))
    entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    groups = {entry.pw_gid, *(group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem)}
    return Identity(name=entry.pw_name, uid=entry.pw_uid, groups=frozenset(groups))


def scripts_of(folder: Path) -> Iterator[Script]:
    """The scripts below `folder`, in order of their paths; hidden folders are passed over, links are followed to files
    and not to folders. A Python file that nobody can start and another one imports is a module, no script."""
    site = folder.resolve()
    top = os.path.join(site.parent if site.name == PROGRAM_FOLDER else site, "")
    for parent, names in islice(_folders(folder), MOST_FILES):
        paths = (os.path.join(parent, name) for name in names)
        found = [_where_it_is(script, top) for path in paths if (script := _script(path)) is not None]
        texts = [script.text for script in found]
        yield from (script for script in found if not _is_module(script, texts))


def read_script(path: str) -> Script:
    """The facts of one file. Raises OSError when it cannot be looked at."""
    parent = os.path.dirname(path)
    status = os.stat(path)
    try:
        with open(path, "rb") as stream:
            content: bytes | None = stream.read(LOOKED_AT)
    except PermissionError:
        content = None
    return Script(
        path=path,
        mode=status.st_mode,
        owner=status.st_uid,
        group=status.st_gid,
        content=content,
        folders=tuple(_places(parent)),
        neighbours=frozenset(os.listdir(parent)),
        is_on_noexec=bool(os.statvfs(path).f_flag & os.ST_NOEXEC),
    )


def _folders(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for parent, folders, names in os.walk(folder.resolve()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield parent, sorted(names)


def _script(path: str) -> Script | None:
    extension = os.path.splitext(path)[1].lower()
    is_in_program_folder = PROGRAM_FOLDER in Path(path).parts[:-1]
    if extension not in EXTENSIONS and not is_in_program_folder:
        return None
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return None
        script = read_script(path)
    except OSError:
        return _dangling(path) if os.path.islink(path) else None
    if extension in EXTENSIONS or (script.content or b"").startswith(_BEGINNINGS) or script.content is None:
        return script
    return None


def _dangling(path: str) -> Script:
    """A link that leads to nothing: files that were not copied with it, or a place that this machine does not have."""
    return Script(path=path, content=None, leads_to=os.readlink(path), is_dangling=True)


def _where_it_is(script: Script, top: str) -> Script:
    if script.is_dangling:
        return script
    place = os.path.realpath(script.path)
    return script if place.startswith(top) else replace(script, leads_to=place)


def _is_module(script: Script, texts: list[bytes]) -> bool:
    """Whether it is imported or required by a neighbour, and cannot be started."""
    if script.raw_first_line or script.mode & 0o111 or not script.name.endswith((".py", ".pl")):
        return False
    stem, name = os.fsencode(script.name[:-3]), os.fsencode(script.name)
    if stem == b"__init__":
        return True
    asks = re.compile(
        rb"^\s*(?:import|from)\b[^\n]*\b" + re.escape(stem) + rb"\b|[\"'/]" + re.escape(name) + rb"[\"']", re.MULTILINE
    )
    return any(asks.search(text) for text in texts if text != script.text)


def _places(folder: str) -> Iterator[Place]:
    for path in (*reversed(Path(folder).parents), Path(folder)):
        status = path.stat()
        yield Place(path=str(path), mode=status.st_mode, owner=status.st_uid, group=status.st_gid)
