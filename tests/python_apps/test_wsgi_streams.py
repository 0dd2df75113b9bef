"""wsgi.input against the standard library's own stream, and wsgi.errors."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.api import HttpError
from host.python_apps.wsgi_streams import ErrorStream, InputStream
from tests.gateway.sample_request import PieceBody

PIECES = st.lists(st.binary(max_size=20).map(lambda piece: piece.replace(b"a", b"\n")).filter(bool), max_size=6)
CALLS = st.lists(st.tuples(st.sampled_from(["read", "readline", "readlines"]), st.integers(-1, 30)), max_size=8)


@given(PIECES, CALLS)
def test_input_reads_as_a_file_does(pieces: list[bytes], calls: list[tuple[str, int]]) -> None:
    """Whatever the pieces and the calls."""
    stream, expected = InputStream(PieceBody(pieces, None)), io.BytesIO(b"".join(pieces))
    for name, size in calls:
        assert getattr(stream, name)(size) == getattr(expected, name)(size), (name, size)
    assert list(stream) == list(expected)


def test_a_refused_body_is_remembered() -> None:
    """An application makes a page of the exception; the refusal is the answer all the same."""

    class Refused(PieceBody):
        def read_some_blocking(self) -> bytes:
            raise HttpError(404, 13)

    stream = InputStream(Refused())
    with pytest.raises(HttpError):
        stream.read()
    assert stream.refusal is not None
    assert stream.refusal.substatus == 13


def test_errors_become_lines() -> None:
    """Each complete one at once, the last one at the end; control characters are shown."""
    lines: list[str] = []
    stream = ErrorStream(lambda request_id, line: lines.append(f"{request_id}: {line}"), "7")
    stream.close_line()
    stream.writelines(["one\ntw", "o\n"])
    stream.write("thr\x1bee")
    stream.flush()
    assert lines == ["7: one", "7: two"]
    stream.close_line()
    assert lines[2] == "7: thr\\x1bee"
