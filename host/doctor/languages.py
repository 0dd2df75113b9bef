"""Which programs of this machine run scripts whose `#!` line names one that is not here: what `isapy run FOLDER` and
`isapy init` write into `cgi/languages`, and what the doctor expects to stand there."""

from __future__ import annotations

from functools import cache
from typing import Final

from host.doctor import machine

_PROGRAMS: Final[dict[str, tuple[str, ...]]] = {
    "perl": ("perl",),
    "python": ("python3", "python"),
    "python2": ("python2.7", "python2"),
    "php": ("php-cgi",),
    "ruby": ("ruby",),
    "tclsh": ("tclsh",),
    "lua": ("lua", "lua5.4", "lua5.3", "lua5.1"),
    "sh": ("sh",),
    "bash": ("bash",),
    "ksh": ("ksh", "ksh93", "mksh"),
    "csh": ("csh", "tcsh"),
    "tcsh": ("tcsh",),
    "zsh": ("zsh",),
    "awk": ("awk",),
    "gawk": ("gawk",),
    "node": ("node", "nodejs"),
    "rscript": ("Rscript",),
}
"""By the name in `cgi/languages`: what the program is called, the best first. Each is of that language itself: a script
for ksh is not given to sh."""


@cache
def languages_here() -> dict[str, str]:
    """Language to program, of those that are installed."""
    found = {}
    for language, names in _PROGRAMS.items():
        # a folder of shims has a python2 for nothing
        find = machine.answers if language.startswith("python") else machine.installed
        program = next(filter(None, map(find, names)), "")
        if program:
            found[language] = program
    return found
