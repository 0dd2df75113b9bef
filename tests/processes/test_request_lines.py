"""The lines of `isapy run FOLDER`: one for each request, with what its script said under it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.logs.event_log import LoggedEvent
from host.processes.console import Console
from host.processes.request_lines import LogTail, RequestLines, has_colours

ANSWERED = {"cs-method": "GET", "cs-uri-stem": "/cgi-bin/a.py", "cs-uri-query": "x=1", "sc-status": "200"}


def lines_of(shown: list[str], *, colours: bool = False) -> RequestLines:
    return RequestLines(shown.append, has_colours=colours)


def test_a_request_has_one_line_and_its_script_speaks_under_it() -> None:
    """What was written to standard error comes first, and waits for the request's end."""
    shown: list[str] = []
    lines = lines_of(shown)
    lines.script_said("/site/cgi-bin/a.py (request 7): first (of two): words", 1.0)
    lines.script_said("/site/cgi-bin/b.py (request 8): another's", 1.0)
    lines.script_said("/site/cgi-bin/a.py (request 7): second", 1.2)
    assert shown == []
    lines.answered({**ANSWERED, "time-taken": "12"})
    assert shown == ["GET  /cgi-bin/a.py?x=1  200  12 ms", "    first (of two): words", "    second"]


def test_what_a_fastcgi_application_says_belongs_to_its_page_as_well() -> None:
    """Also what comes by the process's own standard error; a process without a request has its name before it."""
    shown: list[str] = []
    lines = lines_of(shown)
    lines.script_said("/site/a.php (request 7): PHP Warning:  (old): style", 1.0)
    lines.script_said("/site/a.php (request 7), process 12: aside", 1.0)
    lines.answered({**ANSWERED, "cs-uri-stem": "/a.php"})
    lines.script_said("/usr/bin/php-cgi, process 12: cannot start", 1.0)
    lines.overdue(3.0)
    assert shown[1:] == [
        "    PHP Warning:  (old): style",
        "    aside",
        "    php-cgi, process 12: cannot start",
    ]


def test_a_script_that_still_runs_is_heard_after_a_second() -> None:
    """With its name, since no request's line stands above."""
    shown: list[str] = []
    lines = lines_of(shown)
    lines.script_said("/site/cgi-bin/slow.py (request 7): working", 10.0)
    lines.overdue(10.9)
    assert shown == []
    lines.overdue(11.0)
    assert shown == ["    slow.py: working"]
    lines.answered({**ANSWERED, "cs-uri-stem": "/cgi-bin/slow.py", "cs-uri-query": "-"})
    assert shown[1:] == ["GET  /cgi-bin/slow.py  200  "]


@pytest.mark.parametrize(
    ("script", "stem", "belongs"),
    [
        ("/site/cgi-bin/a.py", "/cgi-bin/a.py", True),
        ("/site/cgi-bin/a.py", "/cgi-bin/a.py/more/of/it", True),
        ("/site/cgi-bin/a b.py", "/cgi-bin/a%20b.py", True),
        ("/site/index.py", "/", True),
        ("/site/shop/index.py", "/shop/", True),
        ("/site/shop/a.py", "/cgi-bin/a.py", False),
        ("/site/cgi-bin/a.py", "/cgi-bin/a.pyc", False),
        ("/site/cgi-bin/a.py", "/cgi-bin/b.py", False),
    ],
)
def test_a_scripts_words_stand_under_its_own_request(script: str, stem: str, belongs: bool) -> None:
    """By the URL, which may have more behind the script's name or be that of its folder."""
    shown: list[str] = []
    lines = lines_of(shown)
    lines.script_said(f"{script} (request 7): words", 1.0)
    lines.answered({**ANSWERED, "cs-uri-stem": stem})
    assert ("    words" in shown) is belongs


def test_nobody_commands_the_terminal() -> None:
    """Escape sequences of a client or a script are shown as what they are not."""
    shown: list[str] = []
    lines = lines_of(shown, colours=True)
    lines.script_said("/site/cgi-bin/a.py (request 7): \x1b[2Jgone", 1.0)
    lines.answered({**ANSWERED, "cs-uri-query": "\x1b]0;title\x07"})
    assert "\x1b[2J" not in "".join(shown)
    assert "\x1b]0" not in "".join(shown)
    assert "\ufffd[2Jgone" in shown[1]


def test_colours_are_for_terminals_and_can_be_refused() -> None:
    """NO_COLOR holds anything, or the terminal is a dumb one."""
    assert has_colours({}, is_terminal=True)
    assert has_colours({"NO_COLOR": ""}, is_terminal=True)
    assert not has_colours({"NO_COLOR": "1"}, is_terminal=True)
    assert not has_colours({"TERM": "dumb"}, is_terminal=True)
    assert not has_colours({}, is_terminal=False)


