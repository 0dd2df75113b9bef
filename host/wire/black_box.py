"""What a process leaves behind about the native code it was in: notes in memory that its service holds, too.

Code in C may end its process between two instructions; nobody can say anything then. So it is said before: which
library, which of its functions, for which request. A note is written into its place in a shared memory before the
call and struck out after it. Behind the places lies what Python's fault handler writes about a signal: which thread.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Final

from host.wire.message import Message

PLACES: Final = 256
PLACE_BYTES: Final = 512
NOTES_BYTES: Final = PLACES * PLACE_BYTES
"""Where the fault handler's text begins."""

FAULT_TEXT_BYTES: Final = 64 * 1024
_HEAD: Final = struct.Struct("<QQ")  # the thread's number (HELD: of none), and the note's number plus one (0: no note)
HELD: Final = 0
STRUCK_OUT: Final = bytes(_HEAD.size)
_SEPARATOR: Final = b"\x1f"
_FIELD_LIMIT: Final = 110
_CURRENT: Final = re.compile(rb"^Current thread 0x([0-9a-fA-F]+)", re.MULTILINE)
_FATAL: Final = re.compile(rb"^Fatal Python error: ", re.MULTILINE)


class BlackBoxOpened(Message, frozen=True, kw_only=True):
    """Worker: this descriptor is the memory in which I note what native code is doing. To be read when I have died."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A call that is under way, or (`thread` HELD) a request that native code has kept after its call."""

    thread: int
    number: int  # a later note has a higher one
    library: str
    function: str
    request_id: str = ""
    verb: str = ""
    url: str = ""

    @property
    def text(self) -> str:
        """`/lib/shop.so (HttpExtensionProc) for GET /a.so`."""
        about = f" for {self.verb} {self.url} ({self.request_id})" if self.request_id else ""
        return f"{self.library} ({self.function}){about}"


def note_tail(library: str, function: str) -> bytes:
    """The part of a note that is the same for every call of that function; goes before the request."""
    return _SEPARATOR.join((_cut(library, keeps_end=True), _cut(function)))


def encode_note(thread: int, number: int, tail: bytes, request: bytes = b"") -> bytes:
    """A note as it lies in its place; `tail` is of `note_tail`, `request` of `note_request`."""
    return _HEAD.pack(thread, number + 1) + tail + _SEPARATOR + request + b"\0"


def note_request(request_id: str, verb: str, url: str) -> bytes:
    """The request's part of a note."""
    raw_text = f"{request_id}\x1f{verb}\x1f{url}".encode("utf-8", "surrogateescape")
    if len(raw_text) <= _FIELD_LIMIT and b"\0" not in raw_text:  # nearly always, and made for every call
        return raw_text
    return _SEPARATOR.join((_cut(request_id), _cut(verb), _cut(url)))


def read_notes(raw_memory: bytes) -> list[Note]:
    """The notes that were not struck out, oldest first. Whatever stands there is read; none of it is believed to be
    well-formed."""
    notes = []
    for at in range(0, min(len(raw_memory), NOTES_BYTES) - _HEAD.size, PLACE_BYTES):
        thread, number = _HEAD.unpack_from(raw_memory, at)
        if number:
            raw_text = raw_memory[at + _HEAD.size : at + PLACE_BYTES].partition(b"\0")[0]
            fields = [_readable(field) for field in raw_text.split(_SEPARATOR)]
            library, function, request_id, verb, url = (*fields, "", "", "", "", "")[:5]
            notes.append(
                Note(
                    thread=thread,
                    number=number,
                    library=library,
                    function=function,
                    request_id=request_id,
                    verb=verb,
                    url=url,
                )
            )
    return sorted(notes, key=lambda note: note.number)


@dataclass(frozen=True, slots=True)
class Blame:
    """Which native code a process has died in: `notes` are those that may be it, the likeliest first."""

    notes: tuple[Note, ...]
    is_certain: bool

    @property
    def sentence(self) -> str:
        """For people: continues `ended by signal 11 (SIGSEGV)`."""
        if self.is_certain:
            return f"in {self.notes[0].text}"
        return "while native code was under way: " + ", ".join(note.text for note in self.notes[:5])

    @property
    def fields(self) -> dict[str, str]:
        """For the event: library and request."""
        note = self.notes[0]
        found = {"library": note.library, "function": note.function}
        if note.request_id:
            found |= {"request": note.request_id, "url": note.url}
        return found


def blame(raw_memory: bytes, raw_fault_text: bytes) -> Blame | None:
    """What was under way when the process ended without being asked to; None when no native code was.

    The fault handler names the thread in which the signal came: a note of that thread is to blame. When it names a
    thread that has none, no native code of ours did it. When it cannot name one (a thread that a library has made
    itself, or exit() in C), everything that was under way may be it; if that is one thing, it is.
    """
    notes = read_notes(raw_memory)
    current = _CURRENT.search(raw_fault_text)
    if current is not None:
        thread = int(current[1], 16)
        own = [note for note in notes if note.thread == thread]
        return Blame((own[-1],), True) if own else None
    held = [note for note in notes if note.thread == HELD]
    running = [note for note in notes if note.thread != HELD]
    # a fault in no thread of Python's: what libraries have kept comes first, they have threads of their own
    likely = held + running if _FATAL.search(raw_fault_text) else running[::-1] + held
    if not likely:
        return None
    return Blame(tuple(likely), len({note.library for note in likely}) == 1 and len(likely) == 1)


def _cut(text: str, *, keeps_end: bool = False) -> bytes:
    raw_text = text.encode("utf-8", "surrogateescape")
    if len(raw_text) <= _FIELD_LIMIT:
        return raw_text
    return b"..." + raw_text[-_FIELD_LIMIT:] if keeps_end else raw_text[:_FIELD_LIMIT] + b"..."


def _readable(raw_text: bytes) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in raw_text.decode("utf-8", "replace"))
