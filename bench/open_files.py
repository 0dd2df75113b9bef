"""How many files a measurement, and the servers that it starts, may have open."""

from __future__ import annotations

import resource
from typing import Final

_ENOUGH_DESCRIPTORS: Final = 65536


def raised_limit() -> int:
    """How many files this process and the servers may open, from now on as many as the machine allows."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard_limit == resource.RLIM_INFINITY:
        hard_limit = _ENOUGH_DESCRIPTORS
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard_limit, hard_limit))
    return hard_limit
