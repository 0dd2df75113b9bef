"""Which modules a warm Perl loads before: those that stand above everything that could make a difference."""

from __future__ import annotations

import pytest

from host.gateway.perl_preamble import LONGEST_PREAMBLE, perl_modules

UNDERSTOOD = {
    "plain": (b"use strict;\nuse warnings;\nuse CGI;\n", b"CGI strict warnings"),
    "with words": (
        b"use CGI qw(:standard -nosticky);\nuse POSIX 'strftime';\nuse Fcntl ':flock';\n",
        b"CGI Fcntl POSIX",
    ),
    "over lines": (b"use POSIX qw(\n  floor\n  ceil\n);\nuse Socket;\n", b"POSIX Socket"),
    "comments": (b"#!/usr/bin/perl -w\n# use URI;\n\n  use CGI;  # forms\n", b"CGI"),
    "versions": (b"use 5.010;\nuse v5.16;\nuse CGI 4.0;\nno warnings 'once';\n", b"CGI"),
    "documentation": (b"=pod\n\nuse URI;\n\n=cut\n\nuse CGI;\n", b"CGI"),
    "documentation without an end": (b"use CGI;\n=pod\n\nuse URI;\n", b"CGI"),
    "assignments": (
        b"$| = 1;\nmy $x = 'a;b';\nour @y = (1, 2);\npackage Own;\n$CGI::POST_MAX = 1024 * 5;\nuse CGI;\n",
        b"CGI",
    ),
    "distributions": (b"use CGI::Carp qw(fatalsToBrowser);\nuse DBI;\nuse CGI;\n", b"CGI"),
    "the last line is whole": (b"use CGI;\nuse POSI", b"CGI"),
}
STOPS = {
    "a block at compile time": b"BEGIN { $CGI::POST_MAX = 1 }\n",
    "a folder": b"use lib 'lib';\n",
    "a module of the user's": b"use Own;\n",
    "a file": b"require 'cgi-lib.pl';\n",
    "a block": b"if ($x) {\n",
    "a sub": b"sub f { 1 }\n",
    "a text over lines": b"print <<EOT;\nuse URI;\nEOT\n",
    "a text in an assignment": b"my $x = <<EOT;\nuse URI;\nEOT\n",
    "a quote that stays open": b"my $x = 'a\n;';\n",
    "another quote": b"my $x = q{\n;\n};\n",
    "a string with code": b'my $x = "@{[ BEGIN { 1 } ]}";\n',
    "two statements": b"use strict; use lib 'x';\n",
    "two in brackets": b"use strict qw(vars); BEGIN { 1 }\n",
    "code in an import": b"use constant A => do { require Own; 1 };\nuse lib;\n",
    "data": b"__END__\n",
    "a regular expression": b"$x =~ s/a/b/;\n",
}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_modules_of_a_beginning_that_is_understood(name: str) -> None:
    """By name, sorted, so that scripts with the same ones share a server."""
    text, expected = UNDERSTOOD[name]
    assert b" ".join(perl_modules(text)) == expected


@pytest.mark.parametrize("name", STOPS)
def test_what_may_make_a_difference_ends_the_beginning(name: str) -> None:
    """What stands below it is loaded by each fork."""
    assert perl_modules(b"use CGI;\n" + STOPS[name] + b"use POSIX;\n")[:1] == (b"CGI",)
    assert b"POSIX" not in perl_modules(b"use CGI;\n" + STOPS[name] + b"use POSIX;\n")


def test_other_modules_are_never_loaded_before() -> None:
    """Those that leave blocks, open something, or are nobody's: by each fork."""
    for name in (b"File::Temp", b"threads", b"Test::More", b"open", b"lib"):
        assert perl_modules(b"use " + name + b";\nuse CGI;\n") == ()
    assert LONGEST_PREAMBLE >= 4096
