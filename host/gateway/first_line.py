r"""The `#!` line of a script as it was meant: lines that Linux would read otherwise are obeyed here.

Linux takes the carriage return of a Windows line end for a part of the interpreter's name, sees no `#!` behind a byte
order mark, and has no `C:\Perl\bin\perl.exe`. Such a script is started by its interpreter, which the line names (CR,
byte order mark) or which `cgi/languages` has for its language. So is one without such a line, by its extension, which
is all that IIS's script maps looked at. Everything else is left to Linux.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

_QUOTED: Final = re.compile(rb'"([^"]+)"[ \t]*(.*)')
_OF_WINDOWS: Final = re.compile(
    rb"([A-Za-z]:[\\/].*?\.exe|[A-Za-z]:[\\/]\S*|\S*\\\S*|\S+\.exe)(?:[ \t]+(.*))?", re.IGNORECASE
)
_BY_EXTENSION: Final = {b"pl": "perl", b"py": "python", b"rb": "ruby", b"tcl": "tclsh", b"lua": "lua", b"sh": "sh"}
_HAS_A_START_OF_ITS_OWN: Final = (b"#!", BYTE_ORDER_MARK + b"#!", b"\x7fELF", b"MZ")
_VERSION: Final = re.compile(r"[-.0-9]+$")


class FirstLine(NamedTuple):
    """What the line says: `program` as it is written, its arguments, whether Linux understands it alike."""

    program: bytes
    arguments: tuple[bytes, ...]
    is_linuxs: bool


def read_first_line(raw_start: bytes) -> FirstLine | None:
    """The `#!` line at the start of a file; None when there is none or it names no program."""
    start = raw_start.removeprefix(BYTE_ORDER_MARK)
    if not start.startswith(b"#!"):
        return None
    line = start[2:].partition(b"\n")[0]
    is_linuxs = start is raw_start and not line.endswith(b"\r")
    line = line.strip(b" \t\r")
    of_windows = _QUOTED.fullmatch(line) or _OF_WINDOWS.fullmatch(line)
    if of_windows is not None:  # Windows splits what follows
        return FirstLine(of_windows[1], tuple((of_windows[2] or b"").split()), False)
    words = re.split(rb"[ \t]+", line, maxsplit=1)  # Linux hands the rest over as one
    return FirstLine(words[0], tuple(words[1:]), is_linuxs) if line else None


def names_of_language(program: bytes) -> list[str]:
    r"""The names under which `cgi/languages` may have it, the most exact first: `C:\Python27\python2.7.exe` is
    python2.7, python2, python."""
    stem = program.decode("latin-1").replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    names = [stem]
    if "." in stem:
        names.append(stem.partition(".")[0])
    names.append(_VERSION.sub("", stem))
    alias = {"wperl": "perl", "pythonw": "python", "php-cgi": "php"}.get(names[-1])
    return list(dict.fromkeys([*names, alias] if alias else names))


def own_command(
    line: FirstLine, interpreters: Mapping[str, str], is_there: Callable[[bytes], bool]
) -> list[bytes] | None:
    """The words that start the script's interpreter; None when Linux is to do it by itself.

    `interpreters`: language to program. `is_there` is asked for the program of a line that Linux understands, and for
    the one that `env` is to find, when there are interpreters to choose from.
    """
    program, arguments = line.program, line.arguments
    named, uses_env = _meant_program(line)
    is_searched_for = uses_env or program.startswith(b"/")  # Linux takes `#!perl` for a file of the current folder
    if interpreters and not (is_searched_for and is_there(named)):
        for name in names_of_language(named):
            if name in interpreters:
                chosen = interpreters[name].encode("utf-8", "surrogateescape")
                return [chosen] if uses_env else [chosen, *arguments]
    if line.is_linuxs or not program.startswith(b"/"):
        return None
    return [program, *arguments]


def command_by_extension(script: bytes, raw_start: bytes, interpreters: Mapping[str, str]) -> list[bytes] | None:
    """The words that start the interpreter of a text without a `#!` line: the one of `interpreters` for the extension
    of `script`. None for whatever begins as a program does, and where nobody is named."""
    if not raw_start or raw_start.startswith(_HAS_A_START_OF_ITS_OWN) or b"\0" in raw_start:
        return None
    chosen = interpreters.get(_BY_EXTENSION.get(script.rpartition(b".")[2].lower(), ""))
    return [chosen.encode("utf-8", "surrogateescape")] if chosen else None


def stand_in(raw_start: bytes, interpreters: Mapping[str, str], is_there: Callable[[bytes], bool]) -> tuple[str, str]:
    """What the `#!` line at the start of a file names, and which of `interpreters` is started instead; both empty when
    Linux finds what it names, or nobody is to stand in for it."""
    line = read_first_line(raw_start)
    if line is None or (command := own_command(line, interpreters, is_there)) is None:
        return "", ""
    chosen = command[0].decode("utf-8", "surrogateescape")
    if command[0] == line.program or chosen not in interpreters.values():
        return "", ""
    return _meant_program(line)[0].decode("utf-8", "surrogateescape"), chosen


def _meant_program(line: FirstLine) -> tuple[bytes, bool]:
    """The interpreter that the line names, and whether it is `env` that is to find it."""
    program, arguments = line.program, line.arguments
    uses_env = program.rpartition(b"/")[2] == b"env" and bool(arguments) and not arguments[0].startswith(b"-")
    return (arguments[0] if uses_env else program), uses_env
