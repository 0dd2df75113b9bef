"""The EXTENSION_CONTROL_BLOCK that C sees, one for each request, and its four callbacks.

The callbacks are made once. ConnID is the block's number, which is never given again: it finds the request while that
lives, and nothing afterwards. A block's memory outlives its request by some thousand others, so that a library which
looks at it too late finds a number that is refused, and no memory of somebody else.
"""

from __future__ import annotations

from collections import deque
from itertools import count
from typing import Any, Final

from host.api import Request
from host.api.isapi import HSE_LOG_BUFFER_LEN, HSE_VERSION
from host.isapi.server_variables import Paths, path_bytes
from host.native.failing import Failed, TellsErrors, give, guarded
from host.native.library import Library
from host.native.structures import ffi, member_type, raw_text_of

KEPT_BLOCKS: Final = 1024
"""Blocks of ended requests that are kept; each has some three hundred bytes, and the beginning of its body."""

_KEPT_BODY_BYTES: Final = 4096
"""A longer beginning of a body is let go with its request."""

_UNICODE: Final = "UNICODE_"
_BLOCK: Final = ffi.typeof("EXTENSION_CONTROL_BLOCK *")
_HCONN: Final = ffi.typeof("HCONN")
_LPBYTE: Final = ffi.typeof("LPBYTE")
_UINTPTR: Final = ffi.typeof("uintptr_t")
_NAME_LIMIT: Final = 1024

_living: Final[dict[int, NativeBlock]] = {}
_ended: Final[deque[tuple[Any, Any]]] = deque(maxlen=KEPT_BLOCKS)
_numbers: Final = count(1)
_libraries: Final[list[Library]] = []


class NativeBlock:
    """A request as its library sees it: `struct` is the EXTENSION_CONTROL_BLOCK, `ecb` what is behind it.

    Everything goes to `ecb`; what every answer needs has methods of its own, for `quick.QuickBlock`.
    """

    __slots__ = ("_ecb", "_number", "_texts", "library", "place", "struct")

    def __init__(self, ecb: Any, library: Library) -> None:
        """`ecb` is a `host.isapi` control block, whose session must not be released before the proc has returned."""
        self.fill(library, ecb.session.request, ecb.paths, ecb.available_data, ecb.total_bytes)
        self._ecb = ecb
        ecb.session.when_released(self.release)

    @property
    def ecb(self) -> Any:
        """The control block of `host.isapi`."""
        return self._ecb

    def write(self, data: bytes, flags: int) -> int:
        """WriteClient."""
        return int(self.ecb.write_client(data, flags))

    def send_head(self, status: bytes, headers: bytes, *, keeps: bool) -> None:
        """HSE_REQ_SEND_RESPONSE_HEADER_EX."""
        self.ecb.send_response_header_ex(status or None, headers or None, keeps)

    def variable(self, name: str) -> bytes:
        """GetServerVariable."""
        raw: bytes = self.ecb.get_raw_server_variable(name)
        return raw

    def fill(self, library: Library, request: Request, paths: Paths, available: bytes, total: int) -> None:
        """Make the structure, and know it by its number from now on."""
        struct = ffi.new(_BLOCK, template()[0])
        method, query, path, translated, content_type = texts = block_texts(request, paths)
        held = bytearray(b"%b\0%b\0%b\0%b\0%b\0%b\0" % (*texts, available))
        at = ffi.from_buffer("char[]", held) + 0
        struct.lpszMethod = at
        struct.lpszQueryString = at = at + len(method) + 1
        struct.lpszPathInfo = at = at + len(query) + 1
        struct.lpszPathTranslated = at = at + len(path) + 1
        struct.lpszContentType = at = at + len(translated) + 1
        struct.lpbData = ffi.cast(_LPBYTE, at + len(content_type) + 1)
        if total:  # they are 0 in a new block
            struct.cbTotalBytes = total
            struct.cbAvailable = len(available)
        struct.ConnID = ffi.cast(_HCONN, self.enlist(library, struct, held))

    def enlist(self, library: Library, struct: Any, held: Any) -> int:
        """Know it by the number that this gives, from now on. `held` is the memory that the structure points to."""
        self.library = library
        self.place = -1  # in the black box, while the library keeps the request
        self.struct = struct
        self._texts = held
        self._number = number = next(_numbers)
        _living[number] = self
        return number

    @property
    def is_over(self) -> bool:
        """Whether the library may not use it any more."""
        return self._number not in _living

    def read_back(self) -> None:
        """Take over what the library has left in the block for the log."""
        ecb, struct = self.ecb, self.struct
        if struct.dwHttpStatusCode != 200:
            ecb.http_status_code = struct.dwHttpStatusCode
        if struct.lpszLogData[0] != b"\0":
            ecb.log_data = raw_text_of(struct.lpszLogData, HSE_LOG_BUFFER_LEN - 1)

    def release(self) -> None:
        """The library will not use it any more, if it keeps to the contract."""
        del _living[self._number]
        texts = self._texts if len(self._texts) <= _KEPT_BODY_BYTES else None
        if texts is None:
            empty = ffi.new("char[1]")
            struct = self.struct
            struct.lpszMethod = struct.lpszQueryString = struct.lpszPathInfo = empty
            struct.lpszPathTranslated = struct.lpszContentType = empty
            struct.lpbData, struct.cbAvailable = ffi.NULL, 0
            texts = empty
        _ended.append((self.struct, texts))
        if self.place >= 0:
            self.library.black_box.leave(self.place)


