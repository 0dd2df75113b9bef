"""What is fed with whatever strangers send, each as a function of bytes: it returns, or it has found a defect.

Only the declared errors are caught. The demands are properties that hold for every input: a parser says the same of
bytes in one piece and in many, and what it accepts has the shape that everything behind it relies on.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from host.config.listener_settings import ForwardedHeaders
from host.http1.errors import RemoteProtocolError, ResponseHeadError
from host.http1.limits import Limits
from host.http1.policy import HeadPolicy
from host.http1.reader import RequestReader, Signal
from host.http1.request_head import RequestHead
from host.http1.target import routing_path
from host.http1.writer import begin_response, read_worker_head
from host.listener.forwarded import UNKNOWN_ADDRESS, ForwardedClients
from host.wire import codec
from host.wire.errors import WireError
from host.wire.frames import Kind, ResponseFrame

LIMITS: Final = Limits()
_PROXIES: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("10.0.0.0/8"))
_FORWARDED: Final = [
    ForwardedClients(ForwardedHeaders(header=header, networks=_PROXIES)) for header in ("X-Forwarded-For", "Forwarded")
]
_END_OF_HEAD: Final = b"Date: x\r\n\r\n"
_DECODERS: Final[dict[Kind, Callable[[bytes], object]]] = {
    Kind.REQUEST: codec.decode_request,
    Kind.RESPONSE: codec.decode_response,
    Kind.FILE: codec.decode_file,
    Kind.PIPE: codec.decode_pipe,
    Kind.PIPE_STATE: codec.decode_pipe_state,
    Kind.END: codec.decode_end,
    Kind.RESET: codec.decode_reset,
    Kind.LOG: codec.decode_log,
    Kind.SESSION_END: codec.decode_session_end,
    **dict.fromkeys((Kind.CREDIT, Kind.WINDOW, Kind.BODY_WINDOW), codec.decode_number),
}


def requests(data: bytes) -> None:
    """A client's bytes: the same requests whole and byte by byte, and each of them fit to be routed."""
    whole = _read(data, len(data) or 1)
    assert _read(data, 1) == whole
    for head, _ in whole[0]:
        _, target, *_ = head
        if target != b"*":
            _check_path(target)


def _read(data: bytes, size: int) -> tuple[list[tuple[tuple[bytes, ...], bytes]], bool]:
    """The complete requests in `data`, fed in pieces of that size, and whether something was refused."""
    reader = RequestReader(HeadPolicy(LIMITS))
    found: list[tuple[tuple[bytes, ...], bytes]] = []
    head: tuple[bytes, ...] = ()
    body = b""
    try:
        for at in range(0, len(data), size):
            reader.receive(data[at : at + size])
            while True:
                event = reader.next_event()
                if event is Signal.NEED_DATA:
                    break
                if isinstance(event, RequestHead):
                    length = b"%d" % event.content_length
                    head, body = (event.method, event.target, event.fields, event.host, length), b""
                elif isinstance(event, bytes):
                    body += event
                elif event is Signal.PAUSED:
                    found.append((head, body))
                    reader.start_next()
    except RemoteProtocolError:
        return found, True
    return found, False


def _check_path(target: bytes) -> None:
    try:
        path = routing_path(target.partition(b"?")[0], LIMITS)
    except RemoteProtocolError:
        return
    assert path.startswith("/"), target
    assert not {"..", ".", "\\"} & set(path.split("/")), target
    assert "\\" not in path, target
    assert "//" not in path, target
    assert not any(ord(character) < 32 for character in path), target


def frames(data: bytes) -> None:
    """A worker's or a front's bytes: the same frames whole and in pieces; bodies are read or refused."""
    whole = _frames(data, len(data) or 1)
    assert _frames(data, 7) == whole
    for kind, number, body in whole[0]:
        decode = _DECODERS.get(kind)
        if decode is not None:
            with suppress(WireError):
                decoded = decode(body)
                if isinstance(decoded, ResponseFrame):
                    assert codec.encode_response(number, decoded) == codec.encode(kind, number, body)


def _frames(data: bytes, size: int) -> tuple[list[tuple[Kind, int, bytes]], bool]:
    decoder = codec.FrameDecoder()
    found: list[tuple[Kind, int, bytes]] = []
    try:
        for at in range(0, len(data), size):
            found += decoder.receive(data[at : at + size])
    except WireError:
        return [], True  # the link is closed: what came with the broken frame does not count
    return found, False


def forwarded(data: bytes) -> None:
    """A block of header fields of a believed proxy: a client with a real address, or none."""
    for clients in _FORWARDED:
        found = clients.client(data)
        if found is not None:
            ipaddress.ip_address(found.address or UNKNOWN_ADDRESS)  # not told: the proxy stands for it
            assert 0 <= found.port < 65536


def worker_heads(data: bytes) -> None:
    """A worker's response head: refused, or one head on the client's wire and nothing behind it."""
    try:
        head = read_worker_head(data)
    except ResponseHeadError:
        return
    raw, _ = begin_response(RequestHead(b"GET", b"/", 1, b"", 0), head, _END_OF_HEAD)
    assert raw.count(b"\r\n\r\n") == 1
    assert raw.endswith(b"\r\n\r\n")
    lines = raw[:-4].split(b"\r\n")
    assert not any(b"\r" in line or b"\n" in line for line in lines)
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "requests": requests,
    "frames": frames,
    "forwarded": forwarded,
    "worker_heads": worker_heads,
}
