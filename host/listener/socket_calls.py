"""System calls on sockets that never wait, by descriptor.

A socket object of Python's costs a new connection about as much as the calls themselves: two more of them when it is
made, an address as text, and at each call the interpreter's lock, which is let go and taken again. What does not wait
need not let it go. So a connection that is accepted, read, answered and closed (`newcomers`) goes by these, which are
functions of the C library. The buffers are the module's own: one thread may call it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import termios
from typing import Any, Final

READ_BYTES: Final = 16 * 1024
"""What `receive` takes at most: a whole head as everybody sends it, and a form."""

NOT_NOW: Final = -1
"""Instead of a descriptor or a count: there is nothing to be had, or nothing is taken, just now. It is the everyday end
of a round, and an exception would cost more than the call."""

_ADDRESS_BYTES: Final = 128  # sizeof(struct sockaddr_storage)
_ACCEPT_FLAGS: Final = int(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
_DO_NOT_WAIT: Final = int(socket.MSG_DONTWAIT)
_FLAGS: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
_LAST_FLAGS: Final = int(socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL | socket.MSG_MORE)
_NOT_NOW: Final = frozenset((errno.EAGAIN, errno.EINTR))
_IPV4: Final = int(socket.AF_INET)
_IPV6: Final = int(socket.AF_INET6)

# Handed over as they are, because they need not be converted at each call: buffers, and numbers that are no int in C.
_address: Final[Any] = ctypes.create_string_buffer(_ADDRESS_BYTES)
_address_size: Final = ctypes.c_uint32(0)  # socklen_t
_input: Final[Any] = ctypes.create_string_buffer(READ_BYTES)
_output_size: Final = ctypes.c_size_t(0)
_count: Final = ctypes.c_int(0)
_ADDRESS: Final[Any] = ctypes.byref(_address)
_ADDRESS_SIZE: Final[Any] = ctypes.byref(_address_size)
_INPUT: Final[Any] = ctypes.byref(_input)
_INPUT_SIZE: Final = ctypes.c_size_t(READ_BYTES)
_COUNT: Final[Any] = ctypes.byref(_count)
_UNREAD: Final = ctypes.c_ulong(termios.FIONREAD)

_library: Final = ctypes.PyDLL(None, use_errno=True)  # its functions keep the interpreter's lock
_accept4: Final[Any] = _library.accept4
_getsockname: Final[Any] = _library.getsockname
_recv: Final[Any] = _library.recv
_recv.restype = ctypes.c_ssize_t
_send: Final[Any] = _library.send
_send.restype = ctypes.c_ssize_t
_ioctl: Final[Any] = _library.ioctl
_close: Final[Any] = _library.close


def accept(listening: int) -> tuple[int, bytes]:
    """The next connection at a non-blocking socket: its descriptor, which does not block either, and the other end's
    address as the kernel writes it. NOT_NOW when there is none. Raises OSError."""
    _address_size.value = _ADDRESS_BYTES
    descriptor: int = _accept4(listening, _ADDRESS, _ADDRESS_SIZE, _ACCEPT_FLAGS)
    if descriptor < 0:
        _raise_unless_not_now()
        return NOT_NOW, b""
    raw: bytes = _address[: _address_size.value]
    return descriptor, raw


def own_address(descriptor: int) -> bytes:
    """This end's address, as the kernel writes it. Raises OSError."""
    _address_size.value = _ADDRESS_BYTES
    if _getsockname(descriptor, _ADDRESS, _ADDRESS_SIZE) < 0:
        _raise_unless_not_now()
    raw: bytes = _address[: _address_size.value]
    return raw


def receive(descriptor: int) -> bytes | None:
    """What has come, READ_BYTES at most; empty at the end, None when nothing has come. Raises OSError."""
    count: int = _recv(descriptor, _INPUT, _INPUT_SIZE, _DO_NOT_WAIT)
    if count < 0:
        _raise_unless_not_now()
        return None
    data: bytes = _input[:count]
    return data


def send(descriptor: int, data: bytes, *, is_last: bool = False) -> int:
    """How much of `data` the kernel has taken; NOT_NOW when it takes nothing. Of what `is_last` it keeps the end back,
    for 200 ms at most, so that it leaves together with the connection's end, which must follow at once. Raises
    OSError."""
    _output_size.value = len(data)
    count: int = _send(descriptor, data, _output_size, _LAST_FLAGS if is_last else _FLAGS)
    if count < 0:
        _raise_unless_not_now()
    return count


def unread_bytes(descriptor: int) -> int:
    """How much has come that nobody has read; 0 also when the connection is gone."""
    return 0 if _ioctl(descriptor, _UNREAD, _COUNT) < 0 else _count.value


def close(descriptor: int) -> None:
    """Close it. Of a connection that the kernel has reset it says nothing."""
    _close(descriptor)


def address_of(family: int, raw: bytes) -> tuple[str, int] | None:
    """Host and port of an address as the kernel writes it; None where there are none (a unix socket's)."""
    if family == _IPV4:
        return socket.inet_ntop(_IPV4, raw[4:8]), raw[2] << 8 | raw[3]
    if family == _IPV6:
        return socket.inet_ntop(_IPV6, raw[8:24]), raw[2] << 8 | raw[3]
    return None


def _raise_unless_not_now() -> None:
    number = ctypes.get_errno()
    if number not in _NOT_NOW:
        raise OSError(number, os.strerror(number))
