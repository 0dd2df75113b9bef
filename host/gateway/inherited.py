"""What a program sees of the server's own environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

INHERITED: Final = ("PATH", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE")
"""The only variables of the server's own environment that a program sees: where things are."""

DEFAULT_PATH: Final = b"/usr/local/bin:/usr/bin:/bin"
"""PATH of a program when the server itself has none."""


def inherited_variables(server_environment: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The part of the server's environment that programs get; compute it once."""
    kept = {name.encode(): server_environment.get(name.encode(), b"") for name in INHERITED}
    return {b"PATH": DEFAULT_PATH} | {name: value for name, value in kept.items() if value}