def block_texts(request: Request, paths: Paths) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Method, query, path, translated path and type of the content, as a block has them."""
    return (
        request.method.encode("latin-1", "replace"),
        request.raw_query.encode("latin-1", "replace"),
        path_bytes(paths.path_info),
        path_bytes(paths.path_translated),
        request.first_header("Content-Type").encode("latin-1", "replace"),
    )


def know(library: Library) -> None:
    """That library will be called: its last error is set for a block that nobody knows."""
    _libraries.append(library)


def forget(library: Library) -> None:
    """It will not be called again."""
    _libraries.remove(library)


class _EveryLibrary:
    """Whose block it was is not known any more."""

    def set_last_error(self, code: int) -> None:
        """SetLastError of the calling thread, in all of them."""
        for library in _libraries:
            library.set_last_error(code)


_every_library: Final = _EveryLibrary()


def find_block(connection: Any) -> tuple[TellsErrors, NativeBlock | None]:
    """The block of a ConnID, and the library to tell errors to."""
    block = _living.get(int(ffi.cast(_UINTPTR, connection)))
    return (_every_library, None) if block is None else (block.library, block)


@guarded(find_block)
def _get_server_variable(block: NativeBlock, name: Any, buffer: Any, size: Any) -> None:
    if not name:
        raise Failed(87)
    text = raw_text_of(name, _NAME_LIMIT).decode("latin-1")
    raw = block.variable(text)
    give(raw, buffer, size, b"\0\0" if text.startswith(_UNICODE) else b"\0")


@guarded(find_block)
def _write_client(block: NativeBlock, buffer: Any, size: Any, flags: int) -> None:
    if not size or (size[0] and not buffer):
        raise Failed(87)
    length = size[0]
    size[0] = block.write(bytes(ffi.buffer(buffer, length)) if length else b"", flags)


@guarded(find_block)
def _read_client(block: NativeBlock, buffer: Any, size: Any) -> None:
    if not size or (size[0] and not buffer):
        raise Failed(87)
    data = block.ecb.read_client(size[0])
    ffi.memmove(buffer, data, len(data))
    size[0] = len(data)


_made: Final[list[Any]] = []  # the template and the callbacks: made once, kept for ever


def template() -> Any:
    """The block that all others are copies of."""
    assert _made, "a support function is set before the first block is made"
    return _made[0]


def make_callbacks(support_function: Any) -> None:
    """Make the four callbacks, with this one as ServerSupportFunction (its arguments as in C). Once in a process."""
    if _made:
        return
    made = ffi.new("EXTENSION_CONTROL_BLOCK *")
    made.cbSize = ffi.sizeof("EXTENSION_CONTROL_BLOCK")
    made.dwVersion = HSE_VERSION
    made.dwHttpStatusCode = 200
    functions = {
        "GetServerVariable": _get_server_variable,
        "WriteClient": _write_client,
        "ReadClient": _read_client,
        "ServerSupportFunction": support_function,
    }
    callbacks = []
    for name, function in functions.items():
        callback = ffi.callback(member_type("EXTENSION_CONTROL_BLOCK", name), function)
        setattr(made, name, callback)
        callbacks.append(callback)
    _made.extend((made, callbacks))
