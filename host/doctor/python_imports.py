"""The rules about Python scripts, from what `python_probe.py` has found with the script's own interpreter. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from host.doctor.script import Finding, Script, Severity

GIVEN_BY_ISAPY: Final = frozenset({"cgi", "cgitb"})
"""Modules that Python 3.13 dropped and isapy puts on the path of CGI scripts, where legacy-cgi is installed."""

_SIGNS_OF_PYTHON_2: Final = re.compile(
    rb"^\s*print\s+[\"'\w%]|^\s*print\s*$|^\s*print\s*>>|^\s*except\s+[\w.()]+\s*,\s*\w+\s*:|<>|^\s*exec\s+[\"']"
    rb"|^\s*raise\s+\w+\s*,|\b0[0-7]+\b(?![.\d])|\bur\"",
    re.MULTILINE,
)
_RENAMED: Final = {
    "urllib2": "urllib.request",
    "urlparse": "urllib.parse",
    "cookielib": "http.cookiejar",
    "Cookie": "http.cookies",
    "ConfigParser": "configparser",
    "StringIO": "io",
    "cStringIO": "io",
    "cPickle": "pickle",
    "Queue": "queue",
    "httplib": "http.client",
    "HTMLParser": "html.parser",
    "commands": "subprocess",
    "md5": "hashlib",
    "sha": "hashlib",
    "sets": "the built-in set",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonExamination:
    """What an interpreter says: `error` is (line, text); `missing` has (module, line, is it imported always)."""

    error: tuple[int, str] | None = None
    missing: Sequence[tuple[str, int, bool]] = ()


def python_findings(
    script: Script, found: PythonExamination, *, program: str, python_2: str, has_legacy_cgi: bool
) -> Iterator[Finding]:
    """`program` is the interpreter; `python_2` the path of a Python 2 of this machine, empty without one."""
    named = program.rpartition("/")[2]
    if found.error is not None:
        line, text = found.error
        if _SIGNS_OF_PYTHON_2.search(script.text) and python_2 != program:
            remedy = f"write  #!{python_2}" if python_2 else "install Python 2.7, or port it (2to3, futurize)"
            yield Finding(
                rule="python-2",
                severity=Severity.ERROR,
                text=f"it is written for Python 2, and {named} runs it: {text}",
                remedy=remedy,
                line=line,
            )
            return
        yield Finding(rule="python-syntax", severity=Severity.ERROR, text=f"{named}: {text}", line=line)
        return
    changes_path = b"sys.path" in script.text
    for module, line, is_certain in found.missing:
        if module in GIVEN_BY_ISAPY:
            yield _given(module, line, named, has_legacy_cgi)
            continue
        yield Finding(
            rule="python-module-missing",
            severity=Severity.ERROR if is_certain and not changes_path else Severity.WARNING,
            text=f"{named} has no module {module}"
            + (", unless it is in a folder that the script adds to sys.path" if changes_path else "")
            + ("" if is_certain or changes_path else ", which it asks for in some cases"),
            remedy=f"Python 3 calls it {_RENAMED[module]}"
            if module in _RENAMED
            else f"install it for {program}: {program} -m pip install {module}",
            line=line,
        )


def _given(module: str, line: int, named: str, has_legacy_cgi: bool) -> Finding:
    if has_legacy_cgi:
        text = f"{named} has no module {module}: isapy gives it one (legacy-cgi); other servers will not"
        return Finding(rule="legacy-cgi", severity=Severity.NOTE, text=text, line=line)
    return Finding(
        rule="legacy-cgi",
        severity=Severity.ERROR,
        text=f"{named} has no module {module}",
        remedy="pip install legacy-cgi beside isapy",
        line=line,
    )
