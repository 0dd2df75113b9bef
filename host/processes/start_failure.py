"""How a pool's parent or a worker gives up before it is ready: it says why, and its exit code says of which kind."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from host.config.errors import ConfigErrors
from host.confinement.errors import ConfinementError
from host.processes.control_channel import ControlChannel
from host.processes.event_loop import end_soon
from host.wire.control_messages import CannotStart
from host.wire.exit_codes import ExitCode

_PASSING: Final = {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EINTR}


class StartFailure(Exception):
    """This start has failed. `code` is one of `exit_codes.REMEDIES` when another one would fail, too; `reason` is for
    the operator."""

    def __init__(self, code: ExitCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def start_failure(error: Exception) -> StartFailure:
    """What an exception that ended a start means: BAD_CONFIGURATION for ConfigErrors, NO_IDENTITY for
    ConfinementError, FAILED for want of memory and the like (another start may be luckier), CANNOT_START for anything
    else."""
    if isinstance(error, StartFailure):
        return error
    if isinstance(error, ConfinementError):
        return StartFailure(ExitCode.NO_IDENTITY, str(error))
    if isinstance(error, ConfigErrors):
        return StartFailure(ExitCode.BAD_CONFIGURATION, "; ".join(str(problem) for problem in error.errors))
    passing = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _PASSING)
    return StartFailure(ExitCode.FAILED if passing else ExitCode.CANNOT_START, _describe(error))


@contextmanager
def starting(channel: ControlChannel) -> Iterator[None]:
    """What runs inside is this process's start. Raises SystemExit with the code of the failure when it fails, after the
    service was told the reason."""
    try:
        yield
    except Exception as error:  # the boundary: whatever it is, it has ended the start
        give_up(channel, start_failure(error))


def give_up(channel: ControlChannel, failure: StartFailure) -> None:
    """Tell the service why, and end. Raises SystemExit with the failure's code."""
    channel.send(CannotStart(reason=failure.reason))
    channel.close()
    end_soon(failure.code)
    raise SystemExit(int(failure.code)) from failure


def _describe(error: Exception) -> str:
    """What was raised, and where."""
    text = "".join(traceback.format_exception_only(error)).strip()
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
