"""sandbox mode="Report": what Enforce would refuse, found out without enforcing anything on the pool.

The kernel has no such mode, so a short-lived fork of the pool's parent enters the sandbox and tries to read everything
that the pool's configuration names: each folder with what lies in it (the first `MOST_FILES` names) and each file.
What the kernel refuses there and grants outside is told. Programs are not run: whether those of a folder may be
executed is read from the rules. What code does by itself (a database it opens, a file it writes) nobody can rehearse.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

from host.config.confinement import EXECUTE, READ, SandboxRule
from host.confinement.errors import ConfinementError
from host.confinement.landlock import restrict_files
from host.confinement.privileges import forbid_new_privileges
from host.confinement.rules import is_allowed

MOST_FILES: Final = 20000
_MOST_TOLD: Final = 20
_MOST_BYTES: Final = 65536


def rehearse(rules: list[SandboxRule], wanted: Iterable[SandboxRule]) -> str:
    """What the pool needs (`wanted`) and `rules` refuse, as one text of a line each; empty when nothing is.

    Forks; the caller must be single-threaded. Raises ConfinementError when this kernel cannot tell.
    """
    needed = list(wanted)
    files = list(_names(needed))
    granted = [path for path in files if _can_read(path)]
    programs = [rule.path for rule in needed if EXECUTE in rule.access and not is_allowed(rule.path, EXECUTE, rules)]
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        _inside(theirs, rules, granted)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        report = pipe.read(_MOST_BYTES + 1).decode("utf-8", "replace")
    os.waitpid(pid, 0)
    if report.startswith("!"):
        raise ConfinementError(f"the sandbox cannot be rehearsed: {report[1:]}", 'set sandbox mode="Off"')
    refused = [*report.splitlines(), *(f"{path} (to execute what is in it)" for path in programs)]
    return _told(refused)


def _inside(pipe: int, rules: list[SandboxRule], granted: list[str]) -> None:
    """The fork: it enters the sandbox, tries, tells, and ends without any of its parent's clean-up."""
    try:
        forbid_new_privileges()
        restrict_files(rules)
        text = "\n".join(path for path in granted if not _can_read(path))
    except ConfinementError as error:
        text = f"!{error}"
    raw = text.encode("utf-8", "replace")[:_MOST_BYTES]
    while raw:
        raw = raw[os.write(pipe, raw) :]
    os._exit(0)


def _told(refused: list[str]) -> str:
    more = len(refused) - _MOST_TOLD
    return ", ".join(refused[:_MOST_TOLD]) + (f" and {more} more" if more > 0 else "")


def _names(wanted: Iterable[SandboxRule]) -> Iterator[str]:
    """Every path to be read, and what lies below folders, links included: a link leads out of its folder."""
    count = 0
    for rule in wanted:
        if READ not in rule.access:
            continue
        yield rule.path
        for folder, _, files in os.walk(rule.path):
            for name in files:
                count += 1
                if count > MOST_FILES:
                    return
                yield os.path.join(folder, name)


def _can_read(path: str) -> bool:
    """By opening it, which is what the kernel judges; a FIFO must not block."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    os.close(descriptor)
    return True
