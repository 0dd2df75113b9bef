"""The part of a library that keeps an everyday answer while its proc runs: isapy's side of include/isapy_front.h.

Libraries that were built without it, or with a header of another number, are called without: every call of theirs is
then a way into Python and back.
"""

from __future__ import annotations

import threading
from typing import Any, Final

from host.isapi.response_head import ResponseHead
from host.native.library import Library
from host.native.structures import ffi

KEPT_BYTES: Final = 8192
"""Bytes of a body that a library keeps (ISAPY_KEPT_BYTES)."""

_BLOCK: Final = ffi.typeof("EXTENSION_CONTROL_BLOCK *")
_BLOCK_BYTES: Final = ffi.sizeof("EXTENSION_CONTROL_BLOCK")
_new_memory: Final = ffi.new_allocator(should_clear_after_alloc=False)
_MEMORY: Final = ffi.typeof("char[]")


class Kept:
    """What a proc has sent, in memory that is used again for the next request. `struct` is the ISAPY_KEPT."""

    __slots__ = ("_body", "struct")

    def __init__(self) -> None:
        self.struct = ffi.new("ISAPY_KEPT *")
        self._body = ffi.buffer(self.struct.abBody)

    @property
    def body(self) -> bytes:
        """The body."""
        data: bytes = self._body[: self.struct.cbBody]
        return data


class Front:
    """Of one library. Its methods may be called on any thread."""

    def __init__(self, library: Library, template: Any) -> None:
        """`template` is a block with isapy's own callbacks, which is never changed or freed."""
        self._call = library.required("isapy_call_1")
        self._take = library.required("isapy_take_1")
        self._learn = library.required("isapy_learn_1")
        library.required("isapy_front_1")().pTemplate = template
        self._heads: list[ResponseHead] = []
        self._unused: list[Kept] = []
        self._lock = threading.Lock()

    def borrow(self, room: int) -> Kept:
        """Memory for one call, which keeps at most `room` bytes of its body."""
        try:
            kept = self._unused.pop()
        except IndexError:
            kept = Kept()
        struct = kept.struct
        struct.nHead = struct.cbBody = struct.fTaken = 0
        struct.cbRoom = min(room, KEPT_BYTES)
        return kept

    def give_back(self, kept: Kept) -> None:
        """The call is over, and what was kept has been taken over."""
        self._unused.append(kept)

    def call(self, kept: Kept | None, number: int, struct: Any, texts: tuple[bytes, ...], proc: Any) -> int:
        """Fill the block (made by `new_block`) with its number and its texts, and call the proc: what it returns.

        Without `kept` nothing is kept: every call of the proc is isapy's.
        """
        method, query, path, translated, content_type = texts
        sizes = (len(method), len(query), len(path), len(translated), len(content_type))
        memory = ffi.NULL if kept is None else kept.struct
        return int(self._call(memory, struct, number, b"%b\0%b\0%b\0%b\0%b\0\0" % texts, *sizes, proc))

    def take(self, kept: Kept, *, is_running: bool) -> ResponseHead | None:
        """Keep nothing more from now on; the head that was sent, if one was. `is_running`: its proc may be sending."""
        if is_running:
            self._take(kept.struct)
        number = kept.struct.nHead
        return self._heads[number - 1] if number else None

    def learn(self, status: bytes, headers: bytes, head: ResponseHead, *, keeps: bool) -> None:
        """That head is one: the library may keep it by itself. Only the first few are learnt."""
        with self._lock:
            if not any(known is head for known in self._heads) and self._learn(
                status, len(status), headers, len(headers), keeps
            ):
                self._heads.append(head)


def new_block(texts: tuple[bytes, ...]) -> tuple[Any, Any]:
    """A block with room for its texts behind it: the structure, and the memory that it lies in."""
    memory = _new_memory(_MEMORY, _BLOCK_BYTES + sum(map(len, texts)) + len(texts) + 1)
    return ffi.cast(_BLOCK, memory), memory


def front_of(library: Library, template: Any) -> Front | None:
    """What the library brings; None when it was built without it. `template` as for `Front`."""
    return None if library.function("isapy_front_1") is None else Front(library, template)
