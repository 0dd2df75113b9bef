"""What isapy's own processes say by their exit code. The numbers are those of sysexits.h where it has the case.

A process that could not start because of something that another start would meet again says so by one of
`CANNOT_LOAD`: nobody starts it again until somebody has looked. Any other code, and every signal, is a failure that
the next start may not meet.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final


class ExitCode(enum.IntEnum):
    """Exit codes with a meaning."""

    DONE = 0  # ended as it was told to
    FAILED = 1  # an exception that nobody expected, after the start
    CANNOT_START = 70  # EX_SOFTWARE: the start itself raised
    NO_IDENTITY = 77  # EX_NOPERM: identity, limits or sandbox cannot be applied
    BAD_CONFIGURATION = 78  # EX_CONFIG: the configuration cannot be read
    PRELOADED_THREADS = 79  # a plugin started threads while a pool's parent imported it: the next one does without


REMEDIES: Final[Mapping[ExitCode, str]] = {
    ExitCode.CANNOT_START: "repair what the message names",
    ExitCode.NO_IDENTITY: "correct the pool's identity or sandbox, or what the service's user may do",
    ExitCode.BAD_CONFIGURATION: "correct the configuration (`isapy check` reads it as the pool does)",
}
"""What the operator does about a start that can never succeed; its keys are those starts."""


def cannot_load(status: int) -> ExitCode | None:
    """Which of the starts that can never succeed that exit status tells of; None for any other end.

    `status` is an exit code, or minus a signal.
    """
    return next((code for code in REMEDIES if code == status), None)