@pytest.mark.parametrize(("status", "colour"), [("200", 32), ("304", 36), ("404", 33), ("502", 31)])
def test_a_status_is_coloured_by_its_class(status: str, colour: int) -> None:
    """Green, cyan, yellow, red."""
    shown: list[str] = []
    lines_of(shown, colours=True).answered({**ANSWERED, "sc-status": status})
    assert f"  \x1b[{colour}m{status}\x1b[0m  " in shown[0]


def test_a_substatus_is_shown_where_there_is_one() -> None:
    """403.1 says what 403 does not: the file is not executable."""
    shown: list[str] = []
    lines_of(shown).answered({**ANSWERED, "sc-status": "403", "sc-substatus": "1"})
    lines_of(shown).answered({**ANSWERED, "sc-status": "200", "sc-substatus": "0"})
    assert [line.split("  ")[2] for line in shown] == ["403.1", "200"]


def test_only_a_console_that_shows_scripts_makes_them() -> None:
    """An event of standard error becomes words under a request there, and is left to the file elsewhere; a pipe has no
    colours."""
    ours, theirs = os.pipe()
    line = "2026-01-02T03:04:05Z information 6042 cgi-stderr /site/cgi-bin/a.py (request 7): words"
    with os.fdopen(ours) as output, os.fdopen(theirs, "w") as stream:
        silent = Console(stream, quiet=False)
        assert silent.requests is None
        silent.event(line)
        console = Console(stream, quiet=False, shows_scripts=True)
        assert console.requests is not None
        console.event(line)
        console.requests.answered({**ANSWERED, "time-taken": "3"})
        stream.close()
        assert output.read() == "GET  /cgi-bin/a.py?x=1  200  3 ms\n    words\n"


def test_a_traceback_is_readable_on_a_terminal() -> None:
    """Line by line there; a pipe and the file keep one line an event. Nothing in it commands the terminal."""
    event = LoggedEvent(0.0, "plugin-error", 6032, "error", "a.handle raised\n  File x\nOops: \x1b[2J", {"pid": "7"})
    ours, theirs = os.openpty()
    try:
        with os.fdopen(theirs, "w") as stream:
            Console(stream, quiet=False).event(event.line)
            shown = os.read(ours, 1000).decode().splitlines()
    finally:
        os.close(ours)
    assert shown == [
        "1970-01-01T00:00:00Z error 6032 plugin-error a.handle raised pid=7",
        "      File x",
        "    Oops: \ufffd[2J",
    ]
    reader, writer = os.pipe()
    with os.fdopen(reader) as output, os.fdopen(writer, "w") as stream:
        Console(stream, quiet=False).event(event.line)
        stream.close()
        assert output.read() == event.line + "\n"


def test_a_terminal_has_colours() -> None:
    """A real one, unless the environment that the tests run in refuses them."""
    ours, theirs = os.openpty()
    try:
        with os.fdopen(theirs, "w") as stream:
            console = Console(stream, quiet=False, shows_scripts=True)
            assert console.requests is not None
            console.requests.answered(ANSWERED)
            is_coloured = b"\x1b[32m200" in os.read(ours, 1000)
    finally:
        os.close(ours)
    assert is_coloured is has_colours(os.environ, is_terminal=True)


def test_a_log_is_read_from_where_it_was(tmp_path: Path) -> None:
    """Old lines are not shown again, a line counts when it is whole, and the columns are those of the last header."""
    log = tmp_path / "u_ex260102.log"
    log.write_text("#Fields: date cs-method sc-status\n2026-01-01 GET 200\n")
    tail = LogTail(log, from_start=False)
    assert list(tail.new_lines()) == []
    with log.open("a") as file:
        file.write("2026-01-02 POST 404\n2026-01-02 GE")
        file.flush()
        assert list(tail.new_lines()) == [{"date": "2026-01-02", "cs-method": "POST", "sc-status": "404"}]
        file.write("T 500\n#Fields: sc-status\n204\n")
        file.flush()
        found = [fields["sc-status"] for fields in tail.new_lines()]
    assert found == ["500", "204"]
    assert list(LogTail(tmp_path / "none.log", from_start=True).new_lines()) == []


@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_log_that_was_emptied_or_replaced_is_read_from_its_start(tmp_path: Path, is_replaced: bool) -> None:
    """Whoever clears a log, or moves it away, still sees the requests that come; the columns hold until others are
    named."""
    log = tmp_path / "u_ex260102.log"
    log.write_text("#Fields: cs-method sc-status\nGET 200\nGET 200\n")
    tail = LogTail(log, from_start=False)
    if is_replaced:
        log.rename(tmp_path / "old")
        assert list(tail.new_lines()) == []
        log.write_text("POST 201\n" * 10)  # longer than the one before
    else:
        log.write_text("POST 201\n")
    assert list(tail.new_lines()) == [{"cs-method": "POST", "sc-status": "201"}] * (10 if is_replaced else 1)
    with log.open("a") as file:
        file.write("GET 204\n")
    assert [fields["sc-status"] for fields in tail.new_lines()] == ["204"]
