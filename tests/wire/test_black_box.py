"""The black box: what can be read of it, and whom it blames."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host.wire.black_box import (
    FAULT_TEXT_BYTES,
    HELD,
    NOTES_BYTES,
    PLACE_BYTES,
    STRUCK_OUT,
    blame,
    encode_note,
    note_request,
    note_tail,
    read_notes,
)

FAULT = b"Fatal Python error: Segmentation fault\n\n"
CRASHED = (
    FAULT + b'Current thread 0x00000000000000aa (most recent call first):\n  File "x"\n\nThread 0x00000000000000bb'
)
FOREIGN = FAULT + b'Thread 0x00000000000000bb (most recent call first):\n  File "x"\n'


def memory(*notes: bytes) -> bytes:
    return b"".join(note.ljust(PLACE_BYTES, b"\0") for note in notes).ljust(NOTES_BYTES, b"\0")


def note(thread: int, number: int, library: str = "/lib/a.so", url: str = "/a.so", function: str = "Proc") -> bytes:
    return encode_note(thread, number, note_tail(library, function), note_request(f"r{number}", "GET", url))


def test_a_signal_in_a_thread_blames_the_innermost_call_of_that_thread() -> None:
    """Other threads' calls and calls further out have not done it."""
    found = blame(memory(note(0xAA, 5), note(0xBB, 7, "/lib/b.so"), note(0xAA, 6, "/lib/c.so")), CRASHED)
    assert found is not None
    assert found.is_certain
    assert found.sentence == "in /lib/c.so (Proc) for GET /a.so (r6)"
    assert found.fields == {"library": "/lib/c.so", "function": "Proc", "request": "r6", "url": "/a.so"}


def test_a_signal_in_a_thread_without_a_call_blames_no_library() -> None:
    """Python's own code, or another extension module, has crashed while libraries were at work elsewhere."""
    assert blame(memory(note(0xBB, 1), note(HELD, 2)), CRASHED) is None


def test_a_signal_in_a_thread_of_nobody_blames_what_libraries_have_kept_first() -> None:
    """It cannot be told which, so it is said so, unless there is only one."""
    alone = blame(memory(note(HELD, 1)), FOREIGN)
    assert alone is not None
    assert alone.is_certain
    several = blame(memory(note(0xBB, 1, "/lib/b.so"), note(HELD, 2, "/lib/held.so")), FOREIGN)
    assert several is not None
    assert not several.is_certain
    assert several.fields["library"] == "/lib/held.so"
    assert several.sentence.startswith("while native code was under way: /lib/held.so (Proc)")


def test_an_exit_without_a_signal_blames_the_call_that_was_begun_last() -> None:
    """A library that calls exit() leaves its note behind; one that was struck out is none."""
    struck_out = STRUCK_OUT + note(0xBB, 9)[len(STRUCK_OUT) :]
    found = blame(memory(note(0xAA, 3), struck_out), b"")
    assert found is not None
    assert found.fields["request"] == "r3"
    assert blame(memory(struck_out), b"") is None


def test_long_and_odd_texts_fit_their_place_and_are_printable() -> None:
    """A library's path keeps its end, a URL its beginning; nothing of it can forge a line of the event log."""
    tail = note_tail("/very" * 100 + "/end.so", "Proc")
    raw_note = encode_note(1, 1, tail, note_request("id", "GET", "/\n\x1f\0" + "é" * 300))
    assert len(raw_note) < PLACE_BYTES
    (found,) = read_notes(memory(raw_note))
    assert found.library.endswith("/end.so")
    assert found.text.isprintable()


@given(st.binary(max_size=3 * PLACE_BYTES), st.binary(max_size=200))
def test_whatever_lies_in_the_memory_can_be_read(raw_memory: bytes, raw_text: bytes) -> None:
    """The process that has died may have written anything."""
    found = blame(raw_memory, raw_text[:FAULT_TEXT_BYTES])
    assert found is None or found.sentence.isprintable()
