"""Looks at a script and the folders on its way by descriptors, so that what is judged is what was opened."""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from host.script_users.checks import FILE_OWNER, Place, ScriptFacts, TargetUser


@dataclass(slots=True)
class OpenedScript:
    """The script and its folder as descriptors (O_PATH), -1 as long as there is none; to be closed."""

    folder: int = -1
    file: int = -1
    above: list[Place] = field(default_factory=list)
    folders: list[Place] = field(default_factory=list)
    found: Place | None = None
    stop: str = ""
    link: str = ""

    def close(self) -> None:
        """Let go of both."""
        for descriptor in (self.folder, self.file):
            if descriptor >= 0:
                os.close(descriptor)
        self.folder = self.file = -1


def open_script(root: str, script: str) -> OpenedScript:
    """Walk from `root` (links in its own path are the administrator's) to `script`, which lies below it; no link is
    followed on the way. Whoever is on the way, and what stopped it, is in what is given; nothing is raised."""
    opened = OpenedScript()
    path = root
    try:
        real = os.path.realpath(root)
        opened.above = [_place(str(one), os.stat(one)) for one in PurePosixPath(real).parents]
        opened.folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        opened.folders.append(_place(root, os.fstat(opened.folder)))
        *names, last = script[len(root.rstrip("/")) + 1 :].split("/")
        for name in names:
            path = os.path.join(path, name)
            if not _enter(opened, path, name):
                return opened
        path = script
        opened.file = os.open(last, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened.folder)
        found = os.fstat(opened.file)
        if stat.S_ISLNK(found.st_mode):
            opened.link = script
        else:
            opened.found = _place(script, found)
    except (OSError, ValueError) as error:
        opened.stop = f"{path}: {getattr(error, 'strerror', None) or error}"
    return opened


def _enter(opened: OpenedScript, path: str, name: str) -> bool:
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=opened.folder)
    os.close(opened.folder)
    opened.folder = descriptor
    found = os.fstat(descriptor)
    if stat.S_ISLNK(found.st_mode):
        opened.link = path
        return False
    if not stat.S_ISDIR(found.st_mode):
        opened.stop = f"{path} is no folder"
        return False
    opened.folders.append(_place(path, found))
    return True


def _place(path: str, status: os.stat_result) -> Place:
    return Place(path, status.st_mode, status.st_uid, status.st_gid)


def facts_of(
    opened: OpenedScript, script: str, root: str, wanted: str, *, may_become: bool, own_user: int
) -> ScriptFacts:
    """Everything that the checks judge."""
    owner = opened.found.owner if opened.found is not None else None
    return ScriptFacts(
        script=script,
        root=root,
        wanted=wanted,
        above=tuple(opened.above),
        folders=tuple(opened.folders),
        file=opened.found,
        stop=opened.stop,
        link=opened.link,
        user=find_user(wanted, owner),
        may_become=may_become,
        own_user=own_user,
    )


def find_user(wanted: str, owner: int | None) -> TargetUser | None:
    """Whom `runAs` means for a file of `owner`; None: nobody in passwd."""
    with contextlib.suppress(KeyError, OverflowError):
        if wanted == FILE_OWNER:
            if owner is None:
                return None
            entry = pwd.getpwuid(owner)
        else:
            entry = pwd.getpwuid(int(wanted)) if wanted.isdecimal() else pwd.getpwnam(wanted)
        groups = tuple(os.getgrouplist(entry.pw_name, entry.pw_gid))
        return TargetUser(entry.pw_name, entry.pw_uid, entry.pw_gid, groups, entry.pw_dir)
    return None
