"""Why a pool's parent does not start."""

from __future__ import annotations


class ConfinementError(Exception):
    """What was asked for cannot be had on this machine. Restarting is pointless: the pool must not run with more
    rights than its configuration gives it. `remedy` is one sentence for the operator."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message = message
        self.remedy = remedy
