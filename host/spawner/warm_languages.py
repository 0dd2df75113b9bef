"""What differs between the warm interpreters of two languages: how a server is started, and how it is told what to run.

Both answer alike, and both are a program of ours in a file, run by the script's own interpreter.
"""

from __future__ import annotations

import marshal
import os
import struct
from collections.abc import Sequence
from typing import Final

from host.wire.spawn_messages import LaunchProgram, WarmStart

MARK_ROOM: Final = 64
"""Bytes for a request's id in the environment that the kernel shows of a fork."""

_TITLE_ROOM: Final = 400
_FOLDER: Final = os.path.dirname(os.path.abspath(__file__)).encode()
_PYTHON: Final = os.path.join(_FOLDER, b"warm_python.py")
_PERL: Final = os.path.join(_FOLDER, b"./" * 256, b"warm_perl.pl")
"""Longer than a script's path may be: each fork writes the script's over it (`gateway/warm_command.py`)."""

_LENGTH: Final = struct.Struct(">I")


def server_socket(language: str) -> int:
    """The descriptor that its socket has. Perl gives the file that it reads a program from the first free one, and a
    script would find it elsewhere if the socket were behind the standard streams."""
    return 0 if language == "perl" else 3


def server_words(language: str, modules: Sequence[bytes]) -> list[bytes]:
    """What stands behind the interpreter and its options; at last room for what `ps` shows of a fork."""
    if language == "perl":
        return [_PERL, os.uname().machine.encode(), *modules, b" " * _TITLE_ROOM]
    return [_PYTHON, b"3", b" " * _TITLE_ROOM]


def encode_order(number: int, message: LaunchProgram, warm: WarmStart) -> bytes:
    """One packet for the server; the descriptors go beside it."""
    limits = message.limits
    four = (limits.processor_seconds, limits.open_files, limits.processes, limits.address_space_bytes)
    script, mark = warm.arguments[0], message.request_id.encode()
    shown_name = os.path.basename(message.argv[0])[:15]
    environment = [name + b"=" + value for name, value in message.environment.items()]
    if warm.language == "python":
        order = (
            number,
            warm.arguments,
            warm.command,
            environment,
            message.directory,
            four,
            mark,
            script,
            shown_name,
        )
        return marshal.dumps(order, 2)
    numbers = [b"%d" % value for value in (*four, len(warm.arguments), len(warm.command))]
    fields = [b"%d" % number, script, shown_name, mark, message.directory, *numbers]
    fields += [*warm.arguments, *warm.command, *environment]
    return b"".join(_LENGTH.pack(len(one)) + one for one in fields)
