"""The worker's black box, and the service's look at it: with a process that really dies."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from host.activation.crash_site import CrashSite
from host.wire.black_box import PLACES, Blame, read_notes
from host.worker.black_box import NO_PLACE, BlackBox

ROOT = Path(__file__).resolve().parents[2]
CHILD = """
    import ctypes, os, socket, sys, threading
    from host.worker.black_box import BlackBox

    line = socket.socket(fileno=int(sys.argv[1]))
    box = BlackBox(lambda memory: socket.send_fds(line, [b"box"], [memory]))
    over = box.enter("/lib/other.so", "HttpExtensionProc")
    box.leave(over)
    waiting = threading.Event()
    def elsewhere():
        box.enter("/lib/innocent.so", "HttpExtensionProc")
        waiting.wait()
    threading.Thread(target=elsewhere, daemon=True).start()
    def crash():
        box.enter("/lib/crash.so", "HttpExtensionProc")
        {crash}
    thread = threading.Thread(target=crash)
    thread.start()
    thread.join()
"""


def died_of(crash: str) -> tuple[int, Blame | None]:
    """Exit status and blame of a process that does that in native code."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    code = textwrap.dedent(CHILD).replace("{crash}", crash)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(theirs.fileno())],
        cwd=ROOT,
        pass_fds=[theirs.fileno()],
        stderr=subprocess.DEVNULL,
    )
    theirs.close()
    with ours:
        _, descriptors, _, _ = socket.recv_fds(ours, 16, 4)
    site = CrashSite()
    site.take(descriptors)
    return process.wait(60), site.read()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("crash", "status"),
    [("ctypes.string_at(8)", -signal.SIGSEGV), ("os.abort()", -signal.SIGABRT), ("ctypes.CDLL(None)._exit(3)", 3)],
)
def test_the_memory_of_a_process_that_died_names_library_and_function(crash: str, status: int) -> None:
    """By a signal in that thread, by abort, and without a word by _exit."""
    found_status, blame = died_of(crash)
    assert found_status == status
    assert blame is not None
    assert blame.fields["library"] == "/lib/crash.so"


def test_places_are_given_back_and_a_full_box_notes_nothing() -> None:
    """More calls than places are not an error."""
    memories: list[int] = []
    box = BlackBox(memories.append)
    places = [box.enter("/lib/a.so", "f") for _ in range(PLACES)]
    assert box.enter("/lib/a.so", "f") == NO_PLACE
    box.leave(NO_PLACE)
    for place in places:
        box.leave(place)
    assert box.hold("/lib/b.so", "f") != NO_PLACE
    (memory,) = memories
    assert [note.library for note in read_notes(os.pread(memory, 1 << 20, 0))] == ["/lib/b.so"]


def test_only_memory_is_taken_for_a_black_box(tmp_path: Path) -> None:
    """A pipe or a file of a worker that was taken over is closed, not read."""
    site = CrashSite()
    reader, writer = os.pipe()
    (tmp_path / "file").write_text("x")
    site.take([reader, os.open(tmp_path / "file", os.O_RDONLY)])
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reader)
    os.close(writer)
    assert site.read() is None
