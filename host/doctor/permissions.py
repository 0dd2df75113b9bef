"""The rules about permissions: may the user that scripts run as start it, and may too many write to it? Pure."""

from __future__ import annotations

import stat
from collections.abc import Iterator

from host.doctor.script import Finding, Identity, Place, Repair, Script, Severity


def permission_findings(script: Script, identity: Identity) -> Iterator[Finding]:
    """What the permission bits of the script and of the folders above it mean for `identity`."""
    if script.leads_to:
        yield Finding(
            rule="leads-outside",
            severity=Severity.ERROR,
            text=f"it is a link that leads out of the folder, to {script.leads_to}, and so it is not served",
            remedy='put the file itself here, or say <staticContent followSymbolicLinksOutsideRoot="true" />',
        )
    for folder in script.folders:
        if not identity.may(1, folder.mode, folder.owner, folder.group):
            yield Finding(
                rule="folder-closed",
                severity=Severity.ERROR,
                text=f"{identity.name} may not pass through {folder.path} ({stat.filemode(folder.mode)})",
                remedy=f"chmod o+x {folder.path}, or run its pool as another user",
            )
            break
    if not identity.may(1, script.mode, script.owner, script.group):
        nobody = not script.mode & 0o111
        yield Finding(
            rule="not-executable",
            severity=Severity.ERROR,
            text="it is not executable" if nobody else f"{identity.name} may not execute it",
            remedy="chmod +x",
            repair=Repair.EXECUTABLE if nobody else None,
        )
    if not script.is_binary and not identity.may(4, script.mode, script.owner, script.group):
        text = f"{identity.name} may not read it ({stat.filemode(script.mode)}), and so its interpreter cannot"
        yield Finding(rule="not-readable", severity=Severity.ERROR, text=text, remedy="chmod o+r, or chown")
    if script.is_on_noexec:
        text = "its file system is mounted noexec: nothing on it can be started"
        remedy = "move it, remount, or name its interpreter in the mapping: scriptProcessor"
        yield Finding(rule="noexec", severity=Severity.ERROR, text=text, remedy=remedy)
    yield from _dangers(script)


def _dangers(script: Script) -> Iterator[Finding]:
    if script.mode & 0o002:
        text = "everybody on this machine may write to it, and so decide what it does"
        yield Finding(rule="world-writable", severity=Severity.WARNING, text=text, remedy="chmod o-w")
    if script.folders and _is_open(script.folders[-1]):
        text = f"everybody on this machine may put another file in its place: {script.folders[-1].path}"
        yield Finding(rule="folder-world-writable", severity=Severity.WARNING, text=text, remedy="chmod o-w")
    if script.mode & (stat.S_ISUID | stat.S_ISGID):
        bits = "setuid" if script.mode & stat.S_ISUID else "setgid"
        text = (
            f"it has the {bits} bit, which gives a compiled program its owner's rights"
            if script.is_binary
            else f"it has the {bits} bit, which Linux ignores for scripts: it runs as the pool's user"
        )
        yield Finding(rule="setuid", severity=Severity.WARNING, text=text, remedy="chmod ug-s; use the pool's identity")


def _is_open(folder: Place) -> bool:
    return bool(folder.mode & 0o002) and not folder.mode & stat.S_ISVTX


def dangling_link(script: Script) -> Finding:
    """Of a script that is none: a link to what is not there."""
    return Finding(
        rule="dangling-link",
        severity=Severity.ERROR,
        text=f"it is a link to {script.leads_to}, where nothing is",
        remedy="copy what it led to, or remove it",
    )
