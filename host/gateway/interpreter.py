"""Which program runs a script: the handler's `scriptProcessor`, or the script's own `#!` line. No shell, ever."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

_PYTHON_3: Final = re.compile(rb"(?:python|pypy)(?:3(?:\.\d+)?)?")

LONGEST_SHEBANG: Final = 256
"""Bytes of the first line that Linux reads (BINPRM_BUF_SIZE)."""


def processor_command(processor: str, script: bytes, words: Sequence[bytes]) -> list[bytes]:
    """The command line of `processor` for `script`.

    `processor` is a template such as `/usr/bin/perl "%s" %s` or a bare program. The first `%s` is the script's path
    (added at the end when there is none), the second the words of an indexed query (IIS's template); without a second
    `%s` the words are not passed. Raises ValueError for a template that is empty, has an open quote, or does not
    start with an absolute path.
    """
    template = shlex.split(processor)
    if not template or not template[0].startswith("/"):
        raise ValueError(f"scriptProcessor must start with the absolute path of a program: {processor!r}")
    command: list[bytes] = []
    seen = 0
    for part in template:
        if "%s" not in part:
            command.append(part.encode("utf-8", "surrogateescape"))
            continue
        seen += 1
        if seen == 1:
            command.append(part.encode("utf-8", "surrogateescape").replace(b"%s", script))
        elif seen == 2:
            command.extend(words)
    return command if seen else [*command, script]


def shebang_command(raw_start: bytes) -> list[bytes]:
    """The words of a `#!` line at the start of a file; empty when there is none.

    `env` and its options are taken away, so that the first word names the interpreter as it will be searched for.
    """
    if not raw_start.startswith(b"#!"):
        return []
    words = raw_start[2:LONGEST_SHEBANG].partition(b"\n")[0].split()
    if words and words[0].rpartition(b"/")[2] == b"env":
        words = words[1:]
        while words and (words[0].startswith(b"-") or b"=" in words[0]):
            words = words[1:]
    return words


def is_python_3(program: bytes) -> bool:
    """Whether a program of that name is a Python that may lack the cgi module (removed in 3.13)."""
    return _PYTHON_3.fullmatch(program.rpartition(b"/")[2]) is not None
