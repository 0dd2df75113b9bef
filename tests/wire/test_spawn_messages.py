"""Messages between a worker and its spawner."""

from __future__ import annotations

import msgspec
import pytest

from host.wire.errors import WireError
from host.wire.spawn_messages import (
    IN_MEMORY_FILE,
    Answer,
    AnySpawnMessage,
    KillProgram,
    KillRequest,
    LaunchFailed,
    LaunchProgram,
    ProgramEnded,
    ProgramLaunched,
    TellStart,
    decode_answers,
    decode_spawn_message,
    encode_answers,
    encode_spawn_message,
)


@pytest.mark.parametrize(
    "message",
    [
        LaunchProgram(number=1, argv=[b"/bin/\xff"], environment={b"A": b"\xfe"}, directory=b"/", request_id="r"),
        TellStart(number=1),
        KillProgram(number=1, reason="timeout"),
        KillRequest(number=0, request_id="r"),
        ProgramLaunched(number=1, pid=7),
        LaunchFailed(number=1, errno=2, path=b"/x"),
        ProgramEnded(number=1, status=-9),
    ],
    ids=lambda message: type(message).__name__,
)
def test_a_message_survives_the_wire(message: AnySpawnMessage) -> None:
    """Bytes need not be text."""
    assert decode_spawn_message(encode_spawn_message(message)) == message


@pytest.mark.parametrize(
    "raw",
    [b"", IN_MEMORY_FILE, b"\xff", msgspec.msgpack.encode(["KillProgram", "1", "", 2.0])],
)
def test_anything_else_is_a_wire_error(raw: bytes) -> None:
    """Also the byte that stands for a message in a memory file: it is no message."""
    for decode in (decode_spawn_message, decode_answers):
        with pytest.raises(WireError):
            decode(raw)


def test_what_the_spawner_says_comes_in_order() -> None:
    """Several answers in one packet; a worker's words are none."""
    answers: list[Answer] = [ProgramLaunched(number=1, pid=7), ProgramEnded(number=2, status=0, pid=8, remark="cold")]
    assert decode_answers(encode_answers(answers)) == answers
    with pytest.raises(WireError):
        decode_answers(msgspec.msgpack.encode([TellStart(number=1)]))
