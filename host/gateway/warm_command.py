"""Which command lines are a script that a warm interpreter may run: those whose every word is understood here.

Everything else is started as ever, so that a doubt costs time and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from host.api import WarmStart
from host.gateway.interpreter import LONGEST_SHEBANG
from host.gateway.perl_preamble import perl_modules

_PYTHON: Final = re.compile(rb"python(?:3(?:\.\d+)?)?")
_OPTIONS: Final = re.compile(rb"-[uEIsSBOPb]+")
"""Options without an argument that change the interpreter and not what it runs or prints at its start."""

_PERL: Final = re.compile(rb"perl(?:5(?:\.\d+)*)?")
_PERL_OPTIONS: Final = re.compile(rb"-[wtTWX]+(?: +-[wtTWX]+)*")
_PERL_PATH: Final = re.compile(rb"/[^\"\r\n]{1,400}")
"""What can be told in a `# line` comment, and fits into the room that `spawner/warm_perl.pl` has for it."""

_PERL_STARTS_OTHERWISE: Final = frozenset((b"PERL5OPT", b"PERL5DB", b"PERL_HASH_SEED", b"PERL_PERTURB_KEYS"))
"""Variables that load a user's code at the start, or ask for an order of keys that depends on all that ran before."""

_PERL_LINE: Final = re.compile(rb"#![^\n]*\bperl[\d.]*(?:\.exe)?(?:[ \t]+(-[^\n]*?))?[ \t\r]*")


def warm_shebang(
    argv: Sequence[bytes], raw_start: bytes, lasting: Sequence[bytes], find: Callable[[bytes], bytes]
) -> WarmStart | None:
    """For a script that is executed itself: `raw_start` is its beginning, of which Linux reads the first line (one
    argument at most, spaces in it included). `find` gives the path of a name in PATH, empty when there is none."""
    line, end, _ = raw_start[:LONGEST_SHEBANG].partition(b"\n")
    if not line.startswith(b"#!") or not end or line.endswith(b"\r"):
        return None
    program, _, argument = line[2:].strip(b" \t").partition(b" ")
    argument = argument.strip(b" \t")
    if b"\t" in program or not program.startswith(b"/"):
        return None
    command = [program, argument] if argument else [program]
    if program.rpartition(b"/")[2] == b"env":
        program, command = find(argument), [argument]
    return _start(program, command, argv, raw_start, lasting)


def warm_processor(
    argv: Sequence[bytes], script: bytes, raw_start: bytes, lasting: Sequence[bytes]
) -> WarmStart | None:
    """For the command line of a scriptProcessor: the interpreter, options of its own, the script, words for it."""
    if script not in argv or (place := list(argv).index(script)) == 0:
        return None
    return _start(argv[0], list(argv[:place]), list(argv[place:]), raw_start, lasting)


def _start(
    program: bytes, command: list[bytes], arguments: Sequence[bytes], raw_start: bytes, lasting: Sequence[bytes]
) -> WarmStart | None:
    name, options = command[0].rpartition(b"/")[2], command[1:]
    if not program:
        return None
    if _PYTHON.fullmatch(name) is not None and all(_OPTIONS.fullmatch(option) for option in options):
        return WarmStart(program=program, command=command, arguments=list(arguments), lasting=lasting)
    if _PERL.fullmatch(name) is None or any(_PERL_OPTIONS.fullmatch(option) is None for option in options):
        return None
    if (
        not _PERL_STARTS_OTHERWISE.isdisjoint(lasting)
        or not _PERL_PATH.fullmatch(arguments[0])
        or not _obeys_first_line(options, raw_start)
    ):
        return None
    return WarmStart(
        program=program,
        command=command,
        arguments=list(arguments),
        lasting=lasting,
        language="perl",
        modules=perl_modules(raw_start),
    )


def _obeys_first_line(options: Sequence[bytes], raw_start: bytes) -> bool:
    """Perl reads the first line once more, whoever started it, and becomes another program if it names one."""
    line = raw_start.partition(b"\n")[0]
    if not line.startswith(b"#!"):
        return not line.startswith(b":")
    found = _PERL_LINE.fullmatch(line)
    return found is not None and set(found[1] or b"") <= set(b" ".join((b" -", *options)))
