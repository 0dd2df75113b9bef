"""Ports that stay free until their server takes them."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from bench.ports import ephemeral_ports, free_port

ROOT = Path(__file__).resolve().parents[2]


def test_a_port_is_given_once_and_never_one_of_the_kernels_own() -> None:
    """Outgoing connections take theirs from that range at any moment."""
    given = [free_port() for _ in range(50)]
    assert len(set(given)) == 50
    assert not set(given) & set(ephemeral_ports())


def test_two_processes_are_given_different_ports() -> None:
    """Also when both ask before either has listened."""
    code = "from bench.ports import free_port; print(*(free_port() for _ in range(30)), flush=True); input()"
    command = [sys.executable, "-c", code]
    runs = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)
    ]
    mine = {str(free_port()) for _ in range(30)}
    theirs = []
    for run in runs:
        assert run.stdout is not None
        theirs.append(set(run.stdout.readline().split()))
    for run in runs:
        run.communicate("\n", timeout=60)
    assert [len(ports) for ports in (mine, *theirs)] == [30, 30, 30]
    assert len(mine.union(*theirs)) == 90


def test_a_port_that_somebody_listens_on_is_passed_over() -> None:
    """On any address: a server that wants every address could not have it."""
    port = free_port() + 1
    while True:
        try:
            taken = socket.create_server(("127.0.0.1", port))
            break
        except OSError:
            port += 1
    with taken:
        assert port not in {free_port() for _ in range(100)}
