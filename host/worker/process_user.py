"""The user that this process is, for people who wonder why a file cannot be read."""

from __future__ import annotations

import os
import pwd


def process_user() -> str:
    """`www-data (uid 33)`, or `uid 70123` where the machine has no name for it (ApplicationPoolIdentity)."""
    user = os.geteuid()
    try:
        return f"{pwd.getpwuid(user).pw_name} (uid {user})"
    except (KeyError, OSError):
        return f"uid {user}"
