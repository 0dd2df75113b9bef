"""Who may command the service."""

from __future__ import annotations

import os
import socket

from host.admin.access import Peer, peer_of, refusal, user_name


def test_the_kernel_names_the_peer() -> None:
    """A socketpair's other end is this process."""
    near, far = socket.socketpair()
    with near, far:
        assert peer_of(near) == Peer(os.getpid(), os.geteuid(), os.getegid())


def test_the_owner_and_root_may() -> None:
    """Nobody else."""
    assert refusal(Peer(1, 1000, 1000), 1000) == ""
    assert refusal(Peer(1, 0, 0), 1000) == ""


def test_others_are_told_why_not() -> None:
    """The reason names both users."""
    assert refusal(Peer(1, 54321, 0), 0) == (
        "the service runs as root (uid 0); you are uid 54321, and only root (uid 0) and root may command it"
    )


def test_unknown_users_have_a_number() -> None:
    """A user without an entry is no error."""
    assert user_name(0) == "root (uid 0)"
    assert user_name(54321) == "uid 54321"
