"""Starts what a LaunchProgram names, as the user that this process is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Final

from host.spawner.limited_launch import spawn_limited
from host.wire.spawn_messages import NO_LIMITS, LaunchProgram

_DEFAULT_SIGNALS: Final = sorted(int(one) for one in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_DUPLICATE: Final = os.POSIX_SPAWN_DUP2


def start_program(message: LaunchProgram, descriptors: Sequence[int], become: Callable[[], None] | None = None) -> int:
    """In a session of its own, in this process's current folder; gives the process id. `become`, if any, is called in
    the child first. Raises OSError with the errno of exec; ValueError and IndexError for what is no command, or no name
    of a variable."""
    stdin, stdout, stderr = descriptors[0], descriptors[1], descriptors[2]
    environment = message.environment
    if become is not None:
        return spawn_limited(message.argv, environment, (stdin, stdout, stderr), message.limits, become)
    if message.limits != NO_LIMITS:
        return spawn_limited(message.argv, environment, (stdin, stdout, stderr), message.limits)
    return os.posix_spawn(
        message.argv[0],
        message.argv,
        environment,
        file_actions=(
            (_DUPLICATE, stdin, 0),
            (_DUPLICATE, stdout, 1),
            (_DUPLICATE, stderr, 2),
        ),
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULT_SIGNALS,
    )
