"""What a service says to the service that takes its place, beside the messages that every child knows.

Another version of isapy may be at the other end. These messages never change their fields: a later version adds
messages, or fields with defaults that it sends only to a peer whose `protocol` knows them.
"""

from __future__ import annotations

from typing import Final

from host.wire.message import Message

HANDOVER_VARIABLE: Final = "ISAPY_HANDOVER"
"""The environment variable that tells a service the number of its end of the channel, if it is to succeed another."""


class Succeed(Message, frozen=True, kw_only=True):
    """Service to its successor, behind one Listen for each socket: start beside me, and say Ready.

    Descriptors: standard error; and, where the first process of all stays as a waiter, its lifeline. `managers` are the
    endpoints whose sockets a service manager holds, too. `sites` and `pools` are run-time states that no configuration
    has: empty when started, else why it is not.
    """

    protocol: int
    managers: list[str]
    sites: dict[int, str]
    pools: dict[str, str]


class Serve(Message, frozen=True, kw_only=True):
    """Service to its successor: you are the service from now on; say Ready again. Descriptor: the control socket."""
