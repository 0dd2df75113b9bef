r"""`#!` lines from Windows, and lines that name what is not here."""

from __future__ import annotations

import pytest

from host.gateway.first_line import (
    FirstLine,
    command_by_extension,
    names_of_language,
    own_command,
    read_first_line,
    stand_in,
)


@pytest.mark.parametrize(
    ("raw_start", "expected"),
    [
        (b"#!/usr/bin/perl -w\nx", FirstLine(b"/usr/bin/perl", (b"-w",), True)),
        (b"#! /usr/bin/perl\t-w -T\nx", FirstLine(b"/usr/bin/perl", (b"-w -T",), True)),
        (b"#!/bin/sh", FirstLine(b"/bin/sh", (), True)),
        (b"#!/usr/bin/perl\r\nx", FirstLine(b"/usr/bin/perl", (), False)),
        (b"#!/usr/bin/perl -w\r\nx", FirstLine(b"/usr/bin/perl", (b"-w",), False)),
        (b"#!/usr/bin/env python3\r\nx", FirstLine(b"/usr/bin/env", (b"python3",), False)),
        (b"\xef\xbb\xbf#!/usr/bin/perl\nx", FirstLine(b"/usr/bin/perl", (), False)),
        (rb"#!C:\Perl\bin\perl.exe" + b"\r\n", FirstLine(rb"C:\Perl\bin\perl.exe", (), False)),
        (b"#!c:/perl/bin/perl -w -T\n", FirstLine(b"c:/perl/bin/perl", (b"-w", b"-T"), False)),
        (rb"#!C:\Program Files\Perl\perl.exe -w", FirstLine(rb"C:\Program Files\Perl\perl.exe", (b"-w",), False)),
        (rb'#!"C:\My Perl\perl" -w', FirstLine(rb"C:\My Perl\perl", (b"-w",), False)),
        (b"#!perl.exe\n", FirstLine(b"perl.exe", (), False)),
        (b"#!perl\n", FirstLine(b"perl", (), True)),
        (b"#!\n", None),
        (b"#!\r\n", None),
        (b"print", None),
        (b"", None),
    ],
)
def test_what_the_line_says(raw_start: bytes, expected: FirstLine | None) -> None:
    """Linux's reading, with one argument at most; where the line is Windows's, its reading."""
    assert read_first_line(raw_start) == expected


@pytest.mark.parametrize(
    ("program", "names"),
    [
        (rb"C:\Perl\bin\perl.exe", ["perl"]),
        (b"/usr/bin/perl5.005_03", ["perl5.005_03", "perl5", "perl5.005_"]),
        (b"/usr/local/bin/python2", ["python2", "python"]),
        (b"C:/Python27/PYTHON2.7.EXE", ["python2.7", "python2", "python"]),
        (b"pythonw.exe", ["pythonw", "python"]),
        (b"/opt/php-cgi", ["php-cgi", "php"]),
        (b"/bin/sh", ["sh"]),
    ],
)
def test_names_of_a_language(program: bytes, names: list[str]) -> None:
    """From the very version to the language."""
    assert names_of_language(program) == names


PERL = {"perl": "/usr/bin/perl", "python2": "/opt/py2", "python": "/opt/py3"}


@pytest.mark.parametrize(
    ("raw_start", "interpreters", "there", "expected"),
    [
        (b"#!/usr/bin/perl -w\n", {}, [], None),
        (b"#!/usr/bin/perl -w\n", PERL, [b"/usr/bin/perl"], None),
        (b"#!/usr/bin/perl -w\r\n", {}, [], [b"/usr/bin/perl", b"-w"]),
        (b"#!/opt/perl -w\r\n", PERL, [b"/opt/perl"], [b"/opt/perl", b"-w"]),
        (b"#!/opt/perl -w\n", PERL, [], [b"/usr/bin/perl", b"-w"]),
        (rb"#!C:\Perl\bin\perl.exe -w", PERL, [], [b"/usr/bin/perl", b"-w"]),
        (rb"#!C:\Perl\bin\perl.exe -w", {}, [], None),
        (b"#!/usr/local/bin/python2\n", PERL, [], [b"/opt/py2"]),
        (b"#!/usr/local/bin/python2.7\n", PERL, [], [b"/opt/py2"]),
        (b"#!/usr/bin/env python2\n", PERL, [], [b"/opt/py2"]),
        (b"#!/usr/bin/env python2\n", PERL, [b"python2"], None),
        (b"#!/usr/bin/env -S python2 -u\n", PERL, [b"/usr/bin/env"], None),
        (b"#!/usr/bin/ruby\n", PERL, [], None),
        (b"#!perl -w\n", PERL, [b"perl"], [b"/usr/bin/perl", b"-w"]),  # PATH has it, and Linux does not look there
        (b"#!perl -w\n", {}, [b"perl"], None),
    ],
)
def test_who_starts_the_script(
    raw_start: bytes, interpreters: dict[str, str], there: list[bytes], expected: list[bytes] | None
) -> None:
    """Linux, wherever it can; the interpreter of the line; the configured one of its language."""
    line = read_first_line(raw_start)
    assert line is not None
    assert own_command(line, interpreters, there.__contains__) == expected


def test_nobody_is_looked_for_without_interpreters_to_choose_from() -> None:
    """What nobody configured costs no look at the disk."""
    line = read_first_line(b"#!/usr/bin/perl\n")
    assert line is not None

    def never(_: bytes) -> bool:
        raise AssertionError("asked")

    assert own_command(line, {}, never) is None


@pytest.mark.parametrize(
    ("raw_start", "named", "chosen"),
    [
        (rb"#!C:\Perl\bin\perl.exe -w", r"C:\Perl\bin\perl.exe", "/usr/bin/perl"),
        (b"#!/usr/bin/env python2\n", "python2", "/opt/py2"),
        (b"#!/opt/there/perl -w\r\n", "", ""),  # isapy starts it, but no other one
        (b"#!/usr/bin/ruby\n", "", ""),
        (b"print 1", "", ""),
    ],
)
def test_who_stands_in_for_whom(raw_start: bytes, named: str, chosen: str) -> None:
    """What the line says, and what is started instead; nothing where nobody has to."""
    assert stand_in(raw_start, PERL, [b"/opt/there/perl"].__contains__) == (named, chosen)


@pytest.mark.parametrize(
    ("script", "start", "expected"),
    [
        (b"/w/a.pl", b"use CGI;\nprint header;", [b"/usr/bin/perl"]),
        (b"/w/a.b.PL", b"\xef\xbb\xbfprint 1", [b"/usr/bin/perl"]),
        (b"/w/a.py", b"print(1)", [b"/opt/py3"]),
        (b"/w/a.rb", b"puts 1", None),  # nobody is named
        (b"/w/a.cgi", b"print 1", None),  # it says nothing
        (b"/w.pl/a", b"print 1", None),
        (b"/w/a.pl", b"#!/usr/bin/perl\n", None),
        (b"/w/a.pl", b"\xef\xbb\xbf#!/usr/bin/perl\n", None),
        (b"/w/a.pl", b"\x7fELF\x02", None),
        (b"/w/a.pl", b"MZ\x90", None),
        (b"/w/a.pl", b"data\0", None),
        (b"/w/a.pl", b"", None),  # or nobody may read it
    ],
)
def test_who_starts_a_text_without_a_first_line(script: bytes, start: bytes, expected: list[bytes] | None) -> None:
    """The interpreter of its extension, if one is named; programs start by themselves."""
    assert command_by_extension(script, start, PERL) == expected
