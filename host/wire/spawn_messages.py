"""What is said between a worker and the spawner in its pool's parent: one message a packet from the worker, and all
that it is to be told by the end of a turn in one packet from the spawner.

LaunchProgram travels with three descriptors (standard input, output, error). Names and values of the environment are
bytes, because CGI values need not be text.

A LaunchProgram of more than `LARGEST_PACKET` bytes (a socket takes no packet larger than its send buffer) travels in
a memory file: the packet is then the single byte `IN_MEMORY_FILE` and the file's descriptor comes as the last one;
the message starts at its offset 0 and ends with it, and may be `LARGEST_MESSAGE` bytes long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import msgspec

from host.wire.errors import WireError

LARGEST_PACKET: Final = 65536
"""Bytes of a message that travels in the packet itself; Linux's default send buffer takes three times as much."""

LARGEST_MESSAGE: Final = 4194304
"""Bytes of a message in a memory file; Linux gives no more to a program's arguments and environment together."""

IN_MEMORY_FILE: Final = b"\x00"
"""The packet that says: the message is in the last descriptor. No message is one zero byte."""


MOST_ANSWERS: Final = 32
"""In one packet: each is small."""

GRACE_SECONDS: Final = 2.0
"""From SIGTERM to SIGKILL unless the worker says otherwise; Apache's mod_cgid gives three."""


class SpawnMessage(msgspec.Struct, frozen=True, kw_only=True, tag=True, array_like=True, forbid_unknown_fields=True):
    """Base of all spawn messages; `number` is the worker's and names the program until it has ended."""

    number: int


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Resource limits of a program (setrlimit(2)), inherited by all that it starts; 0: as the spawner has it.

    `processes` counts every process and thread of the program's user, whoever started it.
    """

    processor_seconds: int = 0
    address_space_bytes: int = 0
    open_files: int = 0
    processes: int = 0


NO_LIMITS: Final = Limits()


class WarmStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The program is a script, and a fork of an interpreter that is started already may run it.

    `command` is the interpreter with its options as exec would be told them, `program` the file that is executed for
    its first word; `arguments`, the script's path first, is what the script sees as its own. `lasting` names
    the variables of the environment that are the same for every request: the interpreter is started with them.
    `modules` of a Perl script are to be loaded before; a Python's server finds them by itself.
    """

    program: bytes
    command: list[bytes]
    arguments: list[bytes]
    lasting: list[bytes]
    language: Literal["python", "perl"] = "python"
    modules: list[bytes] = []


class LaunchProgram(SpawnMessage, frozen=True, kw_only=True):
    """Worker: start this. `argv[0]` is an absolute path, `request_id` marks the tree's processes (UNIQUE_ID).

    `script`: it is the program for that file, and runs as the user whom the configuration names for it. Who that is,
    and whether it may be, the spawner decides; of `argv`, `environment` and `limits` it takes what it finds right.
    `private_temp`: TMPDIR is a folder that is made for it, and taken away when it has ended. `is_brief`: it is likely
    to end before anybody asks about it, so that it runs is said with its end, or when TellStart asks for it.
    """

    argv: list[bytes]
    environment: dict[bytes, bytes]
    directory: bytes
    request_id: str
    limits: Limits = NO_LIMITS
    warm: WarmStart | None = None
    script: bytes = b""
    private_temp: bool = False
    is_brief: bool = False


class TellStart(SpawnMessage, frozen=True, kw_only=True):
    """Worker: say ProgramLaunched now, of a program that was to be brief, or as soon as it runs."""


class KillProgram(SpawnMessage, frozen=True, kw_only=True):
    """Worker: end its whole tree, SIGTERM first; `grace_seconds` later SIGKILL."""

    reason: str
    grace_seconds: float = GRACE_SECONDS


class KillRequest(SpawnMessage, frozen=True, kw_only=True):
    """Worker: end what carries that request's mark, whoever has started it; `number` says nothing. The one who had
    started it has been killed, and its children have become those of the process that this is said to."""

    request_id: str


class ProgramLaunched(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: it runs. `remark` says why it was not started warm as was asked, once for each reason."""

    pid: int
    remark: str = ""
    is_warm: bool = False


class LaunchFailed(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: it could not be started; `errno` and the path it concerns. ECANCELED: it was to be killed before."""

    errno: int
    path: bytes


class LaunchRefused(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: the script may not run as the user that it would run as. `check` names the rule, `reason` what was
    found, `remedy` what to do."""

    check: str
    reason: str
    remedy: str


class UseConfiguration(SpawnMessage, frozen=True, kw_only=True):
    """inetinfo, once, before its first program: by this the spawner knows which scripts run as whom. The fields are
    those of the control channel's Configure; `number` says nothing."""

    path: str
    text: bytes
    isolation: str
    port: int
    version: int
    applications: list[str]


class ProgramEnded(SpawnMessage, frozen=True, kw_only=True):
    """Spawner: it has ended; exit code, or minus the signal's number. The others are ProgramLaunched's, if that has not
    been said."""

    status: int
    pid: int = 0
    remark: str = ""
    is_warm: bool = False


AnySpawnMessage = (
    LaunchProgram
    | TellStart
    | KillProgram
    | KillRequest
    | UseConfiguration
    | ProgramLaunched
    | LaunchFailed
    | LaunchRefused
    | ProgramEnded
)

Answer = ProgramLaunched | LaunchFailed | LaunchRefused | ProgramEnded
"""What the spawner says."""

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[AnySpawnMessage] = msgspec.msgpack.Decoder(AnySpawnMessage)
_answers_decoder: msgspec.msgpack.Decoder[list[Answer]] = msgspec.msgpack.Decoder(list[Answer])


def encode_spawn_message(message: AnySpawnMessage) -> bytes:
    """One message of a worker as bytes."""
    return _encoder.encode(message)


def decode_spawn_message(raw_message: bytes | memoryview) -> AnySpawnMessage:
    """One message from bytes. Raises WireError for anything else."""
    try:
        return _decoder.decode(raw_message)
    except msgspec.MsgspecError as error:
        raise WireError(f"not a spawn message: {error}") from error


def encode_answers(answers: Sequence[Answer]) -> bytes:
    """A packet of the spawner."""
    return _encoder.encode(answers)


def shortened(answer: Answer) -> Answer:
    """The same with texts of half their length."""
    if isinstance(answer, LaunchFailed):
        return msgspec.structs.replace(answer, path=answer.path[: len(answer.path) // 2])
    if isinstance(answer, LaunchRefused):
        reason, remedy = answer.reason, answer.remedy
        return msgspec.structs.replace(answer, reason=reason[: len(reason) // 2], remedy=remedy[: len(remedy) // 2])
    return msgspec.structs.replace(answer, remark=answer.remark[: len(answer.remark) // 2])


def decode_answers(packet: bytes) -> list[Answer]:
    """What the spawner says in a packet. Raises WireError for anything else."""
    try:
        return _answers_decoder.decode(packet)
    except msgspec.MsgspecError as error:
        raise WireError(f"not what a spawner says: {error}") from error
