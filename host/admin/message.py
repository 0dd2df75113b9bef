"""What all commands, replies and rows of the control socket are."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Base of commands and replies."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the rows of replies. A field that a later version adds has a default, so that old and new understand
    each other."""
