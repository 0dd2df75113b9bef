"""The head of an SCGI request."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from host.gateway.scgi import encode_head


def decode_head(data: bytes) -> list[tuple[bytes, bytes]]:
    """As a server reads it: a netstring of names and values that end in a zero byte."""
    length, _, rest = data.partition(b":")
    block, comma = rest[: int(length)], rest[int(length) :]
    assert comma == b","
    assert block.endswith(b"\0")
    texts = block[:-1].split(b"\0")
    return list(zip(texts[::2], texts[1::2], strict=True))


def test_the_example_of_the_specification() -> None:
    """CONTENT_LENGTH is the first variable, SCGI is there."""
    variables = {b"REQUEST_METHOD": b"POST", b"REQUEST_URI": b"/deepthought"}
    data = encode_head(variables, 27)
    assert data == (
        b"70:CONTENT_LENGTH\x0027\x00SCGI\x001\x00REQUEST_METHOD\x00POST\x00REQUEST_URI\x00/deepthought\x00,"
    )


def test_no_name_comes_twice() -> None:
    """The request's own CONTENT_LENGTH and a variable named SCGI do not double the two that must be there."""
    found = decode_head(encode_head({b"CONTENT_LENGTH": b"9", b"SCGI": b"7", b"A": b"b"}, 0))
    assert found == [(b"CONTENT_LENGTH", b"0"), (b"SCGI", b"1"), (b"A", b"b")]


WORD = st.binary(max_size=40).filter(lambda text: b"\0" not in text)


@given(st.dictionaries(WORD, WORD, max_size=6), st.integers(0, 2**40))
def test_every_variable_arrives(variables: dict[bytes, bytes], length: int) -> None:
    """Whatever bytes but zero it holds."""
    found = dict(decode_head(encode_head(variables, length)))
    assert found == variables | {b"CONTENT_LENGTH": b"%d" % length, b"SCGI": b"1"}
