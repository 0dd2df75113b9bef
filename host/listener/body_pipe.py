"""The rest of a request's body on its way from the client's socket into a pipe, past listener and worker: splice(2).

A worker whose program reads its body from a pipe hands over that pipe's end. No byte passes through Python then, and
where the client's machine and ours have sent whole pages none is copied before the program reads it. What had been read
before the worker asked, and had not been sent, is written into the pipe first. The transport's own descriptor cannot be
watched (uvloop refuses), so the work is done on a duplicate of it, while the transport does not read. What the pipe
does not take stays with the client.
"""

from __future__ import annotations

import asyncio
import functools
import os
import select
from collections.abc import Callable
from typing import Final, Protocol

from host.listener.body_spool import BodySpool

_AT_ONCE: Final = 1024 * 1024
_SPOOLED_AT_ONCE: Final = 256 * 1024
_FLAGS: Final = os.SPLICE_F_NONBLOCK | os.SPLICE_F_MOVE  # not to wait is ours to say: the pipe's flags are shared
_NO_WAIT: Final = os.RWF_NOWAIT
_LOOK_SECONDS: Final = 0.5


class BodySource(Protocol):
    """The client's connection, as its pipe sees it."""

    def body_passed(self, count: int) -> None:
        """So many bytes went into the pipe (0: it is there), and the client is waited for, unless that was all."""

    def body_stalled(self) -> None:
        """It takes none for now: nobody waits for the client."""

    def body_delivered(self) -> None:
        """What had been spooled is in the pipe, long after the client has sent the last of it. The pipe is closed."""

    def body_unread(self) -> None:
        """Nobody reads the pipe any more. It is closed."""

    def body_broken_off(self) -> None:
        """The client has left in the middle of it. The pipe is closed."""


