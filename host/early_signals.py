"""Signals that come before the service can obey them: SIGHUP and SIGUSR2, whose default action would end it.

From the first moment they are blocked, through exec and fork, and the kernel keeps one of each. The service lets them
in when it is ready; a child does so at once, and has handlers of its own.
"""

from __future__ import annotations

import signal
from typing import Final

HELD: Final = frozenset({signal.SIGHUP, signal.SIGUSR2})
"""What a service obeys only when it is ready. SIGTERM and SIGINT end it in any case."""


def hold_signals() -> None:
    """Nobody is ready for them yet."""
    signal.pthread_sigmask(signal.SIG_BLOCK, HELD)


def let_signals_in() -> None:
    """What has come meanwhile is delivered now."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
