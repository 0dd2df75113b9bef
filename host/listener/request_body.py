"""A request's body on its way to a worker: under the worker's window, and kept while it may be needed again.

What has come and may not be sent yet waits here; the connection stops reading while that is more than BACKLOG, so an
upload never lies in the listener's memory. Of a large one READ_AHEAD is enough until the worker reads, and no more is
sent: it may have a pipe for the rest (`body_pipe`), and what was sent by then would have gone the long way. The first
KEPT_FOR_REPLAY bytes are kept, so that a request with a small body can be given to another worker. A short one is
waited for before any worker is given the request.
"""

from __future__ import annotations

from typing import Final

from host.http1.request_head import RequestHead
from host.listener.body_pipe import BodyPipe
from host.listener.body_spool import BodySpool
from host.wire.errors import WireError
from host.wire.frames import BODY_GRANT_STEP, INITIAL_BODY_WINDOW

KEPT_FOR_REPLAY: Final = 64 * 1024
BACKLOG: Final = 64 * 1024
LARGE: Final = 256 * 1024
READ_AHEAD: Final = BODY_GRANT_STEP  # with less, the worker and we would wait for each other


class RequestBody:
    """One request's body; `length` is announced, -1: nobody knows it."""

    __slots__ = (
        "_awaits_reader",
        "_is_dropped",
        "_kept",
        "_spool",
        "_unsent",
        "_unsent_bytes",
        "_window",
        "is_complete",
        "is_end_sent",
        "pipe",
        "received_bytes",
    )

    def __init__(self, length: int = -1) -> None:
        self.is_complete = False  # the client has sent all of it
        self.is_end_sent = False  # the worker knows
        self.received_bytes = 0
        self.pipe: BodyPipe | None = None  # the worker has asked to be spared the rest
        self._awaits_reader = length >= LARGE
        self._is_dropped = False
        self._spool: BodySpool | None = None  # what has come after `_unsent`
        self._window = INITIAL_BODY_WINDOW
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        self._kept: list[bytes] | None = []

    @property
    def is_backlogged(self) -> bool:
        """Whether the client should be read no further for now."""
        if self._spool is not None:
            return not self._spool.has_room
        return self._unsent_bytes > BACKLOG or (self._awaits_reader and self.received_bytes > READ_AHEAD)

    @property
    def is_at_hand(self) -> bool:
        """Whether everything that has come is kept, so that another worker can be given the request."""
        return self._kept is not None

    @property
    def is_all_sent(self) -> bool:
        """Whether nothing waits and nothing more will come."""
        return self.is_complete and not self._unsent and not self.is_spooled

    @property
    def is_spooled(self) -> bool:
        """Whether the client is rid of more of it than its reader wants (`spool`)."""
        return self._spool is not None or (self.pipe is not None and self.pipe.is_spooled)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it is taken off the client because its reader takes nothing."""
        if self.is_complete or self._is_dropped:
            return False
        return self.is_backlogged if self.pipe is None or self.pipe.is_closed else self.pipe.is_stopped

    def spool(self, spool: BodySpool) -> None:
        """Keep there what comes before its reader wants it."""
        if self.pipe is not None and not self.pipe.is_closed:
            self.pipe.spool(spool)
        else:
            self._spool, self._kept = spool, None

    @property
    def is_piped(self) -> bool:
        """Whether the connection must read nothing, because the rest goes past it."""
        return self.pipe is not None and not self.pipe.is_closed

    def announces_hold(self) -> bool:
        """Whether the worker is to be told now that no more of it comes: once, when nothing waits that is not for its
        pipe."""
        pipe = self.pipe
        if pipe is None or pipe.is_announced or pipe.is_closed or self._unsent or self._spool is not None:
            return False
        pipe.is_announced = True
        return True

    def receive(self, data: bytes) -> None:
        """More of it."""
        self.received_bytes += len(data)
        if self._is_dropped:
            return
        if self._spool is not None:
            self._spool.add(data)
            return
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if self._kept is not None:
            if self.received_bytes > KEPT_FOR_REPLAY:
                self._kept = None
            else:
                self._kept.append(data)

    def pass_by(self, count: int) -> None:
        """So many bytes more went into the worker's pipe: nobody has them any more."""
        self.received_bytes += count
        if count:
            self._kept = None

    def grant(self, count: int) -> None:
        """The worker can take `count` bytes more. Raises WireError when that is more than it was sent: what a worker
        does not read would wait in the listener's memory."""
        self._window += count
        self._awaits_reader = False
        if self._window > INITIAL_BODY_WINDOW:
            raise WireError(f"a window of {self._window} bytes for a body: {INITIAL_BODY_WINDOW} is the limit")

    def take(self) -> bytes:
        """What may be sent now."""
        most = self._window
        if self._awaits_reader:
            most -= INITIAL_BODY_WINDOW - READ_AHEAD  # nothing has been granted yet
        if self._spool is not None:
            self._refill(self._spool, most)
        if not self._unsent or most <= 0:
            return b""
        data = self._unsent[0] if len(self._unsent) == 1 else b"".join(self._unsent)
        if len(data) > most:
            data, rest = data[:most], data[most:]
            self._unsent = [rest]
        else:
            self._unsent = []
        self._unsent_bytes -= len(data)
        self._window -= len(data)
        return data

    def _refill(self, spool: BodySpool, most: int) -> None:
        if most > self._unsent_bytes:
            data = spool.take(most - self._unsent_bytes)
            if data:
                self._unsent.append(data)
                self._unsent_bytes += len(data)
            if not spool.waiting_bytes:
                self._leave_spool()

    def _leave_spool(self) -> None:
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def hold(self, *, for_pipe: bool) -> bytes:
        """The worker has asked to be spared the rest. `for_pipe`: what waits here is given, to be written there;
        otherwise it is to be sent first."""
        self._awaits_reader = False
        if not for_pipe or not self._unsent:
            return b""
        ahead = b"".join(self._unsent)
        self._unsent, self._unsent_bytes, self._kept = [], 0, None
        return ahead

    def rewind(self) -> None:
        """The worker died: everything is to be sent again, to another. Only while `is_at_hand`."""
        kept = self._kept
        if kept is None:
            raise ValueError("the body is not at hand any more")
        self._unsent = list(kept)
        self._unsent_bytes = self.received_bytes
        self._window = INITIAL_BODY_WINDOW
        self.is_end_sent = False
        self.close_pipe()
        self.pipe = None

    def drop_rest(self) -> None:
        """Whoever was to read what is still to come is gone: it is counted only."""
        self._kept, self._is_dropped = None, True
        self._leave_spool()
        self._awaits_reader = False

    def close(self) -> None:
        """Nothing goes to the worker any more."""
        self._leave_spool()
        self.close_pipe()

    def close_pipe(self) -> None:
        """Nothing goes into the worker's pipe any more."""
        if self.pipe is not None:
            self.pipe.close()

    def forget(self) -> bool:
        """The response has begun: nobody will need it again. Whether the client was stopped that may go on, and what
        waits here may leave: it may send everything before it reads."""
        self._kept = None
        was_stopped = self._awaits_reader and self.is_backlogged
        self._awaits_reader = False
        return was_stopped


def is_read_ahead(head: RequestHead, most_bytes: int) -> bool:
    """Whether a worker gets the request with its whole body only (`<listener bodyReadAhead>`): one who sends a short
    body slowly, or never, then holds no worker's turn. A client that waits to be asked for it is not kept waiting, and
    the length of a chunked body is not known."""
    return 0 < head.content_length <= most_bytes and not head.expects_continue
