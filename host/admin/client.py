"""The caller's end of the control socket: blocking, one command at a time."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from host.admin.access import peer_of, user_name
from host.admin.commands import (
    LENGTH,
    REPLY_LIMIT,
    Command,
    Failed,
    MessageError,
    Progress,
    Reply,
    decode_reply,
    encode,
    message_length,
)
from host.admin.unix_socket import connect

TIMEOUT_SECONDS: Final = 30.0


def _ignore(_text: str) -> None:
    """For callers who only want the answer."""


class ControlError(Exception):
    """A command did not succeed. `message` says why, `remedy` what to do about it (may be empty)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class ServiceNotRunning(ControlError):
    """Nobody listens on the control socket."""


class CommandFailed(ControlError):
    """The service answered that it cannot, or may not, do it."""


def call(
    path: str | Path,
    command: Command,
    timeout: float = TIMEOUT_SECONDS,
    on_progress: Callable[[str], None] = _ignore,
) -> Reply:
    """Send the command to the service on that socket and return its answer (never a Failed or a Progress).

    `timeout`: seconds of patience, begun anew whenever the service tells what it waits for (`on_progress`).
    Raises ServiceNotRunning, CommandFailed, or ControlError for a socket that misbehaves.
    """
    path = Path(path)
    try:
        with connect(path, timeout) as connection:
            _check_owner(connection, path)
            with suppress(BrokenPipeError, ConnectionResetError):  # it refuses us unheard: its answer says why
                connection.sendall(encode(command))
            while isinstance(reply := _read_reply(connection), Progress):
                on_progress(reply.text)
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise ServiceNotRunning(
            f"no isapy service is running there (nobody answers on {path})",
            "start it with: isapy run --config FILE",
        ) from error
    except TimeoutError as error:
        raise ControlError(
            f"the service did not answer within {timeout:g} seconds", "look at its processes: ps -ef | grep isapy"
        ) from error
    except PermissionError as error:
        raise ControlError(f"{path}: permission denied", "use sudo, or the account that the service runs as") from error
    except MessageError as error:
        raise ControlError(str(error), "use the isapy of the same version as the service") from error
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror or error}") from error
    if isinstance(reply, Failed):
        raise CommandFailed(reply.message, reply.remedy)
    return reply


def _check_owner(connection: socket.socket, path: Path) -> None:
    """A stranger's process behind our socket's name is told nothing and believed nothing. Root may call everybody."""
    owner = peer_of(connection).uid
    if os.geteuid() not in (0, owner) and owner != 0:
        raise ControlError(
            f"the service behind {path} runs as {user_name(owner)}, you are {user_name(os.geteuid())}",
            "use sudo, or the account that the service runs as",
        )


def _read_reply(connection: socket.socket) -> Reply:
    length = message_length(_read_exactly(connection, LENGTH.size), REPLY_LIMIT)
    return decode_reply(_read_exactly(connection, length))


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    pieces: list[bytes] = []
    while size:
        piece = connection.recv(min(size, 1 << 16))
        if not piece:
            raise ControlError("the service closed the connection without an answer", "it may just have ended")
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
