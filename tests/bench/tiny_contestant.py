"""The tiny server as a contestant."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

from bench.server import Contestant, Place, Plan

_PROGRAM = Path(__file__).with_name("tiny_server.py")


def tiny_contestant(*arguments: str) -> Contestant:
    """Answers in every scenario; `arguments` are the program's."""

    def plan(place: Place) -> Plan:
        return Plan(
            commands=((sys.executable, str(_PROGRAM), str(place.port), *arguments),), files={"note.txt": "hello"}
        )

    return Contestant(
        name="tiny",
        paths={"hello": "/", "static": "/", "big": "/"},
        plan=plan,
        role_of=role_of,
    )


def role_of(process: psutil.Process) -> str:
    """The child is the worker."""
    return "master" if process.children() else "worker"
