"""The content codings that this Python has: gzip and deflate always, br and zstd where their libraries are installed.

Levels are IIS's: 0, the fastest, to 10, the smallest.
"""

from __future__ import annotations

import zlib
from typing import Final, Protocol

try:
    import brotli
except ImportError:  # the extra `compression` is not installed
    brotli = None

try:
    import zstandard
except ImportError:
    zstandard = None  # type: ignore[assignment]

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # a gzip header (RFC 1952), with neither name nor time
_BROTLI_BEST: Final = 11


class Encoder(Protocol):
    """One body on its way through a coding."""

    def compress(self, data: bytes) -> bytes:
        """What is ready to be sent after `data`; may be empty."""

    def flush(self) -> bytes:
        """Whatever was held back, so that the client can read all that was compressed."""

    def finish(self) -> bytes:
        """The end. Nothing may follow."""


class _Deflating:
    def __init__(self, level: int, window: int) -> None:
        self._stream = zlib.compressobj(min(max(level, 1), 9), zlib.DEFLATED, window)

    def compress(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._stream.flush(zlib.Z_FINISH)


class _Brotli:
    def __init__(self, level: int) -> None:
        self._stream = brotli.Compressor(quality=_BROTLI_BEST if level >= 10 else max(level, 1))

    def compress(self, data: bytes) -> bytes:
        return bytes(self._stream.process(data))

    def flush(self) -> bytes:
        return bytes(self._stream.flush())

    def finish(self) -> bytes:
        return bytes(self._stream.finish())


class _Zstandard:
    def __init__(self, level: int) -> None:
        # Levels up to 10 keep to a window of 4 MiB; a client need not take more than 8 (RFC 9659 section 3).
        self._stream = zstandard.ZstdCompressor(level=max(level, 1)).compressobj()

    def compress(self, data: bytes) -> bytes:
        return self._stream.compress(data)

    def flush(self) -> bytes:
        return self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_FINISH)


def is_available(coding: str) -> bool:
    """Whether `encoder` can make one."""
    return {"gzip": True, "deflate": True, "br": brotli is not None, "zstd": zstandard is not None}.get(coding, False)


def encoder(coding: str, level: int) -> Encoder:
    """An encoder of an available coding. Raises ValueError for another one."""
    match coding:
        case "gzip":
            return _Deflating(level, _GZIP_WINDOW)
        case "deflate":
            return _Deflating(level, zlib.MAX_WBITS)  # the zlib format, as RFC 9110 section 8.4.1.2 has it
        case "br" if brotli is not None:
            return _Brotli(level)
        case "zstd" if zstandard is not None:
            return _Zstandard(level)
    raise ValueError(f"there is no encoder for {coding}")


def compress_whole(coding: str, level: int, data: bytes) -> bytes:
    """All of `data` in that coding."""
    stream = encoder(coding, level)
    return stream.compress(data) + stream.finish()
