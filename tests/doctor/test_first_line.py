"""The rules about a script's first bytes: a table of files, and what stands in their way."""

from __future__ import annotations

import pytest

from host.doctor.first_line import first_line_findings, interpreter_of
from host.doctor.script import Repair, Script, Severity

HERE = {
    "/usr/bin/perl": "/usr/bin/perl",
    "perl": "/usr/bin/perl",
    "/bin/sh": "/bin/sh",
    "sh": "/bin/sh",
    "python3": "/usr/bin/python3",
}


def installed(program: str) -> str:
    return HERE.get(program, "")


def found(content: bytes, name: str = "x.cgi") -> dict[str, str]:
    """Rule and remedy of each error."""
    script = Script(path=f"/srv/{name}", content=content)
    return {
        finding.rule: finding.remedy
        for finding in first_line_findings(script, installed)
        if finding.severity is Severity.ERROR
    }


@pytest.mark.parametrize(
    "content",
    [
        b"#!/usr/bin/perl\nprint;",
        b"#! /usr/bin/perl -w\n",
        b"#!/usr/bin/env perl\n",
        b"#!/usr/bin/env -S perl -w\n",
        b"#!/bin/sh",
        b"\x7fELF\x02\0\0",
    ],
)
def test_what_linux_can_start(content: bytes) -> None:
    """No error."""
    assert found(content) == {}


@pytest.mark.parametrize(
    ("content", "name", "rule", "remedy"),
    [
        (b"print 1", "x.pl", "no-first-line", "#!/usr/bin/perl"),
        (b"print(1)", "x.py", "no-first-line", "#!/usr/bin/python3"),
        (b"", "x.cgi", "no-first-line", "a #! line that names its interpreter"),
        (b"#!\nprint", "x.pl", "no-interpreter", ""),
        (b"#!/bin/sh -e\r\n", "x.sh", "dos-first-line", "sed -i"),
        (b"\xef\xbb\xbf#!/bin/sh\n", "x.sh", "byte-order-mark", "three bytes"),
        (b"\xff\xfe#\0!\0", "x.pl", "utf-16", "iconv"),
        (b"#!C:\\Perl\\bin\\perl.exe\n", "x.pl", "windows-interpreter", "write  #!/usr/bin/perl"),
        (b"#!c:/Python27/pythonw.exe -u\n", "x.py", "windows-interpreter", "write  #!/usr/bin/python3"),
        (b"#!perl\n", "x.pl", "relative-interpreter", "write  #!/usr/bin/perl"),
        (b"#!/usr/local/bin/perl5.8.8\n", "x.pl", "interpreter-missing", "write  #!/usr/bin/perl"),
        (b"#!/usr/local/bin/python2\n", "x.py", "interpreter-missing", "install Python 2.7"),
        (b"#!/opt/bin/tclsh\n", "x.cgi", "interpreter-missing", "install tclsh"),
        (b"#!/usr/bin/env python\n", "x.py", "interpreter-missing", "write  #!/usr/bin/python3"),
        (b"#!/usr/bin/env perl -w\n", "x.pl", "env-arguments", "env -S perl -w"),
        (b"#!/usr/bin/perl " + b"-I/lib " * 60 + b"\n", "x.pl", "first-line-too-long", ""),
        (b"MZ\x90\0", "shop.exe", "windows-program", ""),
        (b"@echo off\r\n", "x.bat", "windows-program", ""),
    ],
)
def test_what_linux_cannot_start(content: bytes, name: str, rule: str, remedy: str) -> None:
    """Each has the rule's name, and a remedy that names what this machine has."""
    errors = found(content, name)
    assert list(errors) == [rule]
    assert remedy in errors[rule]


@pytest.mark.parametrize(
    ("content", "rule", "repair"),
    [
        (b"#!/usr/bin/perl -w\r\nprint", "dos-first-line", Repair.LINE_ENDS),
        (b"#!/usr/bin/env python3\r\nprint", "dos-first-line", Repair.LINE_ENDS),
        (b"\xef\xbb\xbf#!/usr/bin/perl\nprint", "byte-order-mark", Repair.BYTE_ORDER_MARK),
    ],
)
def test_what_isapy_starts_and_others_do_not_is_warned_of(content: bytes, rule: str, repair: Repair) -> None:
    """The interpreter overlooks it, and isapy finds the interpreter."""
    (finding,) = first_line_findings(Script(path="/srv/x.pl", content=content), installed)
    assert (finding.rule, finding.severity, finding.repair) == (rule, Severity.WARNING, repair)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"#!C:\\Perl\\bin\\perl.exe -w\n", "windows-interpreter"),
        (b"#!/usr/local/bin/perl5\n", "interpreter-missing"),
        (b"#!perl\n", "relative-interpreter"),
        (b"#!/usr/local/bin/python2\n", "interpreter-missing"),
    ],
)
def test_what_isapy_maps_by_itself_runs(content: bytes, rule: str) -> None:
    """A warning, which says what is started, and what a configuration that somebody else wrote lacks."""
    languages = {"perl": "/usr/bin/perl", "python": "/usr/bin/python3"}
    script = Script(path="/srv/x.cgi", content=content)
    (finding,) = first_line_findings(script, installed, languages)
    chosen = interpreter_of(script, installed, languages).substitute
    assert (finding.rule, finding.severity) == (rule, Severity.WARNING)
    assert f"isapy run FOLDER starts {chosen} instead" in finding.text
    assert f'path="{chosen}" /></languages></cgi>' in finding.remedy


def test_a_script_without_a_first_line_runs_by_its_extension() -> None:
    """A warning; what else is wrong with it is looked for with that interpreter."""
    languages = {"perl": "/usr/bin/perl"}
    script = Script(path="/srv/x.pl", content=b"print 1;\n")
    (finding,) = first_line_findings(script, installed, languages)
    assert (finding.rule, finding.severity) == ("no-first-line", Severity.WARNING)
    assert "isapy run FOLDER starts /usr/bin/perl" in finding.text
    assert interpreter_of(script, installed, languages).substitute == "/usr/bin/perl"
    assert found(b"print 1;\n", "x.cgi").keys() == {"no-first-line"}


def test_a_second_python_2_is_better_than_python_3() -> None:
    """The nearest kin is the substitute."""
    script = Script(path="/srv/x.py", content=b"#!/usr/local/bin/python2\n")
    both = {"python2.7": "/opt/python2.7", "python3": "/usr/bin/python3"}
    assert interpreter_of(script, lambda name: both.get(name, "")).substitute == "/opt/python2.7"
    assert interpreter_of(script, installed).substitute == "/usr/bin/python3"


@pytest.mark.parametrize(
    ("content", "name", "language"),
    [
        (b"#!/usr/bin/python2.7 -u\r\n", "x.cgi", "python"),
        (b"#!/usr/bin/env perl\n", "x.py", "perl"),
        (b"#!C:\\Strawberry\\perl\\bin\\Perl.exe\n", "x.cgi", "perl"),
        (b"#!/bin/bash\n", "x.cgi", "shell"),
        (b"\xef\xbb\xbf#!/usr/bin/php-cgi\n", "x.cgi", "php"),
        (b"print", "x.py", "python"),
        (b"?", "x", ""),
    ],
)
def test_the_language_is_the_first_lines_or_the_extensions(content: bytes, name: str, language: str) -> None:
    """The first line decides where there is one."""
    assert Script(path=f"/srv/{name}", content=content).language == language
