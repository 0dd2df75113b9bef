"""What must be true of a script, its folders and its user before it is run as that user. Pure; the facts are handed in.

These are the checks of Apache's suexec (httpd.apache.org/docs/2.4/suexec.html), each a row, in the order in which they
are made. Ours are stricter in three points: every folder from the configured one down is looked at, not the script's
own alone; so are the folders above it; and nothing below it may be a symbolic link. So only the user, root, and who
owns a folder above could put another file in the script's place.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

FILE_OWNER: Final = "FileOwner"

LEAST_NUMBER: Final = 100
"""Of a user and of a group: below are the system's own (suexec's AP_UID_MIN, as Apache and Debian build it)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A file or folder as it was found."""

    path: str
    mode: int
    owner: int
    group: int


@dataclass(frozen=True, slots=True)
class TargetUser:
    """Whom the script shall run as, from passwd and group."""

    name: str
    number: int
    group: int
    groups: tuple[int, ...] = ()  # supplementary ones
    home: str = "/"

    def has_group(self, number: int) -> bool:
        """Whether the user is in that group."""
        return number == self.group or number in self.groups


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptFacts:
    """A script on its way to run. `root` is the configured folder above it, empty when there is none; `folders` lead
    from there to the script's own, as far as they could be entered; `above` are those above the root.

    `stop` is what stood in the way, with the reason; `link` the first symbolic link below the root. `wanted` is what
    `cgi/@runAs` says, `user` whom that means (None: nobody in passwd). `may_become`: this process may become others;
    `own_user` is what it is.
    """

    script: str
    root: str
    wanted: str
    above: tuple[Place, ...] = ()
    folders: tuple[Place, ...] = ()
    file: Place | None = None
    stop: str = ""
    link: str = ""
    user: TargetUser | None = None
    may_become: bool = True
    own_user: int = 0


class Refusal(NamedTuple):
    """The check that failed, what was found, and what to do. The texts name the file or folder."""

    check: str
    reason: str
    remedy: str


Found = tuple[str, str] | None
"""Reason and remedy; None: nothing is wrong."""


def refusals(facts: ScriptFacts) -> Iterator[Refusal]:
    """Everything that keeps the script from running as its user, in the order of the table."""
    for name, test in CHECKS:
        found = test(facts)
        if found is not None:
            yield Refusal(name, *found)


def _path(facts: ScriptFacts) -> Found:
    segments = facts.script.split("/")
    if facts.script.startswith("/") and not {"", ".", ".."} & set(segments[1:]):
        return None
    return f"{facts.script} is no plain absolute path", "Ask for it by a path without . and .. in it."


def _root(facts: ScriptFacts) -> Found:
    if facts.root:
        return None
    return (
        f"{facts.script} lies below no folder for which applicationHost.config says runAs",
        "Put runAs into the <cgi> that the server's file has for its path; physicalPath must name the folder itself.",
    )


def _symbolic_link(facts: ScriptFacts) -> Found:
    if not facts.link:
        return None
    return f"{facts.link} is a symbolic link", f"Put the file itself there: what a link leads to is not {facts.root}."


def _exists(facts: ScriptFacts) -> Found:
    return (facts.stop, f"Put the script below {facts.root}.") if facts.stop else None


def _regular_file(facts: ScriptFacts) -> Found:
    if facts.file is None or stat.S_ISREG(facts.file.mode):
        return None
    return f"{facts.script} is no regular file", "Name a file as the script."


def _user_exists(facts: ScriptFacts) -> Found:
    if facts.user is not None or facts.file is None:
        return None
    if facts.wanted == FILE_OWNER:
        reason = f"{facts.script} belongs to user number {facts.file.owner}, who is not in passwd"
        return reason, f"Give it to a user of this machine: chown NAME {facts.script}"
    return f"this machine has no user {facts.wanted}", f"Make the user, or correct runAs: useradd {facts.wanted}"


def _not_root(facts: ScriptFacts) -> Found:
    if facts.user is None or facts.user.number != 0:
        return None
    return f"{facts.script} would run as root", _give(facts)


def _least_user(facts: ScriptFacts) -> Found:
    if facts.user is None or not facts.may_become or facts.user.number >= LEAST_NUMBER or not facts.user.number:
        return None
    reason = f"user {facts.user.name} has number {facts.user.number}: those below {LEAST_NUMBER} are the system's"
    return reason, _give(facts)


def _not_root_group(facts: ScriptFacts) -> Found:
    if facts.user is None or facts.user.group != 0:
        return None
    return f"the group of user {facts.user.name} is root's", f"Give the user another one: usermod -g {facts.user.name}"


def _least_group(facts: ScriptFacts) -> Found:
    user = facts.user
    if user is None or not facts.may_become or user.group >= LEAST_NUMBER or not user.group:
        return None
    reason = f"the group of user {user.name} has number {user.group}: those below {LEAST_NUMBER} are the system's"
    return reason, f"Give the user a group of its own: groupadd {user.name}; usermod -g {user.name} {user.name}"


def _file_owner(facts: ScriptFacts) -> Found:
    if facts.user is None or facts.file is None or facts.file.owner == facts.user.number:
        return None
    reason = f"{facts.script} belongs to user number {facts.file.owner}, not to {facts.user.name}"
    return reason, f"chown {facts.user.name} {facts.script}"


def _file_group(facts: ScriptFacts) -> Found:
    if facts.user is None or facts.file is None or facts.user.has_group(facts.file.group):
        return None
    reason = f"{facts.script} has group number {facts.file.group}, which is none of {facts.user.name}'s"
    return reason, f"chgrp {facts.user.group} {facts.script}"


def _folder_owner(facts: ScriptFacts) -> Found:
    """The script's own folder is the user's; those between it and the root may be root's."""
    if facts.user is None or facts.file is None:
        return None
    for folder in facts.folders:
        is_own = folder is facts.folders[-1]
        if folder.owner != facts.user.number and (is_own or (folder.owner != 0 and folder is not facts.folders[0])):
            reason = f"the folder {folder.path} belongs to user number {folder.owner}, not to {facts.user.name}"
            return reason, f"chown {facts.user.name} {folder.path}"
    return None


