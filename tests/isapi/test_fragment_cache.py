"""Fragments by name, under a limit."""

from __future__ import annotations

import pytest

from host.api.isapi import IsapiError
from host.isapi.fragment_cache import FragmentCache


def test_the_oldest_fragments_make_room() -> None:
    """What is added anew is young; what is too large for the whole cache is refused."""
    cache = FragmentCache(most_bytes=10)
    cache.add("a", b"1234")
    cache.add("b", b"5678")
    cache.add("a", b"123")
    cache.add("c", b"90ab")
    assert cache.read("a") == b"123"
    assert cache.read("c") == b"90ab"
    with pytest.raises(IsapiError) as caught:
        cache.read("b")
    assert caught.value.code == 2
    with pytest.raises(IsapiError) as caught:
        cache.add("d", bytes(11))
    assert caught.value.code == 8
    cache.remove("a")
    with pytest.raises(IsapiError):
        cache.remove("a")
