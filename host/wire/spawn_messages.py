"""What is said between a worker and the spawner in its pool's parent, one message a packet.

LaunchProgram travels with three descriptors (standard input, output, error). Environment entries are bytes
(`NAME=value`), because CGI values need not be text.
"""

from __future__ import annotations

import msgspec

from host.wire.errors import WireError


class SpawnMessage(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of all spawn messages; `number` is the worker's and names the program until it has ended."""

    number: int


class LaunchProgram(SpawnMessage, frozen=True, kw_only=True):
    """Worker: start this. `argv[0]` is an absolute path, `request_id` marks the tree's processes (UNIQUE_ID)."""

    argv: list[bytes]
    environment: list[bytes]
    directory: bytes
    request_id: str


class KillProgram(SpawnMessage, frozen=True, kw_only=True):
    """Worker: end its whole tree."""

    reason: str


class ProgramLaunched(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: it runs."""

    pid: int


class LaunchFailed(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: it could not be started; `errno` and the path it concerns."""

    errno: int
    path: bytes


class ProgramEnded(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: it has ended; exit code, or minus the signal's number."""

    status: int


AnySpawnMessage = LaunchProgram | KillProgram | ProgramLaunched | LaunchFailed | ProgramEnded

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnySpawnMessage] = msgspec.msgpack.Decoder(AnySpawnMessage)


def encode_spawn_message(message: AnySpawnMessage) -> bytes:
    """One message as bytes."""
    return _encoder.encode(message)


def decode_spawn_message(raw_message: bytes) -> AnySpawnMessage:
    """One message from bytes. Raises WireError for anything else."""
    try:
        return _decoder.decode(raw_message)
    except msgspec.MsgspecError as error:
        raise WireError(f"not a spawn message: {error}") from error
