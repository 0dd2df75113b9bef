"""Landlock (Linux 5.13 and later): a process gives up, for itself and its children, every file that no rule names.

The C library has no functions for it, so the three system calls are made by number (the same on all architectures that
CPython builds for, Alpha excepted). Newer kernels know more rights; those that this one does not know stay free:

| ABI | kernel | what it adds |
| --- | --- | --- |
| 1 | 5.13 | read, write, execute, make, remove |
| 2 | 5.19 | linking and renaming between folders (always refused before) |
| 3 | 6.2 | truncating (not restricted before) |
| 6 | 6.12 | signals to processes outside of the sandbox (not restricted before) |
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from typing import Final

from host.config.confinement import EXECUTE, READ, WRITE, SandboxRule
from host.confinement.errors import ConfinementError

_libc: Final = ctypes.CDLL(None, use_errno=True)

_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_RULESET_VERSION: Final = 1
_RULE_PATH_BENEATH: Final = 1

_EXECUTE: Final = 1 << 0
_WRITE_FILE: Final = 1 << 1
_READ_FILE: Final = 1 << 2
_READ_DIR: Final = 1 << 3
_REMOVE_AND_MAKE: Final = 0b1_1111_1111 << 4  # REMOVE_DIR, REMOVE_FILE, MAKE_CHAR ... MAKE_SYM: bits 4 to 12
_REFER: Final = 1 << 13  # ABI 2
_TRUNCATE: Final = 1 << 14  # ABI 3
_SCOPE_SIGNAL: Final = 1 << 1  # ABI 6

_OF_FILES: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE
"""What a rule for a single file may hold; the kernel refuses the rest with EINVAL."""

_RIGHTS: Final = {
    READ: _READ_FILE | _READ_DIR,
    WRITE: _WRITE_FILE | _REMOVE_AND_MAKE | _REFER | _TRUNCATE,
    EXECUTE: _EXECUTE,
}


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),  # ABI 4
        ("scoped", ctypes.c_uint64),  # ABI 6
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def landlock_abi() -> int:
    """The kernel's version of Landlock; 0 when it has none, or it is switched off (lsm= at boot, a container)."""
    return max(0, int(_libc.syscall(_CREATE_RULESET, None, 0, _RULESET_VERSION)))


def restrict_files(rules: Iterable[SandboxRule]) -> None:
    """From now on, this process and its children touch nothing but what `rules` name. Paths that do not exist are
    passed over. The process must have set no_new_privs. Raises ConfinementError."""
    abi = landlock_abi()
    if not abi:
        remedy = 'set sandbox mode="Off", or boot a kernel with Landlock (5.13 or later, lsm=landlock,...)'
        raise ConfinementError("this kernel has no Landlock, so no sandbox can be enforced", remedy)
    handled = _handled(abi)
    ruleset = _create_ruleset(handled, abi)
    try:
        for rule in rules:
            _add_rule(ruleset, rule, handled)
        if _libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise _failure("the sandbox cannot be entered")
    finally:
        os.close(ruleset)


def _handled(abi: int) -> int:
    rights = _EXECUTE | _WRITE_FILE | _READ_FILE | _READ_DIR | _REMOVE_AND_MAKE
    if abi >= 2:
        rights |= _REFER
    if abi >= 3:
        rights |= _TRUNCATE
    return rights


def _create_ruleset(handled: int, abi: int) -> int:
    attributes = _RulesetAttributes(handled, 0, _SCOPE_SIGNAL if abi >= 6 else 0)
    size = ctypes.sizeof(attributes) if abi >= 6 else ctypes.sizeof(ctypes.c_uint64)
    ruleset = _libc.syscall(_CREATE_RULESET, ctypes.byref(attributes), size, 0)
    if ruleset < 0:
        raise _failure("the sandbox cannot be made")
    os.set_inheritable(ruleset, False)
    return int(ruleset)


def _add_rule(ruleset: int, rule: SandboxRule, handled: int) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(rule.path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = 0
            for access in rule.access:
                rights |= _RIGHTS[access]
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= _OF_FILES
            beneath = _PathBeneath(rights & handled, descriptor)
            if not beneath.allowed_access:
                return
            if _libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(beneath), 0) != 0:
                if ctypes.get_errno() == errno.EBADFD:  # not a file of a file system: Landlock leaves it free
                    return
                raise _failure(f"the sandbox takes no rule for {rule.path}")
        finally:
            os.close(descriptor)


def _failure(message: str) -> ConfinementError:
    reason = os.strerror(ctypes.get_errno())
    return ConfinementError(f"{message}: {reason}", 'set sandbox mode="Off", or look at what the kernel log says')
