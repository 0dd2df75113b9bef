"""Folders of the listener's logs, made and opened by a service that may, for a listener that is another user.

The folder and what lies in it become the listener's; the folders above stay whose they are. They may be closed to the
listener, since it gets the descriptor.
"""

from __future__ import annotations

import contextlib
import os
import stat

from host.confinement.errors import ConfinementError


def open_log_folder(path: str, user: int) -> int:
    """Make the folder if it is missing, let `user` own it, and give its descriptor. Raises ConfinementError."""
    try:
        os.makedirs(path, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        remedy = "name a folder that isapy may make, without a link at its end"
        raise ConfinementError(f"the log folder {path} cannot be opened: {error.strerror}", remedy) from error
    try:
        _give(descriptor, user)
    except OSError as error:
        os.close(descriptor)
        message = f"the log folder {path} cannot be given to user {user}: {error.strerror}"
        raise ConfinementError(message, f"let that user own it: chown -R {user} {path}") from error
    return descriptor


def _give(descriptor: int, user: int) -> None:
    """The files first: as long as the folder is not the user's, nobody but its owner has put anything there. A file
    that has another name elsewhere, or another owner than the folder, is nobody's log."""
    owner = os.fstat(descriptor).st_uid
    if owner == user:
        return
    for name in os.listdir(descriptor):
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            if stat.S_ISREG(found.st_mode) and found.st_uid == owner:
                _give_file(descriptor, name, owner, user)
    os.fchown(descriptor, user, -1)


def _give_file(folder: int, name: str, owner: int, user: int) -> None:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_uid == owner and found.st_nlink == 1:
            os.fchown(file, user, -1)
    finally:
        os.close(file)
