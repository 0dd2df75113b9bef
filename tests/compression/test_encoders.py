"""Every coding, read by the library that clients use."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from host.compression.encoders import compress_whole, encoder, is_available
from tests.running_service import ROOT

TEXT = b"".join(b"line %d of a text that repeats itself\n" % number for number in range(20000))
CODINGS = ["gzip", "deflate", "br", "zstd"]


def decode(coding: str, data: bytes) -> bytes:
    """The whole of a coded body."""
    readers: dict[str, Callable[[bytes], bytes]] = {
        "": bytes,
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        "br": brotli.decompress,
        "zstd": lambda coded: zstandard.ZstdDecompressor().decompressobj().decompress(coded),
    }
    return readers[coding](data)


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("level", [0, 7, 10])
def test_what_goes_in_comes_out(coding: str, level: int) -> None:
    """And much less of it travels, at every level of IIS's."""
    coded = compress_whole(coding, level, TEXT)
    assert decode(coding, coded) == TEXT
    assert len(coded) < len(TEXT) / 5
    assert is_available(coding)


@pytest.mark.parametrize("coding", CODINGS)
def test_a_flush_lets_the_client_read_everything_so_far(coding: str) -> None:
    """Nothing is held back, and the stream goes on behind it."""
    stream = encoder(coding, 0)
    readers: dict[str, Callable[[], Callable[[bytes], bytes]]] = {
        "gzip": lambda: zlib.decompressobj(31).decompress,
        "deflate": lambda: zlib.decompressobj().decompress,
        "br": lambda: brotli.Decompressor().process,
        "zstd": lambda: zstandard.ZstdDecompressor().decompressobj().decompress,
    }
    read = readers[coding]()
    assert read(stream.compress(b"data: 1\n\n") + stream.flush()) == b"data: 1\n\n"
    assert read(stream.compress(b"data: 2\n\n") + stream.flush()) == b"data: 2\n\n"
    assert read(stream.finish()) == b""


@pytest.mark.parametrize("coding", CODINGS)
def test_nothing_is_something_that_can_be_read(coding: str) -> None:
    """An empty body in a coding."""
    assert decode(coding, compress_whole(coding, 7, b"")) == b""


def test_a_window_that_every_client_takes() -> None:
    """RFC 9659: a zstd stream needs at most 8 MiB to be read."""
    for level in range(11):
        head = zstandard.get_frame_parameters(compress_whole("zstd", level, TEXT))
        assert head.window_size <= 8 * 1024 * 1024


def test_there_is_no_other_coding() -> None:
    """compress is of no use to anybody."""
    assert not is_available("compress")
    with pytest.raises(ValueError, match="no encoder for compress"):
        encoder("compress", 7)


def test_without_the_libraries_gzip_and_deflate_are_left() -> None:
    """The extra `compression` is optional: schemes without their library are passed over, and nothing fails."""
    program = (
        "import sys; sys.modules['brotli'] = sys.modules['zstandard'] = None\n"
        "from filters import compression\n"
        "from host.compression.encoders import compress_whole, is_available\n"
        "print([name for name in ('br', 'zstd', 'gzip', 'deflate') if is_available(name)])\n"
        "print(len(compress_whole('gzip', 7, b'a' * 1000)) < 100)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "['gzip', 'deflate']\nTrue\n"
