r"""Scripts that were written on Windows, or for another machine, run as they are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop

from host.config.cgi_settings import Cgi
from tests.extensions.cgi_rig import SETTINGS, CgiRig
from tests.spawner.spawner_process import SpawnerProcess

PERL_BODY = 'print "Content-Type: text/plain\r\n\r\n";\r\nprint "$^X $^W [@ARGV] $0";\r\n'
PYTHON_BODY = (
    "import sys\r\nprint('Content-Type: text/plain\\n\\n')\r\n"
    "print(sys.executable, sys.argv[1:], sys.flags.dont_write_bytecode)\r\n"
)


@pytest.fixture(scope="module")
def spawner() -> Iterator[SpawnerProcess]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))
    process = SpawnerProcess()
    yield process
    process.close()


@pytest.fixture
def rig(tmp_path: Path, spawner: SpawnerProcess) -> CgiRig:
    return CgiRig(tmp_path, spawner)


@pytest.mark.parametrize(
    "first_line",
    [
        "#!/usr/bin/perl -w\r\n",
        "\ufeff#!/usr/bin/perl -w\r\n",
        "\ufeff#!/usr/bin/perl -w\n",
        "#!/usr/bin/env -S perl -w\r\n",
    ],
)
def test_windows_line_ends_and_byte_order_marks_are_no_obstacle(rig: CgiRig, first_line: str) -> None:
    """Linux would look for an interpreter whose name ends in CR, or see no first line at all."""
    script = rig.write("x.pl", first_line + PERL_BODY)
    assert rig.get(script, raw_query="two+words").body.decode() == f"/usr/bin/perl 1 [two words] {script}"


@pytest.mark.parametrize(
    "first_line",
    [
        "#!C:\\Perl\\bin\\perl.exe -w\r\n",
        "#!c:/perl/bin/perl -w\n",
        '#!"C:\\Program Files\\perl.exe" -w\n',
        "#!/opt/old/perl5 -w\n",
    ],
)
def test_an_interpreter_that_is_not_here_is_the_configured_one(rig: CgiRig, first_line: str) -> None:
    """cgi/languages, by the language that the line names; its switches are kept, words of the query are the
    script's."""
    settings = replace(SETTINGS, cgi=Cgi(language_interpreters={"perl": "/usr/bin/perl"}))
    script = rig.write("x.pl", first_line + PERL_BODY)
    answer = rig.get(script, settings=settings, raw_query="two+words")
    assert answer.body.decode() == f"/usr/bin/perl 1 [two words] {script}"
    assert rig.get(script, settings=settings, raw_query="-V+x").body.decode() == f"/usr/bin/perl 1 [] {script}"


@pytest.mark.parametrize("first_line", ["#!/usr/local/lib/python2 -B\n", "#!/usr/bin/env python2.4\n"])
@pytest.mark.parametrize("interpreters", ["cold", "warm"])
def test_an_old_python_is_the_configured_one(rig: CgiRig, first_line: str, interpreters: str) -> None:
    """Warm as well as cold: it is a command line like any other."""
    cgi = Cgi(language_interpreters={"python": sys.executable}, interpreters=interpreters)
    script = rig.write("x.py", first_line + PYTHON_BODY)
    answer = rig.get(script, settings=replace(SETTINGS, cgi=cgi), raw_query="a+b").body.decode()
    assert answer.split() == [sys.executable, "['a',", "'b']", "1" if "-B" in first_line else "0"]


def test_an_interpreter_that_is_here_is_not_replaced(rig: CgiRig) -> None:
    """The configuration stands in for what is missing, and for nothing else."""
    cgi = Cgi(language_interpreters={"perl": "/bin/false", "sh": "/bin/false"})
    script = rig.write("x.sh", "#!/bin/sh\nprintf 'Content-Type: a/b\\n\\nhere'\n")
    assert rig.get(script, settings=replace(SETTINGS, cgi=cgi)).body == b"here"
