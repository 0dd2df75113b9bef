"""The socket that a FastCGI process finds as its descriptor 0 (FCGI_LISTENSOCK_FILENO), and the way to it.

A unix socket in a folder that only the pool's user may enter: nobody else can have scripts run. Its name is given to
the kernel through /proc/self/fd, because a socket's path may have 107 bytes only and temporary folders lie deep.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import tempfile
from typing import Final

_BACKLOG: Final = 128


class SocketFolder:
    """A private folder for unix sockets; made when the first one is needed."""

    def __init__(self) -> None:
        self._path = ""
        self._descriptor = -1
        self._numbers = itertools.count(1)

    def new_place(self) -> str:
        """A short path to a name that nobody has in the folder. Raises OSError."""
        if self._descriptor < 0:
            self._path = tempfile.mkdtemp(prefix="isapy-fastcgi-")
            self._descriptor = os.open(self._path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        return f"/proc/self/fd/{self._descriptor}/{next(self._numbers)}"

    def close(self) -> None:
        """Remove it with everything in it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            shutil.rmtree(self._path, ignore_errors=True)


class ListeningSocket:
    """A socket for one process. `descriptor` is to be closed here (`hand_over`) as soon as the process has it, so that
    its end closes the socket."""

    def __init__(self, folder: SocketFolder, *, over_tcp: bool) -> None:
        self._place = "" if over_tcp else folder.new_place()
        self._socket = socket.socket(socket.AF_INET if over_tcp else socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.bind(("127.0.0.1", 0) if over_tcp else self._place)
            self._socket.listen(_BACKLOG)
        except BaseException:
            self.close()
            raise
        self._address: str | tuple[str, int] = self._place or self._socket.getsockname()[:2]

    @property
    def descriptor(self) -> int:
        """What the process gets."""
        return self._socket.fileno()

    @property
    def is_local(self) -> bool:
        """Whether it is a unix socket."""
        return bool(self._place)

    def hand_over(self) -> None:
        """The process has it."""
        self._socket.close()

    def connect(self) -> socket.socket:
        """A connection to the process, which need not have come to accept it. Raises OSError when it is gone."""
        made = socket.socket(socket.AF_UNIX if self._place else socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.connect(self._address)
        except BaseException:
            made.close()
            raise
        made.setblocking(False)
        return made

    def close(self) -> None:
        """The process is gone: nothing of the socket is left."""
        self._socket.close()
        if self._place:
            with contextlib.suppress(OSError):
                os.unlink(self._place)
