"""The service's end of the control socket: one command at a time, answered by the handler that the service gives."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from host.admin.access import peer_of, refusal
from host.admin.commands import (
    COMMAND_LIMIT,
    LENGTH,
    Command,
    Failed,
    MessageError,
    Progress,
    Reply,
    decode_command,
    encode,
    message_length,
)
from host.admin.unix_socket import BACKLOG, listen

COMMAND_SECONDS: Final = 10.0
"""How long a caller may take to say its command."""

Tell = Callable[[str], None]
"""Say what is waited for, while the answer takes its time."""

Handle = Callable[[Command, Tell], Awaitable[Reply]]


class ControlServer:
    """Listens on `path` and answers every command with what `handle` returns; what it tells meanwhile goes before.

    The handler's own exceptions become a Failed reply and go to the loop's exception handler. Callers that are neither
    `owner_uid` (the service's user unless told otherwise) nor root get a Failed that says so.
    """

    def __init__(self, path: str | Path, handle: Handle, *, owner_uid: int | None = None) -> None:
        self.path = Path(path)
        self._owner_uid = os.geteuid() if owner_uid is None else owner_uid
        self._handle = handle
        self._listening: socket.socket | None = None
        self._inode = 0
        self._conversations: set[asyncio.Task[None]] = set()

    @property
    def listening(self) -> socket.socket:
        """The socket, to be handed to another process that will answer in this one's place."""
        assert self._listening is not None, "the server has been started"
        return self._listening

    async def start(self, listening: socket.socket | None = None) -> None:
        """Begin to listen, or take over the socket of a server that has said `pause`.

        Raises SocketInUse (names the pid of the service that lives there) or OSError."""
        if listening is not None and self.path.exists():
            listening.listen(BACKLOG)  # the kernel names the process that has said this last to whoever connects
            self._listening = listening
        else:
            self._listening = listen(self.path)
        self._listening.setblocking(False)
        self._inode = self.path.stat().st_ino
        self.resume()

    def pause(self) -> None:
        """Take no more callers; they wait in the socket's queue, whoever serves it."""
        asyncio.get_running_loop().remove_reader(self.listening.fileno())

    def resume(self) -> None:
        """Take callers."""
        asyncio.get_running_loop().add_reader(self.listening.fileno(), self._accept)

    def let_go(self) -> None:
        """The socket is another process's from now on; conversations that have begun are finished here."""
        self.listening.close()
        self._listening = None

    async def close(self) -> None:
        """Stop listening and remove the socket; what has been answered is sent, callers that wait are cut."""
        if self._listening is not None:
            self.pause()
            self._listening.close()
            self._listening = None
            with suppress(FileNotFoundError):
                if self.path.stat().st_ino == self._inode:
                    self.path.unlink()
        conversations = [task for task in self._conversations if task is not asyncio.current_task()]
        for task in conversations:
            task.cancel()
        await asyncio.gather(*conversations, return_exceptions=True)

    def _accept(self) -> None:
        assert self._listening is not None
        try:
            connection, _ = self._listening.accept()
        except OSError:  # the caller has gone again
            return
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._converse(connection))
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)

    async def _converse(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        try:
            why = refusal(peer_of(connection), self._owner_uid)
            if why:
                await _say(writer, Failed(message=why, remedy="use sudo, or the account that the service runs as"))
                return
            while (command := await _read_command(reader)) is not None:
                await _say(writer, await self._answer(command, partial(_tell, writer)))
        except MessageError as error:
            await _say(writer, Failed(message=str(error), remedy="use the isapy of the same version as the service"))
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError):
            return  # the caller has gone, or says nothing: nobody is left to be told
        finally:
            writer.close()

    async def _answer(self, command: Command, tell: Tell) -> Reply:
        try:
            return await self._handle(command, tell)
        except Exception as error:
            context = {"message": f"control command {type(command).__name__} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return Failed(
                message=f"{type(command).__name__} failed inside the service: {type(error).__name__}: {error}",
                remedy="the service's output has the traceback",
            )


async def _read_command(reader: asyncio.StreamReader) -> Command | None:
    async with asyncio.timeout(COMMAND_SECONDS):
        try:
            raw_length = await reader.readexactly(LENGTH.size)
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None
        return decode_command(await reader.readexactly(message_length(raw_length, COMMAND_LIMIT)))


def _tell(writer: asyncio.StreamWriter, text: str) -> None:
    if not writer.is_closing():
        writer.write(encode(Progress(text=text)))


async def _say(writer: asyncio.StreamWriter, reply: Reply) -> None:
    writer.write(encode(reply))
    with suppress(ConnectionError):
        await writer.drain()
