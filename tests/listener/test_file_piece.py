"""Who owns a descriptor."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from host.listener.file_piece import FilePiece


def test_a_taken_descriptor_is_not_closed_and_a_kept_one_is(tmp_path: Path) -> None:
    """Closing twice does no harm: the number may be another file's by then."""
    (tmp_path / "f").write_bytes(b"x")
    piece = FilePiece(0, 1)
    piece.close()
    piece.descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    descriptor = piece.take_descriptor()
    piece.close()
    assert os.read(descriptor, 1) == b"x"
    piece.descriptor = descriptor
    piece.close()
    piece.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
