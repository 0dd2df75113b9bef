"""Fragments of responses that extensions keep by name (HSE_REQ_ADD_FRAGMENT_TO_CACHE and its two companions).

IIS keeps them in HTTP.sys; here each worker has its own, which is what an extension may rely on in either.
"""

from __future__ import annotations

import threading
from typing import Final

from host.api.isapi import IsapiError
from host.api.win32_errors import ERROR_FILE_NOT_FOUND, ERROR_NOT_ENOUGH_MEMORY

MOST_BYTES: Final = 16 * 1024 * 1024


class FragmentCache:
    """Of one worker; at most `most_bytes` in all. May be used on any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._fragments: dict[str, bytes] = {}  # the one that was added first is the first to go
        self._size = 0
        self._lock = threading.Lock()

    def add(self, name: str, data: bytes) -> None:
        """Keep it in place of one of that name. Raises IsapiError 8 when there can never be room."""
        if len(data) > self._most_bytes:
            raise IsapiError(ERROR_NOT_ENOUGH_MEMORY, f"a fragment may have {self._most_bytes} bytes at most")
        with self._lock:
            self._size -= len(self._fragments.pop(name, b""))
            self._fragments[name] = data
            self._size += len(data)
            while self._size > self._most_bytes:
                self._size -= len(self._fragments.pop(next(iter(self._fragments))))

    def read(self, name: str) -> bytes:
        """Raises IsapiError 2."""
        with self._lock:
            if name not in self._fragments:
                raise IsapiError(ERROR_FILE_NOT_FOUND, f"no fragment is called {name!r}")
            return self._fragments[name]

    def remove(self, name: str) -> None:
        """Raises IsapiError 2."""
        with self._lock:
            if name not in self._fragments:
                raise IsapiError(ERROR_FILE_NOT_FOUND, f"no fragment is called {name!r}")
            self._size -= len(self._fragments.pop(name))
