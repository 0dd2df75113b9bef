"""Which program runs a script."""

from __future__ import annotations

import pytest

from host.gateway.interpreter import is_python_3, processor_command, shebang_command


@pytest.mark.parametrize(
    ("processor", "command"),
    [
        ("/usr/bin/perl", [b"/usr/bin/perl", b"/w/a b.pl"]),
        ("/usr/bin/perl -T", [b"/usr/bin/perl", b"-T", b"/w/a b.pl"]),
        ("/usr/bin/perl %s", [b"/usr/bin/perl", b"/w/a b.pl"]),
        ('/usr/bin/perl -w "%s" %s', [b"/usr/bin/perl", b"-w", b"/w/a b.pl", b"x", b"$(id)"]),
        ('"/opt/my perl/perl" --file=%s', [b"/opt/my perl/perl", b"--file=/w/a b.pl"]),
        ("/usr/bin/x; %s", [b"/usr/bin/x;", b"/w/a b.pl"]),
    ],
)
def test_template_gives_the_command_line(processor: str, command: list[bytes]) -> None:
    """First %s the script, second %s the words and only there; no part is ever split or expanded again."""
    assert processor_command(processor, b"/w/a b.pl", [b"x", b"$(id)"]) == command


@pytest.mark.parametrize("processor", ["", "   ", "perl %s", '"/usr/bin/perl', "%s"])
def test_bad_template_is_refused(processor: str) -> None:
    """Empty, relative, an open quote: the configuration is wrong."""
    with pytest.raises(ValueError):
        processor_command(processor, b"/w/a.pl", [])


@pytest.mark.parametrize(
    ("raw_start", "words"),
    [
        (b"#!/usr/bin/perl -w\nprint", [b"/usr/bin/perl", b"-w"]),
        (b"#! /usr/bin/env python3\r\n", [b"python3"]),
        (b"#!/usr/bin/env -S A=1 python3.13 -u\n", [b"python3.13", b"-u"]),
        (b"#!/bin/sh", [b"/bin/sh"]),
        (b"#!\n", []),
        (b"\x7fELF", []),
        (b"", []),
    ],
)
def test_shebang_names_the_interpreter(raw_start: bytes, words: list[bytes]) -> None:
    """`env` is looked through, so that its interpreter is found."""
    assert shebang_command(raw_start) == words


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (b"/usr/bin/python3", True),
        (b"python3.13", True),
        (b"/usr/bin/python", True),
        (b"pypy3", True),
        (b"python2.7", False),
        (b"perl", False),
        (b"ipython3", False),
    ],
)
def test_pythons_that_may_lack_cgi(program: bytes, expected: bool) -> None:
    """By name alone; Python 2 always has its cgi module."""
    assert is_python_3(program) is expected
