"""crypt(3) of this system: what hashes passwords for its own users. Python 3.13 has no module for it any more.

The library is loaded when a hash needs it, by ctypes, which lets go of the interpreter meanwhile: a hash takes between
one and some hundred milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from typing import Final

_NAMES: Final = ("libcrypt.so.1", "libcrypt.so.2", None)
"""libxcrypt in its two versions of the interface; musl has the function in the C library itself."""

_STATE_BYTES: Final = 256 * 1024
"""struct crypt_data: 32768 bytes in libxcrypt, 131232 in old glibc, 260 in musl."""

_INVALID: Final = (1, 2)
"""What crypt_checksalt says of a setting that is none, and of a method that is not there."""


class HashUnavailableError(Exception):
    """This system cannot compute a hash of that kind."""


def hashed(password: bytes, setting: str) -> str:
    """crypt(3). On any thread. Raises HashUnavailableError."""
    function = _library().crypt_r
    state = ctypes.create_string_buffer(_STATE_BYTES)
    function.restype = ctypes.c_char_p
    found = function(password, setting.encode("utf-8", "surrogateescape"), state)
    if not found or found.startswith(b"*"):
        raise HashUnavailableError(f"crypt(3) of this system computes no hash {setting[:4]}...")
    return bytes(found).decode("ascii", "replace")


def is_known(setting: str) -> bool:
    """Whether crypt(3) takes that setting, or the hash that begins with it. Costs nothing. Raises
    HashUnavailableError."""
    library = _library()
    if not hasattr(library, "crypt_checksalt"):  # musl, old glibc
        return True
    return int(library.crypt_checksalt(setting.encode("utf-8", "surrogateescape"))) not in _INVALID


@functools.cache
def _library() -> ctypes.CDLL:
    for name in _NAMES:
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            library.crypt_r  # noqa: B018  # AttributeError: it is not in this one
            return library
    raise HashUnavailableError("this system has no libcrypt (package libcrypt1, libxcrypt)")
