"""What is said when a CGI program fails."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path

import pytest

from host.api import ProgramExit
from host.gateway import cgi_failures
from host.gateway.error_output import ErrorOutput


def launch(number: int, *, interpreter: str = "") -> tuple[str, str]:
    error = OSError(number, os.strerror(number))
    refusal = cgi_failures.launch_failure(error, [b"/w/x.pl"], interpreter)
    assert refusal.detail.startswith("/w/x.pl could not be started: ")
    return f"{refusal.status}.{refusal.substatus}", refusal.remedy


@pytest.mark.parametrize(
    ("number", "expected", "remedy"),
    [
        (errno.EAGAIN, "500.13", "limits"),
        (errno.EMFILE, "500.13", "limits"),
        (errno.E2BIG, "431.0", ""),
        (errno.EACCES, "403.1", "chmod +x /w/x.pl"),
        (errno.ENOEXEC, "502.2", "#! line"),
        (errno.EIO, "502.2", ""),
        (errno.ENOENT, "502.2", ""),
    ],
)
def test_each_reason_has_its_number_and_remedy(number: int, expected: str, remedy: str) -> None:
    """exec's errno, in the terms of the one who wrote the script."""
    found, told = launch(number)
    assert found == expected
    assert remedy in told


@pytest.mark.parametrize(
    ("number", "path", "remedy"),
    [
        (errno.ENOENT, b"/var/temp/A", "isapy start pool"),
        (errno.EACCES, "/w", "access to it"),
        (errno.ENOSPC, "/var/temp/A", "Make room"),
        (errno.ENOSPC, None, "Make room"),
    ],
)
def test_what_a_program_needs_is_not_taken_for_its_interpreter(
    number: int, path: str | bytes | None, remedy: str
) -> None:
    """Its temporary folder, its folder, the file for its request's body: the program is not to blame."""
    error = OSError(number, os.strerror(number), path)
    refusal = cgi_failures.launch_failure(error, [b"/w/x.pl"], "/usr/bin/perl")
    assert (refusal.status, refusal.substatus) == (500, 0)
    assert remedy in refusal.remedy
    assert "#!" not in refusal.remedy
    assert (os.fsdecode(path) if path else "request's body") in refusal.detail


def test_no_pool_makes_a_programs_own_folder_again() -> None:
    """It went with the script, between the look at the script and its start."""
    error = OSError(errno.ENOENT, os.strerror(errno.ENOENT), b"/w")
    refusal = cgi_failures.launch_failure(error, [b"/w/x.pl"], "/usr/bin/perl")
    assert (refusal.status, refusal.substatus, refusal.remedy) == (500, 0, "")


def test_missing_interpreter_is_named() -> None:
    """ENOENT of a file that is there is its interpreter's; the remedy is written out."""
    remedy = launch(errno.ENOENT, interpreter="C:\\Perl\\perl.exe")[1]
    assert "names C:\\Perl\\perl.exe" in remedy
    assert '<cgi><languages><add name="perl" path="..." />' in remedy


def test_what_helps_stands_in_the_log_too() -> None:
    """Whoever watches the terminal or the log need not open the page; a reason that nothing helps has none."""
    error = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    refusal = cgi_failures.launch_failure(error, [b"/w/x.pl"], "/opt/perl")
    event = cgi_failures.refusal_event("7", refusal)
    assert event.startswith(
        "request 7: /w/x.pl could not be started: No such file or directory. Its #! line names /opt/"
    )
    assert cgi_failures.refusal_event("7", cgi_failures.launch_failure(error, [b"/w/x"], "")).endswith("directory")
    errors = ErrorOutput()
    errors.receive(b"/w/x.sh: 3: echo\r: not found\n")
    ended = ProgramExit(0)
    assert "isapy doctor --fix" in cgi_failures.failure_event("/w/x.sh", "7", "it printed nothing", ended, errors)


def test_program_of_windows_is_called_one() -> None:
    """No `#!` line helps an .exe or .dll that lies in cgi-bin since the site was moved."""
    error = OSError(errno.ENOEXEC, os.strerror(errno.ENOEXEC))
    refusal = cgi_failures.launch_failure(error, [b"/w/counter.exe"], "", b"MZ\x90\x00")
    assert (refusal.status, refusal.substatus) == (502, 2)
    assert "program of Windows" in refusal.remedy
    assert "#!" not in refusal.remedy


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (None, "is still running"),
        (ProgramExit(3), "exited with status 3"),
        (ProgramExit(-11, "SIGSEGV"), "was killed by SIGSEGV"),
        (ProgramExit(-42), "was killed by signal 42"),
    ],
)
def test_end_of_a_program_in_words(ended: ProgramExit | None, text: str) -> None:
    """Status, signal, or neither yet."""
    assert cgi_failures.describe_exit(ended) == text


def test_script_that_is_not_there() -> None:
    """404.0, unless a folder above it is closed to us."""
    assert cgi_failures.no_such_script("/w/x", FileNotFoundError(2, "No such file")).status == 404
    assert cgi_failures.no_such_script("/w/x", None).detail == "/w/x: not a regular file"
    closed = cgi_failures.no_such_script("/w/x", PermissionError(13, "Permission denied"))
    assert (closed.status, closed.substatus) == (403, 1)


def test_failure_shows_output_and_errors() -> None:
    """Both bounded; the event is one line with the newest errors."""
    errors = ErrorOutput()
    errors.receive(b"\n".join(b"line %d" % number for number in range(100)) + b"\n")
    refusal = cgi_failures.failed("/w/x", "it printed nothing", ProgramExit(1), b"<html>" * 10000, errors)
    assert len(refusal.detail) < 6000
    assert "line 99" in refusal.detail
    assert "line 1\n" not in refusal.detail
    event = cgi_failures.failure_event("/w/x", "r1", "it printed nothing", ProgramExit(1), errors)
    assert event.startswith("/w/x (request r1) exited with status 1: it printed nothing; standard error: line 95 | ")
    quiet = cgi_failures.failure_event("/w/x", "r1", "why", None, ErrorOutput())
    assert quiet == "/w/x (request r1) is still running: why"
    assert "standard error" not in cgi_failures.failed("/w/x", "why", None, b"", ErrorOutput()).detail


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_line_ends_of_windows_are_recognized_by_what_shells_say(tmp_path: Path, shell: str) -> None:
    """The remedy is not to look for a missing header, but for the CR that makes a command of another name."""
    script = tmp_path / "old.sh"
    for text, is_told in ((b"nothing_like_it\r\n", True), (b"nothing_like_it\n", False)):
        script.write_bytes(text)
        errors = ErrorOutput()
        errors.receive(subprocess.run([shell, str(script)], capture_output=True).stderr)
        remedy = cgi_failures.failed(str(script), "why", None, b"", errors).remedy
        assert ("doctor --fix" in remedy) is is_told
