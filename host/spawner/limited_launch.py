"""Starts a program under resource limits of its own, or as another user. posix_spawn cannot do either, so this forks: a
process with one thread may, and the child does it before the program's first instruction, not after it has begun.

It costs about a millisecond more than `posix_spawn`, and only programs that need it come here.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NoReturn

from host.wire.spawn_messages import Limits

_ERRNO: Final = struct.Struct("=i")


def _nothing() -> None:
    """What a program that stays this process's user becomes."""


def spawn_limited(
    argv: Sequence[bytes],
    environment: Mapping[bytes, bytes],
    descriptors: Sequence[int],
    limits: Limits,
    become: Callable[[], None] = _nothing,
) -> int:
    """Start `argv[0]` in a session of its own with `descriptors` as 0, 1 and 2; gives its process id.

    `become` is called in the child, before the limits are set and the program is executed. Raises OSError with the
    errno of `become`, setrlimit or exec, as posix_spawn does, and ValueError for a zero byte.
    """
    arguments = (argv[0], list(argv), dict(environment))
    _refuse_zero_bytes(arguments)
    told, tells = os.pipe2(os.O_CLOEXEC)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # no handler of ours runs in the child
    try:
        pid = os.fork()
        if pid == 0:
            _become_program(arguments, descriptors, limits, tells, become)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(tells)
    with open(told, "rb") as pipe:
        failure = pipe.read(_ERRNO.size)  # exec closes the other end
    if failure:
        os.waitpid(pid, 0)
        number = _ERRNO.unpack(failure)[0]
        raise OSError(number, os.strerror(number))
    return pid


def _become_program(
    arguments: tuple[bytes, list[bytes], dict[bytes, bytes]],
    descriptors: Sequence[int],
    limits: Limits,
    tells: int,
    become: Callable[[], None],
) -> NoReturn:
    try:
        os.setsid()
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        # duplicates first: one of the descriptors may have the number of another's place
        for place, source in enumerate([os.dup(descriptor) for descriptor in descriptors]):
            os.dup2(source, place)
        become()
        _apply(limits)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.execve(*arguments)
    except OSError as error:
        os.write(tells, _ERRNO.pack(error.errno or errno.EINVAL))
    except BaseException:
        os.write(tells, _ERRNO.pack(errno.EINVAL))
    os._exit(127)


def _apply(limits: Limits) -> None:
    wanted = (
        (resource.RLIMIT_CPU, limits.processor_seconds),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_AS, limits.address_space_bytes),  # the last one: it may be below what this fork has
    )
    for kind, value in wanted:
        if value:
            hard = resource.getrlimit(kind)[1]
            limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (limit, limit))


def _refuse_zero_bytes(arguments: tuple[bytes, list[bytes], dict[bytes, bytes]]) -> None:
    _, argv, environment = arguments
    texts = [*argv, *environment, *environment.values()]
    if any(b"\0" in text for text in texts) or any(b"=" in name or not name for name in environment):
        raise ValueError("a zero byte or a nameless variable")
