"""Which command lines a warm Python may run, and which are left alone."""

from __future__ import annotations

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
        b"#!/usr/bin/perl\n",
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
    assert warm_processor([python, SCRIPT, b"word"], SCRIPT, [b"PATH"]) == started(python, python)
    assert warm_processor([python, b"-u", b"-B", *ARGV], SCRIPT, [b"PATH"]) == started(python, python, b"-u", b"-B")


@pytest.mark.parametrize(
    "argv",
    [
        [b"/usr/bin/perl", SCRIPT],
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
    assert warm_processor(argv, SCRIPT, []) is None
