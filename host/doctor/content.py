"""The rules about a script's text: line ends, paths and modules of Windows, names with a meaning. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from host.doctor.script import Finding, Repair, Script, Severity

SHOWN_LINES: Final = 3
"""Lines with a path of Windows that are named; the rest is counted."""

_WINDOWS_PATH: Final = re.compile(
    rb"(?<![A-Za-z0-9_$@%&/\\-])[A-Za-z]:(?:\\\\?|/)[A-Za-z0-9_. ~-]|[\"']\\\\\\\\?[A-Za-z0-9]"
)
_PERL_WINDOWS: Final = re.compile(rb"^\s*(?:use|require)\s+(Win32(?:API)?(?:::\w+)*|OLE|Win32)\b", re.MULTILINE)
_PYTHON_WINDOWS: Final = re.compile(
    rb"^\s*(?:import|from)\s+(win32\w*|pythoncom|pywintypes|winreg|_winreg|msvcrt|winsound)\b", re.MULTILINE
)
_COMMENT: Final = {"python": b"#", "perl": b"#", "shell": b"#", "ruby": b"#", "tcl": b"#", "lua": b"--", "php": b"//"}
_REPAIRABLE: Final = frozenset({"python", "perl", "shell", "php", "ruby", "tcl", "lua"})


def content_findings(script: Script) -> Iterator[Finding]:
    """What its text says, whoever runs it."""
    if script.name.lower().startswith("nph-"):
        text = (
            "its name begins with nph-: it must print the HTTP status line itself, and the connection closes after it"
        )
        yield Finding(rule="nph", severity=Severity.NOTE, text=text)
    if script.is_binary:
        return
    yield from _line_ends(script)
    yield from _windows_paths(script)
    yield from _windows_modules(script)


def _line_ends(script: Script) -> Iterator[Finding]:
    _, _, behind = script.text.partition(b"\n") if script.raw_first_line else (b"", b"", script.text)
    if b"\r\n" not in behind or script.language not in _REPAIRABLE:
        return
    fails = script.language == "shell"
    yield Finding(
        rule="dos-line-ends",
        severity=Severity.ERROR if fails else Severity.WARNING,
        text="its lines end in CR LF" + (", and a shell takes the CR as part of each command" if fails else ""),
        remedy="give it Unix line ends: sed -i 's/\\r$//'",
        line=_line_of(script.text, script.text.find(b"\r\n")),
        repair=Repair.LINE_ENDS,
    )


def _windows_paths(script: Script) -> Iterator[Finding]:
    mark = _COMMENT.get(script.language, b"\n")
    found = [
        (number, line.strip())
        for number, line in enumerate(script.text.split(b"\n"), 1)
        if not line.lstrip().startswith(mark) and _WINDOWS_PATH.search(line)
    ]
    for number, line in found[:SHOWN_LINES]:
        more = len(found) - SHOWN_LINES
        last = number == found[min(len(found), SHOWN_LINES) - 1][0]
        yield Finding(
            rule="windows-path",
            severity=Severity.WARNING,
            text=f"a path of Windows: {line[:80].decode('utf-8', 'replace')}"
            + (f" (and {more} more lines)" if more > 0 and last else ""),
            remedy="give it the path that the file has here",
            line=number,
        )


def _windows_modules(script: Script) -> Iterator[Finding]:
    pattern = {"perl": _PERL_WINDOWS, "python": _PYTHON_WINDOWS}.get(script.language)
    for found in pattern.finditer(script.text) if pattern is not None else ():
        yield Finding(
            rule="windows-module",
            severity=Severity.ERROR,
            text=f"it uses {found[1].decode()}, which exists on Windows alone",
            remedy="take what it does there out of it",
            line=_line_of(script.text, found.start(1)),
        )


def _line_of(text: bytes, offset: int) -> int:
    return text.count(b"\n", 0, max(offset, 0)) + 1
