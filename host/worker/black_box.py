"""The worker's side of the black box: notes what native code is doing, from the first library on.

Nothing exists before: no memory, no handler. A note costs about a microsecond.
"""

from __future__ import annotations

import faulthandler
import mmap
import os
import threading
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Final

from host.api.black_box import NotedRequest
from host.wire.black_box import (
    HELD,
    NOTES_BYTES,
    PLACE_BYTES,
    PLACES,
    STRUCK_OUT,
    encode_note,
    note_request,
    note_tail,
)

NO_PLACE: Final = -1
"""More calls are under way than can be noted: this one is not."""


class BlackBox:
    """One of a process. `announce(descriptor)` is called once, when the memory is there; the descriptor stays ours.

    Its methods may be called from any thread.
    """

    def __init__(self, announce: Callable[[int], None]) -> None:
        self._announce = announce
        self._memory: mmap.mmap | None = None
        self._free: deque[int] = deque(range(0, NOTES_BYTES, PLACE_BYTES))
        self._numbers = count()
        self._tails: dict[tuple[str, str], bytes] = {}
        self._opening = threading.Lock()
        assert len(self._free) == PLACES

    def enter(self, library: str, function: str, request: NotedRequest | None = None) -> int:
        """`function` of `library` is about to be called on this thread; gives what `leave` wants back."""
        return self._note(threading.get_ident(), library, function, request)

    def hold(self, library: str, function: str, request: NotedRequest | None = None) -> int:
        """The library goes on with it on a thread of its own; gives what `leave` wants back."""
        return self._note(HELD, library, function, request)

    def leave(self, place: int) -> None:
        """It is over."""
        if place >= 0 and self._memory is not None:
            self._memory[place : place + len(STRUCK_OUT)] = STRUCK_OUT
            self._free.append(place)

    def _note(self, thread: int, library: str, function: str, request: NotedRequest | None) -> int:
        memory = self._memory
        if memory is None:
            memory = self._open()
        tail = self._tails.get((library, function))
        if tail is None:
            tail = self._tails[library, function] = note_tail(library, function)
        about = b"" if request is None else note_request(request.id, request.method, request.raw_target)
        raw_note = encode_note(thread, next(self._numbers), tail, about)
        try:
            place = self._free.popleft()
        except IndexError:
            return NO_PLACE
        memory[place : place + len(raw_note)] = raw_note
        return place

    def _open(self) -> mmap.mmap:
        with self._opening:
            if self._memory is None:
                descriptor = os.memfd_create("isapy-black-box", os.MFD_CLOEXEC)
                os.ftruncate(descriptor, NOTES_BYTES)
                os.lseek(descriptor, 0, os.SEEK_END)  # the fault handler writes behind the notes
                self._memory = mmap.mmap(descriptor, NOTES_BYTES)
                faulthandler.enable(file=descriptor, all_threads=True)
                self._announce(descriptor)
            return self._memory
