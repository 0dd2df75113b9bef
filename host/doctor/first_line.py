"""The rules about what starts a script: its first bytes and its `#!` line. Pure: who is installed is asked."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from host.doctor.script import UTF8_MARK, Finding, Repair, Script, Severity
from host.gateway.first_line import command_by_extension, names_of_language, stand_in
from host.gateway.interpreter import LONGEST_SHEBANG

Installed = Callable[[str], str]
"""The path of a program by its path, or by its name as PATH finds it; empty when it is not there."""

_WINDOWS_PATH: Final = re.compile(r"[A-Za-z]:[\\/]|.*\\|.*\.exe$", re.IGNORECASE)
_UNMOVED_BY_MARKS: Final = ("perl", "python")
_PYTHON_2: Final = re.compile(r"python2(\.\d+)?")

_OTHER_HANDLERS: Final = {
    ".exe": "a Windows program; only its source, built for Linux, can run here",
    ".bat": "a script for cmd.exe: write it anew for /bin/sh",
    ".cmd": "a script for cmd.exe: write it anew for /bin/sh",
    ".vbs": "a script for the Windows Script Host: write it anew",
    ".dll": "a Windows library; isapy loads ISAPI extensions that are built for Linux (docs/isapi-native.md)",
}


class Interpreter(NamedTuple):
    """`named` is what the first line says; `program` its path here; `substitute` another of the same language, which
    is started in its place where `cgi/languages` has it (`is_mapped`)."""

    named: str
    program: str
    substitute: str
    is_mapped: bool = False


def interpreter_of(script: Script, installed: Installed, languages: Mapping[str, str] | None = None) -> Interpreter:
    """Which program the first line means, and what is here. All empty for a script without one.

    `languages`: what `cgi/languages` has where isapy writes the configuration.
    """
    if not script.words:
        own = command_by_extension(os.fsencode(script.path), script.text, languages or {})
        return Interpreter("", "", os.fsdecode(own[0]), is_mapped=True) if own else Interpreter("", "", "")
    named = script.words[0]
    uses_env = _uses_env(script)
    if not _WINDOWS_PATH.match(named) and (named.startswith("/") or uses_env):
        program = installed(named)
        if program:
            return Interpreter(named, program, "")
    _, chosen = stand_in(script.raw_first_line, languages or {}, lambda program: bool(installed(os.fsdecode(program))))
    if chosen:
        return Interpreter(named, "", chosen, is_mapped=True)
    candidates = _candidates(named)
    return Interpreter(named, "", next(filter(None, map(installed, candidates)), ""))


def first_line_findings(
    script: Script, installed: Installed, languages: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """Whether Linux will start the file, and what stands in the way."""
    extension = script.name[script.name.rfind(".") :].lower() if "." in script.name else ""
    content = script.content or b""
    if content.startswith(b"MZ") or extension in _OTHER_HANDLERS:
        text = _OTHER_HANDLERS.get(extension, _OTHER_HANDLERS[".exe"])
        yield Finding(rule="windows-program", severity=Severity.ERROR, text=f"it is {text.partition(':')[0]}")
        return
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        remedy = "iconv -f UTF-16 -t UTF-8 turns it into UTF-8; then look at its line ends"
        yield Finding(rule="utf-16", severity=Severity.ERROR, text="it is saved as UTF-16", remedy=remedy, line=1)
        return
    if content.startswith(b"\x7fELF"):
        yield Finding(rule="compiled", severity=Severity.NOTE, text="a compiled program: nothing but its permissions")
        return
    if content.startswith(UTF8_MARK):
        yield Finding(
            rule="byte-order-mark",
            severity=Severity.WARNING if script.language in _UNMOVED_BY_MARKS else Severity.ERROR,
            text="a byte order mark stands before its first line: isapy sees the #! all the same, Linux does not",
            remedy="remove the first three bytes",
            line=1,
            repair=Repair.BYTE_ORDER_MARK,
        )
    if not script.raw_first_line:
        if script.content is not None:
            yield _no_first_line(script, installed, interpreter_of(script, installed, languages))
        return
    yield from _line_findings(script, interpreter_of(script, installed, languages))


def _line_findings(script: Script, interpreter: Interpreter) -> Iterator[Finding]:
    raw_line, named = script.raw_first_line, interpreter.named
    if not named:
        yield Finding(rule="no-interpreter", severity=Severity.ERROR, text="its #! line names no program", line=1)
        return
    if raw_line.endswith(b"\r"):
        yield _dos_first_line(script)
    if len(raw_line) >= LONGEST_SHEBANG:
        text = f"its #! line has {len(raw_line)} bytes: Linux reads {LONGEST_SHEBANG - 1}"
        yield Finding(rule="first-line-too-long", severity=Severity.ERROR, text=text, line=1)
    if _uses_env(script) and len(script.words) > 1 and b" -S" not in raw_line and b"--split-string" not in raw_line:
        text = f"env looks for a program named {' '.join(script.words)!r}: Linux hands it the rest of the line as one"
        remedy = f"write  #!/usr/bin/env -S {' '.join(script.words)}"
        yield Finding(rule="env-arguments", severity=Severity.ERROR, text=text, remedy=remedy, line=1)
    if interpreter.program:
        return
    rule = "interpreter-missing"
    text = f"{named} is not here"
    if _WINDOWS_PATH.match(named):
        rule, text = "windows-interpreter", f"its #! line names a program of Windows, {named}"
    elif not named.startswith("/") and not _uses_env(script):
        rule, text = (
            "relative-interpreter",
            f"its #! line names {named} without a path, which Linux does not search for",
        )
    severity = Severity.ERROR
    if interpreter.is_mapped:
        severity, text = Severity.WARNING, f"{text}: isapy run FOLDER starts {interpreter.substitute} instead"
    yield Finding(rule=rule, severity=severity, text=text, remedy=_instead(interpreter), line=1)


def _dos_first_line(script: Script) -> Finding:
    """isapy leaves the CR away; a shell would still take that of each line for a part of it."""
    return Finding(
        rule="dos-first-line",
        severity=Severity.ERROR if script.language in ("shell", "") else Severity.WARNING,
        text="its first line ends in CR LF: isapy starts it all the same, Linux takes the CR for a part of a name",
        remedy="give it Unix line ends: sed -i 's/\\r$//'",
        line=1,
        repair=Repair.LINE_ENDS,
    )


def _no_first_line(script: Script, installed: Installed, interpreter: Interpreter) -> Finding:
    if interpreter.is_mapped:
        text = f"it has no #! line: isapy run FOLDER starts {interpreter.substitute}, by its extension"
        remedy = f"begin it with  #!{interpreter.substitute}; or have <cgi><languages> in a configuration of your own"
        return Finding(rule="no-first-line", severity=Severity.WARNING, text=text, remedy=remedy)
    language = {"shell": "sh", "python": "python3"}.get(script.language, script.language)
    program = installed(language) if language else ""
    remedy = f"begin it with  #!{program}" if program else "begin it with a #! line that names its interpreter"
    return Finding(
        rule="no-first-line",
        severity=Severity.ERROR,
        text="it has no #! line, so Linux does not know what runs it",
        remedy=f"{remedy}; or map its extension: <handlers><add scriptProcessor=...>",
    )


def _instead(interpreter: Interpreter) -> str:
    if not interpreter.substitute:
        return f"install {_candidates(interpreter.named)[0]}, or correct the line"
    is_python_2 = _PYTHON_2.search(interpreter.named) and "2" not in interpreter.substitute.rpartition("/")[2]
    if is_python_2 and not interpreter.is_mapped:
        return f"install Python 2.7, or port it and write  #!{interpreter.substitute}"
    language = names_of_language(interpreter.named.encode("utf-8", "surrogateescape"))[-1]
    everywhere = f'<cgi><languages><add name="{language}" path="{interpreter.substitute}" /></languages></cgi>'
    if interpreter.is_mapped:
        return f"a configuration of your own needs {everywhere}; or write  #!{interpreter.substitute}"
    return f"write  #!{interpreter.substitute}; or, for all such scripts, {everywhere}"


def _uses_env(script: Script) -> bool:
    words = script.raw_first_line[2:].split()
    return bool(words) and words[0].rpartition(b"/")[2] == b"env"


def _candidates(named: str) -> list[str]:
    """Names to search for when that program is not here, the nearest kin first."""
    stem = named.replace("\\", "/").rpartition("/")[2].lower().removesuffix(".exe")
    if _PYTHON_2.fullmatch(stem):
        return [stem, "python2.7", "python2", "python3"]
    if stem.startswith("python"):
        return ["python3", "python"]
    if stem.startswith("perl") or stem == "wperl":
        return ["perl"]
    if stem.startswith("php"):
        return ["php-cgi", "php"]
    return [stem, "sh"] if stem in ("ksh", "ash", "zsh", "bash") else [stem]
