"""Programs under resource limits, in a real spawner: they see the limits, and nothing else is different."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

import pytest

from host.spawner.limited_launch import spawn_limited
from host.wire.spawn_messages import LaunchFailed, Limits
from tests.spawner.client import SpawnerClient

SH = b"/bin/sh"
LIMITS = Limits(processor_seconds=7, address_space_bytes=512 * 1024 * 1024, open_files=40, processes=5000)
# 32 and 33 are glibc's own: its posix_spawn lets the child of a process that has used them ignore them
C_LIBRARYS_SIGNALS = 0b11 << 31


def test_a_program_and_its_children_see_every_limit_and_cannot_raise_it(client: SpawnerClient) -> None:
    """Soft and hard limit are the same, so that the program itself cannot take one back."""
    program = client.launch([SH, b"-c", b"cat /proc/self/limits"], limits=LIMITS)
    rows = {line[:26].strip(): line[26:].split()[:2] for line in program.read_all().decode().splitlines()}
    program.close()
    assert rows["Max cpu time"] == ["7", "7"]
    assert rows["Max address space"] == [str(512 * 1024 * 1024)] * 2
    assert rows["Max open files"] == ["40", "40"]
    assert rows["Max processes"] == ["5000", "5000"]


def test_a_limit_above_what_the_spawner_may_give_is_the_spawners_own(client: SpawnerClient) -> None:
    """A hard limit cannot be raised without privileges: the program starts all the same."""
    program = client.launch([SH, b"-c", b"ulimit -n"], limits=Limits(open_files=2**30))
    assert int(program.read_all()) <= 2**30
    assert program.status() == 0
    program.close()


def test_everything_else_is_as_without_limits(client: SpawnerClient, tmp_path: Path) -> None:
    """Input, output, error, folder, environment, session, signals, descriptors, exit code."""
    code = b"""read line; echo "$line $1 $COLOUR $(pwd)"; echo oops >&2
ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status; exit 3"""
    program = client.launch(
        [SH, b"-c", code, b"sh", b"one two"],
        b"hello\n",
        environment={b"COLOUR": b"a=b\xff"},
        directory=bytes(tmp_path),
        limits=LIMITS,
    )
    first, count, *signals = program.read_all().splitlines()
    assert first == b"hello one two a=b\xff " + bytes(tmp_path)
    assert int(count) == 4  # the fourth is the listing's own
    assert [int(line.split()[1], 16) & ~C_LIBRARYS_SIGNALS for line in signals] == [0, 0]
    assert program.read_errors() == b"oops\n"
    assert program.status() == 3


@pytest.mark.parametrize(
    ("argv", "directory", "expected"),
    [
        ([b"/nowhere/x"], b"/", (errno.ENOENT, b"/nowhere/x")),
        ([b"/etc/passwd"], b"/", (errno.EACCES, b"/etc/passwd")),
        ([SH], b"/nowhere", (errno.ENOENT, b"/nowhere")),
        ([b"/bin/sh\0x"], b"/", (errno.EINVAL, b"/bin/sh\0x")),
        ([], b"/", (errno.EINVAL, b"/")),
        ([SH, b"x" * 200000], b"/", (errno.E2BIG, SH)),
    ],
)
def test_what_cannot_be_started_is_told_as_without_limits(
    client: SpawnerClient, argv: list[bytes], directory: bytes, expected: tuple[int, bytes]
) -> None:
    """The error page names the cause, whichever way the program was started."""
    launched = client.launch(argv, directory=directory, limits=LIMITS)
    launched.close()
    assert isinstance(launched.answer, LaunchFailed)
    assert (launched.answer.errno, launched.answer.path) == expected


def test_too_much_processor_time_ends_the_program(client: SpawnerClient) -> None:
    """One second of it, whatever the clock says."""
    program = client.launch([SH, b"-c", b"while :; do :; done"], limits=Limits(processor_seconds=1))
    assert program.status() in (-signal.SIGXCPU, -signal.SIGKILL)
    program.close()


def test_a_descriptor_with_the_number_of_another_place_arrives_where_it_belongs() -> None:
    """Standard error handed over as descriptor 0 must not be overwritten by standard input."""
    read, write = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    kept = os.dup(0)
    try:
        os.dup2(write, 0)
        pid = spawn_limited([SH, b"-c", b"echo told >&2"], {}, (null, null, 0), Limits(open_files=64))
        assert os.waitpid(pid, 0)[1] == 0
        assert os.read(read, 100) == b"told\n"
    finally:
        os.dup2(kept, 0)
        for descriptor in (read, write, null, kept):
            os.close(descriptor)
    assert sys.stdin is not None
