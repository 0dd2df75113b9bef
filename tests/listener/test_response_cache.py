"""The cache itself: bounds, time, owners; whatever happens to it, in any order."""

from __future__ import annotations

from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from host.config.listener_settings import ListenerSettings
from host.http1.writer import read_worker_head
from host.listener.response_cache import ENTRY_BYTES, CacheEntry, ResponseCache
from host.wire.frames import CacheFrame, ResponseFrame

ROOM = 4 * (ENTRY_BYTES + 8 + 100)
"""For four answers of a hundred bytes."""


def entry(name: str, *, owner: Hashable = "A", number: int = 1, size: int = 100) -> CacheEntry:
    """An answer for that target."""
    raw_head = b"200 OK\r\n"
    frame = ResponseFrame(1, 1, 200, 0, 0, raw_head, b"x" * size)
    key = ("endpoint", False, b"x", name.encode())
    return CacheEntry(key, 1, owner, number, frame, read_worker_head(raw_head))


def cache(scavenger_period: int = 120) -> ResponseCache:
    """An empty one with room for four."""
    made = ResponseCache()
    made.configure(ListenerSettings(uri_max_cache_bytes=ROOM, uri_scavenger_period_seconds=scavenger_period))
    return made


def targets(found: ResponseCache) -> str:
    """What is in it, used last at the end."""
    return "".join(one.key[3].decode() for one in found.entries.values())


def test_what_was_used_longest_ago_makes_room() -> None:
    """The order of use counts, not that of coming; what is larger than the cache does not empty it."""
    kept = cache()
    for number, name in enumerate("abcd"):
        assert kept.add(entry(name, number=number), CacheFrame(0, 0), 0.0)
    kept.use(kept.entries["endpoint", False, b"x", b"a"], 1.0)
    assert kept.add(entry("e", number=9), CacheFrame(0, 0), 2.0)
    assert targets(kept) == "cdae"
    assert not kept.add(entry("f", number=10, size=ROOM), CacheFrame(0, 0), 3.0)
    assert targets(kept) == "cdae"


def test_time_to_live_and_the_scavenger() -> None:
    """An answer is good until its second; one that nobody wants goes after a period, one in use stays."""
    kept = cache(100)
    kept.add(entry("a"), CacheFrame(0, 30), 0.0)
    key = ("endpoint", False, b"x", b"a")
    assert kept.find(key, 29.9) is not None
    assert kept.find(key, 30.0) is None
    assert kept.size == 0
    kept.add(entry("b", number=2), CacheFrame(0, 0), 0.0)
    kept.add(entry("c", number=3), CacheFrame(0, 0), 0.0)
    kept.use(kept.entries["endpoint", False, b"x", b"c"], 60.0)
    kept.tick(99.0)
    assert targets(kept) == "bc"
    kept.tick(100.0)
    assert targets(kept) == "c"
    kept.tick(200.0)
    assert targets(kept) == ""


def test_a_workers_entries_are_its_own() -> None:
    """It takes back what it put there and nothing else; when it goes all of it goes, when the answer was replaced
    nothing does."""
    kept = cache()
    kept.add(entry("a", owner="A", number=1), CacheFrame(0, 0), 0.0)
    kept.add(entry("b", owner="A", number=2), CacheFrame(0, 0), 0.0)
    kept.add(entry("c", owner="B", number=1), CacheFrame(0, 0), 0.0)
    kept.add(entry("a", owner="B", number=2), CacheFrame(0, 0), 0.0)
    kept.invalidate("A", 1)
    assert targets(kept) == "bca"
    kept.invalidate("B", 1)
    kept.invalidate("C", 1)
    assert targets(kept) == "ba"
    kept.disown("A")
    kept.disown("A")
    assert targets(kept) == "a"


def test_another_configuration_empties_it() -> None:
    """What was cached under the old one may not be allowed any more."""
    kept = cache()
    kept.add(entry("a"), CacheFrame(1, 0), 0.0)
    kept.configure(ListenerSettings(uri_enable_cache=False))
    assert (targets(kept), kept.size, kept.max_uri_bytes) == ("", 0, 0)


STEPS = st.one_of(
    st.tuples(st.just("add"), st.sampled_from("abcdef"), st.sampled_from("AB"), st.integers(0, 40)),
    st.tuples(st.just("use"), st.sampled_from("abcdef"), st.just(""), st.just(0)),
    st.tuples(st.just("disown"), st.just(""), st.sampled_from("AB"), st.just(0)),
    st.tuples(st.just("invalidate"), st.just(""), st.sampled_from("AB"), st.integers(0, 30)),
    st.tuples(st.just("pass"), st.just(""), st.just(""), st.integers(0, 200)),
)


@given(st.lists(STEPS, max_size=30))
def test_whatever_happens_the_books_are_right(steps: list[tuple[str, str, str, int]]) -> None:
    """Its size is the sum of what is in it and within bounds, nothing is found behind its time, and every entry can be
    taken back by its owner."""
    kept, now = cache(50), 0.0
    for number, (step, name, owner, count) in enumerate(steps):
        key = ("endpoint", False, b"x", name.encode())
        if step == "add":
            kept.add(entry(name, owner=owner, number=number, size=1 + count * 20), CacheFrame(0, count), now)
        elif step == "use":
            found = kept.find(key, now)
            if found is not None:
                assert not found.expires_at or found.expires_at > now
                kept.use(found, now)
        elif step == "disown":
            kept.disown(owner)
        elif step == "invalidate":
            kept.invalidate(owner, count)
        else:
            now += count
            kept.tick(now)
        assert kept.size == sum(one.size for one in kept.entries.values()) <= ROOM
    for one in list(kept.entries.values()):
        kept.invalidate(one.owner, one.number)
    assert (kept.size, kept.entries) == (0, {})
