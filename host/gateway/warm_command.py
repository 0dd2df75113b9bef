"""Which command lines are a Python script that a warm interpreter may run: those whose every word is understood here.

Everything else is started as ever, so that a doubt costs time and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from host.api import WarmStart
from host.gateway.interpreter import LONGEST_SHEBANG

_PYTHON: Final = re.compile(rb"python(?:3(?:\.\d+)?)?")
_OPTIONS: Final = re.compile(rb"-[uEIsSBOPb]+")
"""Options without an argument that change the interpreter and not what it runs or prints at its start."""


def warm_shebang(
    argv: Sequence[bytes], raw_start: bytes, lasting: Sequence[bytes], find: Callable[[bytes], bytes]
) -> WarmStart | None:
    """For a script that is executed itself: `raw_start` is its first line, read as Linux reads it (one argument at
    most, spaces in it included). `find` gives the path of a name in PATH, empty when there is none."""
    line, end, _ = raw_start[:LONGEST_SHEBANG].partition(b"\n")
    if not line.startswith(b"#!") or not end or line.endswith(b"\r"):
        return None
    program, _, argument = line[2:].strip(b" \t").partition(b" ")
    argument = argument.strip(b" \t")
    if b"\t" in program or not program.startswith(b"/"):
        return None
    name = program.rpartition(b"/")[2]
    if name == b"env":
        if _PYTHON.fullmatch(argument) is None or not (found := find(argument)):
            return None
        return WarmStart(program=found, command=[argument], arguments=list(argv), lasting=lasting)
    if _PYTHON.fullmatch(name) is None or (argument and _OPTIONS.fullmatch(argument) is None):
        return None
    command = [program, argument] if argument else [program]
    return WarmStart(program=program, command=command, arguments=list(argv), lasting=lasting)


def warm_processor(argv: Sequence[bytes], script: bytes, lasting: Sequence[bytes]) -> WarmStart | None:
    """For the command line of a scriptProcessor: the interpreter, options of its own, the script, words for it."""
    if _PYTHON.fullmatch(argv[0].rpartition(b"/")[2]) is None or script not in argv:
        return None
    place = list(argv).index(script)
    options = argv[1:place]
    if place == 0 or any(_OPTIONS.fullmatch(option) is None for option in options):
        return None
    return WarmStart(program=argv[0], command=list(argv[:place]), arguments=list(argv[place:]), lasting=lasting)