class BodyPipe:
    """What is left of one body: `ahead`, which is here, and `left` bytes to come. `source` is a duplicate of the
    client's socket, owned from now on.

    `is_announced` is the dialogue's: the worker has been told that it is awaited.
    """

    __slots__ = (
        "_ahead",
        "_client",
        "_is_taken",
        "_left",
        "_loop",
        "_said",
        "_say",
        "_source",
        "_spool",
        "_target",
        "_timer",
        "_watches_source",
        "_watches_target",
        "is_announced",
        "is_closed",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, source: int, left: int, client: BodySource, ahead: bytes = b""
    ) -> None:
        self._loop = loop
        self._source = source
        self._ahead = ahead
        self._left = left
        self._client = client
        self._target = -1
        self._spool: BodySpool | None = None  # what has come after `ahead`
        self._say: Callable[[bool], None] | None = None
        self._said = True
        self._is_taken = False  # since the last look
        self._timer: asyncio.TimerHandle | None = None
        self._watches_source = self._watches_target = False
        self.is_announced = False
        self.is_closed = False

    @property
    def is_awaited(self) -> bool:
        """Whether the worker may send its end of the pipe."""
        return self.is_announced and not self.is_closed and self._target < 0

    @property
    def is_spooled(self) -> bool:
        """Whether some of it is here."""
        return self._spool is not None

    @property
    def is_stopped(self) -> bool:
        """Whether nothing is taken off the client."""
        return not self.is_closed and self._left > 0 and not self._watches_source

    def spool(self, spool: BodySpool) -> None:
        """Take what the client sends without waiting for the pipe, as far as there is room; `spool` is owned."""
        self._spool = spool
        self._watch(source=True, target=self._target >= 0)

    def begin(self, target: int, say: Callable[[bool], None]) -> None:
        """Write into `target`, which is owned from now on. `say` is called when it has changed whether the client is
        waited for or the pipe's reader, twice a second at most; and again while a slow reader reads."""
        self._target = target
        self._say = say
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)
        if self._spool is not None:
            self._watch(source=self._watches_source, target=True)
        elif not self._ahead or self._has_written_ahead():
            self._watch_source()
            self._client.body_passed(0)
            if not self.is_closed:
                self._readable()  # most of it is here by now

    def close(self) -> None:
        """Write nothing more. The pipe's reader sees its end when the worker has let go, too."""
        if self.is_closed:
            return
        self.is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._watch(source=False, target=False)
        if self._spool is not None:
            self._spool.close()
            self._spool = None
        os.close(self._source)
        if self._target >= 0:
            os.close(self._target)

    def _readable(self) -> None:
        """The client has sent something, or has left."""
        if self._spool is not None:
            self._read_into(self._spool)
            return
        try:
            count = os.splice(self._source, self._target, min(self._left, _AT_ONCE), flags=_FLAGS)
        except BlockingIOError:
            if not _has_room(self._target):
                self._watch_target()
                self._client.body_stalled()
            return
        except BrokenPipeError:
            self.close()
            self._client.body_unread()
            return
        except OSError:  # a reset, for example
            count = 0
        if count == 0:
            self.close()
            self._client.body_broken_off()
            return
        self._is_taken = True
        self._left -= count
        if self._left == 0:
            self.close()
        self._client.body_passed(count)

    def _writable(self) -> None:
        """The pipe's reader has read, or has gone."""
        if self._ahead and not self._has_written_ahead():
            return
        spool = self._spool
        if spool is not None:
            self._write_from(spool)
            return
        self._watch_source()
        self._readable()

    def _read_into(self, spool: BodySpool) -> None:
        if not spool.has_room:
            self._watch(source=False, target=self._watches_target)
            self._client.body_stalled()
            return
        try:
            data = os.read(self._source, min(self._left, _SPOOLED_AT_ONCE))
            spool.add(data)
        except BlockingIOError:
            return
        except OSError:  # a reset, or no memory: the program must not take this for the end
            data = b""
        if not data:
            self.close()
            self._client.body_broken_off()
            return
        self._left -= len(data)
        if self._left == 0:
            self._watch(source=False, target=self._watches_target)
        self._client.body_passed(len(data))

    def _write_from(self, spool: BodySpool) -> None:
        try:
            if spool.waiting_bytes:
                spool.move(self._target, _AT_ONCE)
                self._is_taken = True
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self.close()
            self._client.body_unread()
            return
        if spool.waiting_bytes:
            return
        spool.close()
        self._spool = None
        if self._left:
            self._watch_source()
            self._client.body_passed(0)
        else:
            self.close()
            self._client.body_delivered()

    def _has_written_ahead(self) -> bool:
        """Whether the pipe has taken all of `ahead`. Not to wait is ours to say here, too."""
        try:
            while self._ahead:
                count = os.pwritev(self._target, (self._ahead,), -1, _NO_WAIT)
                self._ahead = self._ahead[count:]
                self._is_taken = True
        except BlockingIOError:
            self._watch(source=self._watches_source and self._spool is not None, target=True)
            return False
        except OSError:  # nobody reads it any more
            self.close()
            self._client.body_unread()
            return False
        return True

    def _look(self) -> None:
        """Tell the worker whom the body waits for: time limits of its program depend on it."""
        self._timer = self._loop.call_later(_LOOK_SECONDS, self._look)
        if self._spool is not None and self._spool.has_room and self._left:
            self._watch(source=True, target=True)
        is_for_client = not self._watches_target
        if self._say is not None and (is_for_client is not self._said or (self._is_taken and not is_for_client)):
            self._said = is_for_client
            self._say(is_for_client)
        self._is_taken = False

    def _watch_source(self) -> None:
        self._watch(source=True, target=False)

    def _watch_target(self) -> None:
        self._watch(source=False, target=True)

    def _watch(self, *, source: bool, target: bool) -> None:
        if source and not self._watches_source:
            self._loop.add_reader(self._source, self._readable)
        elif self._watches_source and not source:
            self._loop.remove_reader(self._source)
        self._watches_source = source
        if target and not self._watches_target:
            self._loop.add_writer(self._target, self._writable)
        elif self._watches_target and not target:
            self._loop.remove_writer(self._target)
        self._watches_target = target


@functools.cache
def can_write_ahead() -> bool:
    """Whether the kernel writes into a pipe without waiting whatever the pipe's flags are: Linux 6.4 and later."""
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        return os.pwritev(writer, (b"?",), -1, _NO_WAIT) == 1
    except (OSError, NotImplementedError):  # the latter of a Python that was built without the call
        return False
    finally:
        os.close(reader)
        os.close(writer)


def _has_room(pipe: int) -> bool:
    """Whether it takes something, or says that it is broken."""
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    return bool(poll.poll(0))
