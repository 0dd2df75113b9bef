"""The way to stored answers by URL and variant: it always leads to what the cache has, and to nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.config.listener_settings import ListenerSettings
from host.http1.request_head import RequestHead
from host.http1.writer import Stamp, read_worker_head
from host.listener.response_cache import ENTRY_BYTES, CacheEntry, ResponseCache
from host.listener.shared_cache import Place, Shared, url_of, validating
from host.listener.shared_rules import kept_of, selected
from host.wire.frames import CacheFlag, CacheFrame, ResponseFrame

SHARED = CacheFrame(CacheFlag.SHARED, 0)
STAMP = Stamp(0.0)
URLS = ((b"x", b"/a"), (b"x", b"/b"))
PLACES: tuple[Place, ...] = (("endpoint", False), ("endpoint", True))
VARY = (b"", b"Vary: A\r\n", b"Vary: A, B\r\n")
REQUESTS = (b"", b"A: 1\r\n", b"A: 2\r\n", b"A: 1\r\nB: 1\r\n")


def entry(number: int, url: tuple[bytes, bytes], place: Place, vary: bytes, fields: bytes) -> CacheEntry:
    """An answer to a request with these fields."""
    raw_head = b"200 OK\r\nCache-Control: max-age=5\r\n" + vary
    kept = kept_of({b"cache-control": b"max-age=5", b"vary": vary.partition(b":")[2].strip()}, 0.0)
    variant = (kept.vary or (), selected(kept.vary or (), fields))
    frame = ResponseFrame(1, 1, 200, 0, 0, raw_head, b"x")
    made = CacheEntry((*place, *url, variant), 1, f"worker {number % 2}", number, frame, read_worker_head(raw_head))
    made.shared = Shared(url, place, variant, kept, date=STAMP, asked_at=0.0, now=lambda: 0.0)
    return made


Step = tuple[str, int, int, int, int]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("add", "add", "add", "forget", "remove", "invalidate", "disown", "flush")),
            st.integers(0, 1),
            st.integers(0, 1),
            st.integers(0, 2),
            st.integers(0, 3),
        ),
        max_size=40,
    )
)
def test_whatever_happens_a_request_finds_the_newest_answer_that_is_for_it(steps: list[Step]) -> None:
    """RFC 9111 4.1; what has left the cache in any way is found by nobody, and leaves nothing behind."""
    cache, added = ResponseCache(), list[CacheEntry]()
    cache.configure(ListenerSettings(uri_max_cache_bytes=6 * (ENTRY_BYTES + 100)))
    for number, (what, url, place, vary, request) in enumerate(steps):
        if what == "add":
            one = entry(number, URLS[url], PLACES[place], VARY[vary], REQUESTS[request])
            others = [other for other in added if other.is_kept and varies_otherwise(other, one)]
            assert cache.add(one, SHARED, float(number))
            added.append(one)
            assert not any(other.is_kept for other in others)
        elif what == "forget":
            cache.forget(URLS[url])
        elif what == "disown":
            cache.disown(f"worker {request % 2}")
        elif what == "flush":
            cache.flush(lambda one, path=URLS[url][1]: one.key[3] == path)  # type: ignore[misc]
        elif added:
            chosen = added[(url + place + vary + request) % len(added)]
            if what == "remove":
                cache.remove(chosen)
            else:
                cache.invalidate(chosen.owner, chosen.number)
        kept = [one for one in added if one.is_kept]
        assert kept == sorted(cache.entries.values(), key=lambda one: one.added_at)
        for asked_url in URLS:
            for asked_place in PLACES:
                for fields in REQUESTS:
                    expected = [one for one in kept if is_for(one, asked_url, asked_place, fields)]
                    assert cache.shared.find(asked_url, asked_place, fields) is (expected[-1] if expected else None)
        assert bool(cache.shared.urls) is bool(kept)
    cache.flush(lambda _: True)
    assert not cache.shared.urls
    assert cache.size == 0


def varies_otherwise(other: CacheEntry, one: CacheEntry) -> bool:
    """Whether the two are of one URL, and by which fields it varies has changed."""
    assert other.shared is not None
    assert one.shared is not None
    where = (one.shared.url, one.shared.place)
    return (other.shared.url, other.shared.place) == where and other.shared.variant[0] != one.shared.variant[0]


def is_for(one: CacheEntry, url: tuple[bytes, bytes], place: Place, fields: bytes) -> bool:
    """By the words of the RFC, entry by entry."""
    assert one.shared is not None
    names, values = one.shared.variant
    return (one.shared.url, one.shared.place) == (url, place) and selected(names, fields) == values


@pytest.mark.parametrize(
    ("host", "is_secure", "authority"),
    [
        (b"X.example", False, b"x.example"),
        (b"x.example:80", False, b"x.example"),
        (b"x.example:80", True, b"x.example:80"),
        (b"x.example:443", True, b"x.example"),
        (b"x.example:443", False, b"x.example:443"),
        (b"x.example:8080", False, b"x.example:8080"),
        (b"[::1]:80", False, b"[::1]"),
        (b"x.example:", False, b"x.example"),
        (b"", False, b""),
    ],
)
def test_spellings_of_one_authority_are_one(host: bytes, is_secure: bool, authority: bytes) -> None:
    """RFC 9110 4.2.3: the scheme's own port may be left out, and case means nothing; the path stays as it came."""
    head = RequestHead(b"GET", b"/A?B", 1, b"", 0)
    head.host = host
    assert url_of(head, is_secure=is_secure) == (authority, b"/A?B")


@pytest.mark.parametrize(
    ("fields", "tag", "modified", "expected"),
    [
        (b"Host: x\r\n", b'"1"', b"", b'Host: x\r\nIf-None-Match: "1"\r\n'),
        (b"Host: x\r\n", b"", b"then", b"Host: x\r\nIf-Modified-Since: then\r\n"),
        (
            b'IF-none-match:"0" , W/"2"\r\nHost: x\r\nif-modified-since: now\r\nIf-None-Match: "1"\r\n',
            b'"1"',
            b"then",
            b'Host: x\r\nIf-None-Match: "0" , W/"2", "1"\r\nIf-Modified-Since: then\r\n',
        ),
        (b'X-If-None-Match: "9"\r\n', b'"1"', b"", b'X-If-None-Match: "9"\r\nIf-None-Match: "1"\r\n'),
    ],
)
def test_a_request_that_asks_whether_an_answer_is_good(
    fields: bytes, tag: bytes, modified: bytes, expected: bytes
) -> None:
    """RFC 9111 4.3.1: with the stored validators; the client's tags are asked for, too, its date is not. The request
    itself stays as it was."""
    head = RequestHead(b"GET", b"/", 1, fields, 7)
    asking = validating(head, tag, modified)
    assert (asking.fields, head.fields, asking.size) == (expected, fields, 7)
