"""One request in hand, from its head to the last byte of its answer; and what becomes of it when its worker dies."""

from __future__ import annotations

import enum
from typing import Final, Protocol

from host.http1.request_head import RequestHead
from host.listener.error_log import Address
from host.listener.file_piece import FilePiece
from host.listener.piped_output import PipedOutput, Tell
from host.listener.refusals import Page
from host.listener.request_body import RequestBody
from host.listener.route import Route
from host.wire.frames import CacheFrame, LogFrame, ResponseFrame
from host.wire.request_dialogue import RequestState

IDEMPOTENT: Final = frozenset((b"GET", b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"))
"""RFC 9110 9.2.2. A worker says STARTED for every other method before plugin code sees the request."""

MAX_DEATHS: Final = 3
"""Workers that a request which none of them had started may cost before it is given up."""


class Origin(Protocol):
    """Where a request comes from."""

    is_secure: bool

    @property
    def facts(self) -> bytes:
        """`host.wire.frames.RequestFrame.connection`."""

    @property
    def address(self) -> Address:
        """Both ends of the connection."""

    @property
    def is_local(self) -> bool:
        """Whether the client is on this machine and may see causes."""


class Client(Origin, Protocol):
    """What the relay needs of the client's connection."""

    number: int
    links: list[Worker]  # the workers that were handed its requests

    def answer(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """The whole response in one frame. Raises ResponseHeadError, WireError."""

    def begin_answer(self, exchange: Exchange, frame: ResponseFrame) -> None:
        """The response begins: sets `exchange.response`. Raises ResponseHeadError, WireError."""

    def refuse(self, page: Page, *, closes_only: bool = False) -> None:
        """A refusal instead of a response; the connection closes. The exchange loses its client."""

    def reset(self, exchange: Exchange, page: Page, substatus: int) -> None:
        """The worker's own refusal, before it began to answer: a page, a line in the site's log, and close."""

    def cut(self, reason: str, win32_status: int) -> None:
        """A response that has begun cannot go on: break the connection. `reason` is HTTPERR's, if any."""

    def expect_body(self) -> None:
        """The worker asks for the body: tell a client that waits for it."""

    def body_moved(self) -> None:
        """The backlog of the body has changed: read on, or not."""

    def collect_body(self) -> None:
        """No worker takes the request before its body is whole, or one of the places of such requests is free: read the
        body as far as there is room for it, also of a client that waits to be asked for it."""

    def hold_body(self) -> None:
        """The worker has a pipe for what is left of the body: read no more of it here, if that can be done."""

    def waited_too_long(self) -> None:
        """No worker took the request in time."""


class Worker(Protocol):
    """What an exchange's holder needs of the link that has it."""

    worker: str
    pid: int
    is_closed: bool
    is_draining: bool
    uploads: int
    exchanges: dict[int, Exchange]

    def send(self, frame: bytes) -> None:
        """Send this with everything else of the turn."""

    def send_soon(self, frame: bytes) -> None:
        """Send this when there is something else to send, or a little later."""

    def forget(self, number: int) -> None:
        """Close what was sent for that request and not claimed."""


class Response(Protocol):
    """A response under way (response_stream.ResponseStream)."""

    codes: tuple[int, int, int]
    sent_bytes: int
    raw_head: bytes

    def data(self, data: bytes) -> None:
        """A piece. Raises WireError when the worker exceeds its window."""

    def file(self, offset: int, length: int) -> FilePiece | None:
        """A piece of a file; None when it is not sent. Raises WireError."""

    def pipe(self, most_bytes: int, tell: Tell) -> PipedOutput | None:
        """What comes out of a pipe; None when it is not read. Raises WireError."""

    def end(self) -> None:
        """No more pieces will come."""

    def pump(self) -> None:
        """Move what can move."""

    def close(self) -> None:
        """The connection is gone: drop everything."""


class Exchange:
    """A request in hand. `client` is None once the client is gone; the worker's last word is then awaited alone."""

    __slots__ = (
        "body",
        "cache_policy",
        "client",
        "deaths",
        "head",
        "holds_upload_place",
        "is_held",
        "is_logged",
        "link",
        "log",
        "number",
        "queue_deadline",
        "received_at",
        "response",
        "route",
        "state",
    )

    def __init__(self, client: Client, head: RequestHead, route: Route, received_at: float) -> None:
        self.client: Client | None = client
        self.head = head
        self.route = route
        self.received_at = received_at  # the clock's seconds
        self.number = 0  # on the links of its workers, and in its id
        self.link: Worker | None = None
        self.state = RequestState.SENT
        self.deaths = 0
        self.holds_upload_place = False  # its worker has it, and its client still sends its body
        self.is_held = False  # outside its queue, while its body comes
        self.queue_deadline = 0.0
        self.body: RequestBody | None = None
        self.response: Response | None = None
        self.log: LogFrame | None = None
        self.is_logged = True  # false: the worker wants no line of it
        self.cache_policy: CacheFrame | None = None  # the worker's word before its answer

    @property
    def awaits_body(self) -> bool:
        """Whether its client still sends its body."""
        return self.body is not None and not self.body.is_complete

    def let_body_go(self) -> None:
        """It is over for the client: nothing of the body goes to the worker any more."""
        if self.body is not None:
            self.body.close()


class Fate(enum.Enum):
    """What becomes of a request whose worker died."""

    FORGET = "the client is gone"
    CUT = "the response had begun"
    REQUEUE = "no worker had started it"
    REPLAY = "doing it twice is as good as once"
    REFUSE = "it may have been acted on, or its body is gone"


def fate_of(exchange: Exchange) -> Fate:
    """The rules of replay, in order.

    A worker says STARTED before it acts on a request that is not idempotent, so SENT means that nothing happened. An
    idempotent one may have been acted on, and is repeated once if the pool allows it.
    """
    if exchange.client is None:
        return Fate.FORGET
    if exchange.state is RequestState.RESPONDING or exchange.response is not None:
        return Fate.CUT
    if exchange.body is not None and not exchange.body.is_at_hand:
        return Fate.REFUSE
    if exchange.head.method in IDEMPOTENT:
        if exchange.deaths == 0 and exchange.route.pool.replay_idempotent_requests:
            return Fate.REPLAY
        return Fate.REFUSE
    if exchange.state is RequestState.SENT and exchange.deaths + 1 < MAX_DEATHS:
        return Fate.REQUEUE
    return Fate.REFUSE
