"""The socket that a FastCGI process finds as its descriptor 0 (FCGI_LISTENSOCK_FILENO), and the way to it.

A unix socket without a name: it is bound in a private folder, held by a descriptor, and the folder is removed at once.
Whoever can connect to a FastCGI process can have any script run; here nobody else can, and a worker that is killed
leaves nothing behind. The names are given to the kernel through /proc/self/fd, because a socket's path may have 107
bytes only and temporary folders lie deep.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
from typing import Final

_BACKLOG: Final = 128
_NAME: Final = "socket"


class ListeningSocket:
    """A socket for one process. `descriptor` is to be closed here (`hand_over`) as soon as the process has it, so that
    its end closes the socket."""

    def __init__(self, *, over_tcp: bool) -> None:
        """Raises OSError."""
        self._way = -1  # to the unix socket
        self._socket = socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if over_tcp:
                self._socket.bind(("127.0.0.1", 0))
            else:
                self._way = _bind_nameless(self._socket)
            self._socket.listen(_BACKLOG)
        except BaseException:
            self.close()
            raise
        self._address = f"/proc/self/fd/{self._way}" if self.is_local else self._socket.getsockname()[:2]

    @property
    def descriptor(self) -> int:
        """What the process gets."""
        return self._socket.fileno()

    @property
    def is_local(self) -> bool:
        """Whether it is a unix socket."""
        return self._way >= 0

    def hand_over(self) -> None:
        """The process has it."""
        self._socket.close()

    def connect(self) -> socket.socket:
        """A connection to the process, which need not have come to accept it. Raises OSError when it is gone."""
        made = socket.socket(socket.AF_UNIX if self.is_local else socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.connect(self._address)
        except BaseException:
            made.close()
            raise
        made.setblocking(False)
        return made

    def close(self) -> None:
        """Nobody connects any more."""
        self._socket.close()
        if self._way >= 0:
            os.close(self._way)
            self._way = -1


def _bind_nameless(unbound: socket.socket) -> int:
    """Bind it; gives a descriptor of its file, which has no name any more (connect(2) follows /proc/self/fd)."""
    path = tempfile.mkdtemp(prefix="isapy-fastcgi-")
    folder = -1
    try:
        folder = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        unbound.bind(f"/proc/self/fd/{folder}/{_NAME}")
        return os.open(_NAME, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(path, _NAME))
        os.rmdir(path)
        if folder >= 0:
            os.close(folder)
