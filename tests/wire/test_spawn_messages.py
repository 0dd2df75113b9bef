"""Messages between a worker and its spawner."""

from __future__ import annotations

import msgspec
import pytest

from host.wire.errors import WireError
from host.wire.spawn_messages import (
    IN_MEMORY_FILE,
    AnySpawnMessage,
    KillProgram,
    LaunchFailed,
    LaunchProgram,
    ProgramEnded,
    ProgramLaunched,
    decode_spawn_message,
    encode_spawn_message,
)


@pytest.mark.parametrize(
    "message",
    [
        LaunchProgram(number=1, argv=[b"/bin/\xff"], environment=[b"A=\xfe"], directory=b"/", request_id="r"),
        KillProgram(number=1, reason="timeout"),
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
    [b"", IN_MEMORY_FILE, b"\xff", msgspec.msgpack.encode({"type": "KillProgram", "number": "1", "reason": ""})],
)
def test_anything_else_is_a_wire_error(raw: bytes) -> None:
    """Also the byte that stands for a message in a memory file: it is no message."""
    with pytest.raises(WireError):
        decode_spawn_message(raw)
