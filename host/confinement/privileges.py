"""Privileges of this process: capabilities, no_new_privs, dumpable. Thin calls of the kernel through the C library."""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import Final

from host.confinement.errors import ConfinementError

_libc: Final = ctypes.CDLL(None, use_errno=True)

_PR_SET_DUMPABLE: Final = 4
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

CAP_SETGID: Final = 6
CAP_SETUID: Final = 7

_CAPABILITY_VERSION_3: Final = 0x20080522


class _CapabilityHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def effective_capabilities(pid: int | str = "self") -> int:
    """The effective set of a process as a bit mask (capabilities(7)); 0 when it cannot be read."""
    try:
        found = re.search(r"^CapEff:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1], 16) if found else 0


def may_change_identity() -> bool:
    """Whether this process may become another user (CAP_SETUID and CAP_SETGID: root, unless a container took them)."""
    wanted = 1 << CAP_SETUID | 1 << CAP_SETGID
    return effective_capabilities() & wanted == wanted


def drop_capabilities() -> None:
    """Give up every capability for good. Raises ConfinementError when the kernel keeps one."""
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)  # an old kernel has none
    header = _CapabilityHeader(_CAPABILITY_VERSION_3, 0)
    nothing = (_CapabilityData * 2)()
    if _libc.capset(ctypes.byref(header), nothing) != 0 or effective_capabilities() != 0:
        raise ConfinementError(
            f"capabilities cannot be dropped: {_last_error()}", "run isapy as root or as a plain user"
        )


def forbid_new_privileges() -> None:
    """no_new_privs: set-user-id programs and file capabilities give this process and its children nothing (Linux 3.5).

    Raises ConfinementError.
    """
    if _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        remedy = 'set noNewPrivileges="false" in processModel, or take a newer kernel'
        raise ConfinementError(f"no_new_privs cannot be set: {_last_error()}", remedy)


def stay_readable_to_itself() -> None:
    """After a change of user the kernel gives /proc/self to root (proc(5), dumpable): this process and its workers need
    theirs, and a debugger of the same user may attach."""
    _libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def _last_error() -> str:
    return os.strerror(ctypes.get_errno())