def _folder_group(facts: ScriptFacts) -> Found:
    if facts.user is None or facts.file is None or facts.user.has_group(facts.folders[-1].group):
        return None
    folder = facts.folders[-1]
    reason = f"the folder {folder.path} has group number {folder.group}, which is none of {facts.user.name}'s"
    return reason, f"chgrp {facts.user.group} {folder.path}"


def _folder_writable(facts: ScriptFacts) -> Found:
    for folder in facts.folders:
        if folder.mode & 0o022:
            reason = f"others than its owner may write to the folder {folder.path} ({stat.filemode(folder.mode)})"
            return reason, f"chmod go-w {folder.path}"
    return None


def _above_writable(facts: ScriptFacts) -> Found:
    for folder in facts.above:
        if folder.mode & 0o002 and not folder.mode & stat.S_ISVTX:
            reason = f"everybody may put another folder in the place of {facts.root}: {folder.path} is open to all"
            return reason, f"chmod o-w {folder.path}"
    return None


def _file_writable(facts: ScriptFacts) -> Found:
    if facts.file is None or not facts.file.mode & 0o022:
        return None
    reason = f"others than its owner may write to {facts.script} ({stat.filemode(facts.file.mode)})"
    return reason, f"chmod go-w {facts.script}"


def _set_id(facts: ScriptFacts) -> Found:
    if facts.file is None or not facts.file.mode & (stat.S_ISUID | stat.S_ISGID):
        return None
    reason = f"{facts.script} has the setuid or setgid bit ({stat.filemode(facts.file.mode)})"
    return reason, f"chmod ug-s {facts.script}"


def _identity(facts: ScriptFacts) -> Found:
    if facts.user is None or facts.may_become or facts.user.number == facts.own_user:
        return None
    reason = f"{facts.script} is to run as {facts.user.name}, and isapy may become nobody else"
    return reason, "Start isapy as root, or take runAs away."


def _give(facts: ScriptFacts) -> str:
    if facts.wanted == FILE_OWNER:
        return f"Give it to the user whose script it is: chown NAME {facts.script}"
    return "Name another user in runAs."


CHECKS: Final[tuple[tuple[str, Callable[[ScriptFacts], Found]], ...]] = (
    ("path", _path),
    ("root", _root),
    ("symbolic-link", _symbolic_link),
    ("exists", _exists),
    ("regular-file", _regular_file),
    ("user-exists", _user_exists),
    ("not-root", _not_root),
    ("least-user", _least_user),
    ("not-root-group", _not_root_group),
    ("least-group", _least_group),
    ("file-owner", _file_owner),
    ("file-group", _file_group),
    ("folder-owner", _folder_owner),
    ("folder-group", _folder_group),
    ("folder-writable", _folder_writable),
    ("above-writable", _above_writable),
    ("file-writable", _file_writable),
    ("set-id", _set_id),
    ("identity", _identity),
)
"""Name and test of each row."""
