"""What is said, as numbers: a changed number is another protocol."""

from __future__ import annotations

from host.wire.frames import (
    CACHE_BODY,
    HEADER,
    PROTOCOL_VERSION,
    REQUEST_BODY,
    RESPONSE_BODY,
    SIDE_PACKET,
    CacheFlag,
    Kind,
    PipeState,
    RequestFlag,
    ResponseFlag,
)


def test_the_protocol_keeps_its_numbers() -> None:
    """Front and worker may be of different builds while one of them restarts: change PROTOCOL_VERSION with these."""
    assert PROTOCOL_VERSION == 1
    assert [int(kind) for kind in Kind] == [*range(1, 11), *range(16, 29)]
    assert [int(flag) for flag in RequestFlag] == [1, 2, 4, 8, 16, 32, 64]
    assert [int(flag) for flag in ResponseFlag] == [1, 2, 4, 8, 16, 32, 64, 128]
    assert [int(state) for state in PipeState] == [0, 1, 2, 3]
    assert [int(flag) for flag in CacheFlag] == [1, 2, 4]
    assert CACHE_BODY.size == 5
    assert (HEADER.size, REQUEST_BODY.size, RESPONSE_BODY.size, SIDE_PACKET.size) == (9, 21, 14, 8)


def test_front_and_worker_kinds_are_told_apart_by_their_number() -> None:
    """Below 16 front to worker, from 16 worker to front."""
    replies = {"PIPE_STATE", "BODY_HELD", "BODY_WAITS"}
    front = {"REQUEST", "BODY", "BODY_END", "ABORT", "WINDOW", "SESSION_END", "DRAIN"} | replies
    assert {kind.name for kind in Kind if kind < 16} == front
