"""Which command lines and variables a worker may ask for."""

from __future__ import annotations

import pytest

from host.script_users.command import checked_command, clean_environment, wants_module_cgi

SCRIPT = b"/srv/x.pl"
PERL = b"#!/usr/bin/perl\n"


def command(*argv: bytes, start: bytes = PERL, is_there: bool = True) -> list[bytes] | None:
    return checked_command(
        argv,
        SCRIPT,
        start,
        processors=['/usr/bin/perl -T "%s" %s', "/usr/bin/php-cgi", "not absolute"],
        languages={"perl": "/opt/perl"},
        is_there=lambda program: is_there,
    )


def test_a_script_is_its_own_command_or_that_of_the_server_file() -> None:
    """With the words of an indexed query behind it."""
    assert command(SCRIPT) == [SCRIPT]
    assert command(SCRIPT, b"one", b"two") == [SCRIPT, b"one", b"two"]
    assert command(b"/usr/bin/perl", b"-T", SCRIPT, b"one") == [b"/usr/bin/perl", b"-T", SCRIPT, b"one"]
    assert command(b"/usr/bin/php-cgi", SCRIPT) == [b"/usr/bin/php-cgi", SCRIPT]


def test_a_first_line_that_linux_would_misread_is_obeyed_here() -> None:
    """Whether the worker could read the file and has said so, or not."""
    windows = b"#!/usr/bin/perl -w\r\n"
    expected = [b"/usr/bin/perl", b"-w", SCRIPT]
    assert command(SCRIPT, start=windows) == command(*expected, start=windows) == expected
    assert command(SCRIPT, start=b"#!C:\\Perl\\bin\\perl.exe\r\n", is_there=False) == [b"/opt/perl", SCRIPT]
    assert command(SCRIPT, start=b"print 1;\n") == command(b"/opt/perl", SCRIPT, start=b"p") == [b"/opt/perl", SCRIPT]
    assert command(SCRIPT, start=b"\x7fELF") == [SCRIPT]


@pytest.mark.parametrize(
    "argv",
    [
        (b"/bin/sh", SCRIPT),
        (b"/bin/sh", b"-c", b"id", SCRIPT),
        (b"/usr/bin/perl", b"-T", b"-e", b"evil", SCRIPT),
        (b"/usr/bin/perl", SCRIPT),
        (b"/usr/bin/php-cgi", SCRIPT, b"word"),
        (SCRIPT, b"-s"),
        (b"/usr/bin/perl", b"-T", SCRIPT, b"-e"),
        (b"/srv/other.pl",),
        (),
    ],
)
def test_anything_else_is_no_command_of_the_script(argv: tuple[bytes, ...]) -> None:
    """Another interpreter, other options, other words, switches behind the script, another script."""
    assert command(*argv) is None


def test_only_the_variables_of_cgi_are_kept() -> None:
    """Not what makes a loader, a shell or an interpreter run other code, and not the proxy of httpoxy."""
    good = [b"HTTP_HOST=x", b"HTTP_COOKIE=a=b=c", b"QUERY_STRING=", b"REDIRECT_STATUS=200", b"HTTPS=on", b"SSL_X=1"]
    evil = [b"LD_PRELOAD=/x", b"PERL5LIB=/x", b"PYTHONPATH=/x", b"BASH_ENV=/x", b"PATH=/x", b"IFS=/", b"HTTP_PROXY=x"]
    evil += [b"BASH_FUNC_id%%=() { evil; }", b"HTTP_A%%=() { :; }", b"HTTP_=", b"=x", b"novalue", b"HTTP_A\nB=c"]
    cleaned = clean_environment({**as_variables(good), **as_variables(evil)})
    assert cleaned == as_variables(good)


def as_variables(entries: list[bytes]) -> dict[bytes, bytes]:
    pairs = (entry.partition(b"=") for entry in entries)
    return {name: value for name, _, value in pairs}


def test_a_python_without_the_module_cgi_is_told_from_a_pools_own_path() -> None:
    """The worker adds its folder to PYTHONPATH; which one it is does not matter, ours takes its place."""
    assert not wants_module_cgi({b"HTTP_HOST": b"x"}, {})
    assert not wants_module_cgi({b"PYTHONPATH": b"/own"}, {b"PYTHONPATH": b"/own"})
    assert wants_module_cgi({b"PYTHONPATH": b"/tmp/legacy"}, {})
    assert wants_module_cgi({b"PYTHONPATH": b"/own:/tmp/legacy"}, {b"PYTHONPATH": b"/own"})
