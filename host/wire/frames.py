"""What is said about a request, between the front (listener or inetinfo) and a worker (or dllhost).

Every frame starts with `HEADER`: the length of what follows the length field (u32), the request id (u32, 0 for the
link itself) and the kind (u8). Integers are little-endian. The id is the front's and is unique on one link while the
request lives.

front to worker
    REQUEST      a request head, with as much of the body as had arrived; see `RequestFrame`
    BODY         more of the request's body (only inside the window that BODY_WINDOW granted)
    BODY_END     the body is complete
    ABORT        the client is gone: cancel the handler; the worker still answers with END or RESET
    WINDOW       u32: the worker may send that many more body bytes of this response
    SESSION_END  u64: the client connection of that number is closed (id 0)
    DRAIN        no further REQUEST will come on this link (id 0)
    PIPE_STATE   what has become of a PIPE, see `PIPE_STATE_BODY` and `PipeState`; RETURNED or ENDED is the last one
    BODY_HELD    answers BODY_HOLD: no BODY follows, what is left of the body waits for the worker's pipe
    BODY_WAITS   u32: the body that goes into the pipe waits for its client (1) or for the pipe's reader (0); said twice
                 a second at most, when it has changed, and again when a slow reader has taken something; first it is 1
worker to front
    CREDIT       u32: the worker can take that many more requests (id 0)
    STARTED      a handler may begin to act on this request: it cannot be requeued any more
    RESPONSE     head, and the body's beginning or all of it; see `ResponseFrame`
    DATA         more of the response's body
    FILE         a piece of an open file, see `FILE_BODY`; its descriptor comes over the side socket. It counts as
                 FILE_WINDOW_BYTES in the window whatever its length: a waiting file costs a descriptor, not memory
    PIPE         what comes out of a pipe next, see `PIPE_BODY`; its reading end comes over the side socket, and is the
                 front's until it says RETURNED or ENDED. It counts in the window as FILE does. An END while the front
                 has it takes it back: the response ends with what has been read
    END          the response is complete; see `END_BODY`
    RESET        the response cannot be completed: u16 status, u16 substatus, u8 credit, text (the reason, UTF-8)
    BODY_WINDOW  u32: the front may send that many more bytes of the request's body
    LOG          changed fields of the log line, see `LogFrame`; at most once, before END or a complete RESPONSE
    CACHE        the complete RESPONSE that follows may enter the front's cache, see `CacheFrame`; with INVALIDATES
                 any RESPONSE may follow
    INVALIDATE   u32: what the answer to the request of that number put into the cache is out of date (id 0)
    BODY_HOLD    the worker has a pipe for what is left of the request's body; a front that would rather go on with
                 BODY says nothing

Descriptors travel over a side socket (SOCK_SEQPACKET) beside the stream: one packet of `SIDE_PACKET` (request id,
sequence number of the FILE or PIPE frame within the response, from 0) with one descriptor in SCM_RIGHTS. After
BODY_HELD one comes with BODY_PIPE as its number: the end of a pipe that the front writes the rest of the request's
body into, to say BODY_END when that is done, or when the pipe has lost its reader and the rest has been dropped.
"""

from __future__ import annotations

import enum
from struct import Struct
from typing import Final, NamedTuple

PROTOCOL_VERSION: Final = 1
HEADER: Final = Struct("<IIB")
LENGTH: Final = Struct("<I")
MAX_FRAME_BYTES: Final = 17 * 1024 * 1024  # maxRequestBytes may be 16 MiB, and more than a head is in a frame
MAX_LOG_CHARACTERS: Final = 65536  # of one text: maxLogLineLength is no larger
FRAMES_AT_ONCE: Final = 8  # a busy loop turn writes as soon as so many frames wait: the other side need not idle
MAX_DATA_BYTES: Final = 64 * 1024  # bodies are cut into pieces of at most this size
INITIAL_RESPONSE_WINDOW: Final = 1024 * 1024
MAX_FILE_OFFSET: Final = 2**63 - 1  # off_t
NO_PIPE_LIMIT: Final = MAX_FILE_OFFSET  # all that comes out of it
FILE_WINDOW_BYTES: Final = 64 * 1024  # what a FILE or a PIPE counts in the response window
BODY_PIPE: Final = 0xFFFFFFFF  # instead of a sequence number: the descriptor is for the request's body
INITIAL_BODY_WINDOW: Final = 256 * 1024  # body bytes the front may send with and after REQUEST before a BODY_WINDOW
BODY_GRANT_STEP: Final = INITIAL_BODY_WINDOW // 4  # a worker that has read so much of a body says BODY_WINDOW
LEAST_HELD: Final = 64 * 1024  # of a body must be to come for BODY_HOLD: less is here before the words are exchanged


class Kind(enum.IntEnum):
    """Frame kinds; below 16 front to worker, from 16 worker to front."""

    REQUEST = 1
    BODY = 2
    BODY_END = 3
    ABORT = 4
    WINDOW = 5
    SESSION_END = 6
    DRAIN = 7
    PIPE_STATE = 8
    BODY_HELD = 9
    BODY_WAITS = 10
    CREDIT = 16
    STARTED = 17
    RESPONSE = 18
    DATA = 19
    FILE = 20
    END = 21
    RESET = 22
    BODY_WINDOW = 23
    LOG = 24
    CACHE = 25
    INVALIDATE = 26
    PIPE = 27
    BODY_HOLD = 28


