"""Which command lines a warm Python may run, and which are left alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from host.api import WarmStart
from host.gateway.warm_command import warm_processor, warm_shebang

SCRIPT = b"/srv/cgi-bin/x.py"
ARGV = [SCRIPT, b"word"]


def find(name: bytes) -> bytes:
    return b"/opt/bin/" + name if name != b"python3.99" else b""


def started(program: bytes, *command: bytes) -> WarmStart:
    return WarmStart(program=program, command=list(command), arguments=ARGV, lasting=[b"PATH"])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"#!/usr/bin/python3\n", started(b"/usr/bin/python3", b"/usr/bin/python3")),
        (b"#! /usr/bin/python3.12 -u \n", started(b"/usr/bin/python3.12", b"/usr/bin/python3.12", b"-u")),
        (b"#!/venv/bin/python -Es\nimport", started(b"/venv/bin/python", b"/venv/bin/python", b"-Es")),
        (b"#!/usr/bin/env python3\n", started(b"/opt/bin/python3", b"python3")),
    ],
)
def test_first_lines_that_name_a_python(line: bytes, expected: WarmStart) -> None:
    """The words are those that Linux gives the interpreter: one argument at most."""
    assert warm_shebang(ARGV, line, [b"PATH"], find) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"#!/usr/bin/perl -s\n",
        b"#!/usr/bin/perl -i.old\n",
        b"#!/usr/bin/perl -w -l\n",
        b"#!/usr/bin/perl6\n",
        b"#!/usr/bin/perldoc\n",
        b"#!/usr/bin/perl -w\r\n",
        b"#!/usr/bin/env perl -w\n",
        b"#!/usr/bin/python2\n",
        b"#!/usr/bin/python2.7\n",
        b"#!/usr/bin/pypy3\n",
        b"#!/usr/bin/python3 -u -E\n",  # Linux hands over "-u -E" as one word, of which Python complains
        b"#!/usr/bin/python3 -m\n",
        b"#!/usr/bin/python3 -x\n",
        b"#!/usr/bin/python3 -i\n",
        b"#!/usr/bin/python3 -W error\n",
        b"#!/usr/bin/python3\r\n",
        b"#!/usr/bin/python3",
        b"#!python3\n",
        b"#!/usr/bin/env -S python3 -u\n",
        b"#!/usr/bin/env python3 -u\n",
        b"#!/usr/bin/env python3.99\n",
        b"#!/usr/bin/env\n",
        b"#!\n",
        b"",
        b"\x7fELF\n",
    ],
)
def test_first_lines_that_are_left_alone(line: bytes) -> None:
    """Whatever is wrong with them, the kernel or the program says it best."""
    assert warm_shebang(ARGV, line, [b"PATH"], find) is None


def test_script_processors() -> None:
    """Options before the script are the interpreter's, words behind it the script's."""
    python = b"/usr/bin/python3"
    assert warm_processor([python, SCRIPT, b"word"], SCRIPT, b"", [b"PATH"]) == started(python, python)
    assert warm_processor([python, b"-u", b"-B", *ARGV], SCRIPT, b"", [b"PATH"]) == started(
        python, python, b"-u", b"-B"
    )


@pytest.mark.parametrize(
    "argv",
    [
        [b"/usr/bin/perl", b"-s", SCRIPT],
        [b"/usr/bin/perl", b"-e", b"1", SCRIPT],
        [b"/usr/bin/perl", b"-I/srv/lib", SCRIPT],
        [b"/usr/bin/python2.7", SCRIPT],
        [b"/usr/bin/python3", b"-m", b"x", SCRIPT],
        [b"/usr/bin/python3", b"/srv/wrapper.py", SCRIPT],
        [b"/usr/bin/python3", b"-c", SCRIPT],
        [b"/usr/bin/python3", b"-"],
        [SCRIPT],
    ],
)
def test_script_processors_that_are_left_alone(argv: list[bytes]) -> None:
    """A wrapper, a module, an option with an argument: not what a warm interpreter runs."""
    assert warm_processor(argv, SCRIPT, b"", []) is None


def started_perl(program: bytes, *command: bytes, modules: Sequence[bytes] = ()) -> WarmStart:
    return WarmStart(
        program=program,
        command=list(command),
        arguments=ARGV,
        lasting=[b"PATH"],
        language="perl",
        modules=tuple(modules),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"#!/usr/bin/perl\n", started_perl(b"/usr/bin/perl", b"/usr/bin/perl")),
        (b"#! /usr/bin/perl5.36.0 -wT \n", started_perl(b"/usr/bin/perl5.36.0", b"/usr/bin/perl5.36.0", b"-wT")),
        (b"#!/usr/bin/perl -w -T\n", started_perl(b"/usr/bin/perl", b"/usr/bin/perl", b"-w -T")),
        (b"#!/usr/bin/env perl\nuse CGI;\n", started_perl(b"/opt/bin/perl", b"perl", modules=[b"CGI"])),
    ],
)
def test_first_lines_that_name_a_perl(text: bytes, expected: WarmStart) -> None:
    """Switches that Perl may be told in one word, and modules that the text names."""
    assert warm_shebang(ARGV, text, [b"PATH"], find) == expected


def test_script_processors_that_are_perl() -> None:
    """The script's first line may ask for what the command line has, and for no other program."""
    perl = b"/usr/bin/perl"
    for text in (
        b"",
        b"use CGI;",
        b"print 1;\n",
        b"#!/usr/bin/perl\n",
        b"#!C:\\Perl\\bin\\perl.exe -w\r\n",
        b"#!perl -w\n",
    ):
        assert warm_processor([perl, b"-w", *ARGV], SCRIPT, text, [b"PATH"]) == started_perl(perl, perl, b"-w")
    for text in (
        b"#!/usr/bin/perl -T\n",
        b"#!/bin/sh\n",
        b": # use perl\n",
        b"#!perl -wl\n",
    ):
        assert warm_processor([perl, b"-w", *ARGV], SCRIPT, text, [b"PATH"]) is None


def test_perl_is_left_alone_where_its_start_runs_code_of_the_users() -> None:
    """PERL5OPT loads modules; an order of keys that is asked for depends on all that ran before."""
    perl = b"/usr/bin/perl"
    for name in (b"PERL5OPT", b"PERL5DB", b"PERL_HASH_SEED", b"PERL_PERTURB_KEYS"):
        assert warm_processor([perl, *ARGV], SCRIPT, b"", [b"PATH", name]) is None
    assert warm_processor([perl, *ARGV], SCRIPT, b"", [b"PATH", b"PERL5LIB"]) is not None


@pytest.mark.parametrize("path", [b'/srv/a"b.pl', b"/srv/a\nb.pl", b"script.pl", b"/" + b"x" * 401])
def test_perl_is_left_alone_where_the_path_cannot_be_told(path: bytes) -> None:
    """A line of Perl names the script."""
    assert warm_processor([b"/usr/bin/perl", path], path, b"", []) is None
