"""The private temporary folder of a pool: owned by its identity, closed to everybody else, emptied when nobody uses it.

It lies below `%ISAPY_STATE%/temp`; where the pool's identity cannot reach that (root's state lies in root's home), in
a folder of the service's own below the system's temporary folder. Pool, account and configuration file are in its name,
so that two services or two identities never share one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile

from host.confinement.errors import ConfinementError
from host.confinement.identity import Account


def make_temporary_folder(base: str, pool_name: str, config_path: str, account: Account) -> str:
    """Make it, before this process becomes `account`; gives its path. Raises ConfinementError."""
    digest = hashlib.sha256(os.fsencode(config_path)).hexdigest()[:8]
    name = f"{pool_name}.{account.user}.{digest}"
    try:
        os.makedirs(base, mode=0o755, exist_ok=True)
        if not can_search(base, account):
            base = _reachable_base()
        folder = os.path.join(base, name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o700)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if status.st_uid != account.user:
                os.fchown(descriptor, account.user, account.group)
            if stat.S_IMODE(status.st_mode) != 0o700:  # a file system that has become read-only refuses to say it again
                os.fchmod(descriptor, 0o700)
        finally:
            os.close(descriptor)
    except OSError as error:
        message = f"the temporary folder of pool {pool_name} cannot be made: {error}"
        raise ConfinementError(message, "set ISAPY_STATE to a folder that isapy may write to") from error
    return folder


def make_folder_of_folders(name: str, config_path: str) -> str:
    """A folder of this process's user in which folders of other users are made: everybody may pass through, nobody may
    look. It is emptied if no other process uses it, and this one and its forks use it from now on.

    Raises ConfinementError.
    """
    digest = hashlib.sha256(os.fsencode(config_path)).hexdigest()[:8]
    try:
        folder = os.path.join(_reachable_base(), f"scripts.{name}.{digest}")
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, 0o711)
        os.chmod(folder, 0o711)
        occupy(folder)
    except OSError as error:
        message = f"the folder for temporary folders of {name} cannot be made: {error}"
        raise ConfinementError(message, "set TMPDIR to a folder that isapy may write to") from error
    return folder


def occupy(folder: str) -> int:
    """Mark the folder as used by this process and its forks, as long as the descriptor that is given lives in one of
    them; empty it if nobody else uses it. To be called as the pool's account."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # the parent before this one, or its workers, still run
    else:
        _empty(folder)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def restore(folder: str) -> bool:
    """Make the folder again if somebody has removed it (a cleaner that does not ask who uses what); whether it was so.

    To be called as the pool's account, which may not be allowed to. Raises OSError."""
    if os.path.isdir(folder):
        return False
    os.makedirs(os.path.dirname(folder), mode=0o755, exist_ok=True)
    os.mkdir(folder, 0o700)
    occupy(folder)
    return True


def _empty(folder: str) -> None:
    for entry in os.scandir(folder):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


def can_search(folder: str, account: Account) -> bool:
    """Whether the account may pass through the folder and all above it, by their permission bits (access control
    lists are not looked at: at worst another folder is taken)."""
    path = os.path.realpath(folder)
    while True:
        status = os.stat(path)
        if account.user == status.st_uid:
            is_open = status.st_mode & stat.S_IXUSR
        elif status.st_gid in (account.group, *account.groups):
            is_open = status.st_mode & stat.S_IXGRP
        else:
            is_open = status.st_mode & stat.S_IXOTH
        if not is_open and account.user != 0:
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def _reachable_base() -> str:
    """A folder of our own where everybody may make one: nobody else may own it or write to it."""
    base = os.path.join(tempfile.gettempdir(), f"isapy-temp-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        os.mkdir(base, 0o711)
    status = os.lstat(base)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        message = f"{base} is not a folder of isapy's own"
        raise ConfinementError(message, f"remove {base}, or set ISAPY_STATE to a folder that the pool can reach")
    os.chmod(base, 0o711)
    return base