class RequestFlag(enum.IntFlag):
    """Facts about a request that fit into one byte."""

    SECURE = 1  # the client speaks TLS, to us or to a believed proxy
    HTTP_1_1 = 2  # otherwise HTTP/1.0
    HAS_BODY = 4
    BODY_COMPLETE = 8  # the whole body is in the REQUEST frame; no BODY, no BODY_END
    EXPECT_CONTINUE = 16  # the client waits for 100 Continue; the front sends it at the first BODY_WINDOW
    KEEP_ALIVE = 32
    REPLAYED = 64  # an earlier worker died with it


class ResponseFlag(enum.IntFlag):
    """Facts about a response that fit into one byte."""

    COMPLETE = 1  # the whole body is in this frame: no DATA, no END
    CLOSE = 2  # close the client's connection afterwards
    RAW = 4  # nph: head_length is 0, body bytes go out as they are, then the connection is closed
    NO_CACHE = 8  # must not enter the listener's cache
    NO_SERVER = 16  # without a Server field
    REFUSAL = 32  # the page of a refusal: inetinfo's modules are told of it as of their own
    ABORTIVE = 64  # the client's connection is reset once it has the answer; comes with CLOSE
    NO_LOG = 128  # without a line in the site's log


REQUEST_BODY: Final = Struct("<BHHHHIq")  # flags, four lengths, length of the field block, content length
RESPONSE_BODY: Final = Struct("<BBHHII")  # flags, credit, status, substatus, win32 status, head length
FILE_BODY: Final = Struct("<IQQ")  # sequence number, offset, length
PIPE_BODY: Final = Struct("<IQ")  # sequence number, how many bytes may be read at most
PIPE_STATE_BODY: Final = Struct("<BQ")  # state, bytes that have been read since the PIPE
END_BODY: Final = Struct("<B")  # credit
CACHE_BODY: Final = Struct("<BI")  # flags, time to live
RESET_BODY: Final = Struct("<HHB")  # status, substatus, credit
NUMBER_32: Final = Struct("<I")
NUMBER_64: Final = Struct("<Q")
SIDE_PACKET: Final = Struct("<II")


class PipeState(enum.IntEnum):
    """What the front says of a pipe that it has been lent."""

    FLOWS = 0  # bytes come again; said at once after WAITS
    WAITS = 1  # the client would take bytes, and for some time none has come
    RETURNED = 2  # as many as may be read have been, or the front cannot read it: the worker goes on
    ENDED = 3  # everybody who wrote to it has closed it


class CacheFlag(enum.IntFlag):
    """What a cache must know of an answer beside its time to live."""

    IGNORES_COOKIES = 1  # it would be the same for a request with other cookies, or with none
    SHARED = 2  # the fields of answer and request decide, as RFC 9111 says for a shared cache; `seconds` means nothing
    INVALIDATES = 4  # it is not to be kept: what is kept by SHARED of its URL is out of date (RFC 9111 4.4)


class CacheFrame(NamedTuple):
    """A decoded CACHE: for how many seconds the answer is good; 0: until the worker says INVALIDATE or is gone."""

    flags: int
    seconds: int


class RequestFrame(NamedTuple):
    """A decoded REQUEST.

    `connection` is `remote address NUL remote port NUL local address NUL local port NUL connection number`, built once
    per connection (for each client, when a believed proxy speaks for several); over TLS ten more parts follow, see
    `host/listener/tls.py`. `application` is the key
    `<site id>:<application path>`, for example `1:/shop`. `fields` is the header block as it came: `Name: value` lines
    each ended by CRLF, without the empty line. `content_length` is -1 when the client sent a chunked body.
    """

    flags: int
    connection: bytes
    application: bytes
    method: bytes
    target: bytes
    fields: bytes
    content_length: int
    body: bytes


class ResponseFrame(NamedTuple):
    """A decoded RESPONSE. `head` is `404 Not Found CRLF` and the field lines, each ended by CRLF, no empty line.

    It may hold Content-Length; it never holds Date, Server, Connection, Keep-Alive or Transfer-Encoding: framing is
    the front's business. `credit` (0 or 1) gives back the request's credit, as END and RESET do.
    """

    flags: int
    credit: int
    status: int
    substatus: int
    win32_status: int
    head: bytes
    body: bytes


class LogFrame(NamedTuple):
    """A decoded LOG: seven texts (UTF-8) joined by NUL, in this order. An empty text leaves the field as it is; a
    field that shall be empty in the log line is `-`. `target` is path and query, percent-encoded.
    """

    user_name: str = ""  # the authenticated user; filters may have changed it
    client: str = ""  # instead of the client's address
    server: str = ""  # instead of the server's address
    method: str = ""
    target: str = ""
    status: str = ""  # decimal, 100 to 999
    win32_status: str = ""  # decimal
