"""What a process of a server is, told from its name and its place in the tree."""

from __future__ import annotations

import psutil


def name_and_rank(process: psutil.Process) -> str:
    """`nginx worker`, `uwsgi master`: a process below one of the same name is a worker, the one above it the master."""
    name = process.name()
    parent = process.parent()
    return f"{name} {'worker' if parent is not None and parent.name() == name else 'master'}"


def single_process(process: psutil.Process) -> str:
    """For a server that is one process: its children are programs it runs."""
    name = process.name()
    return f"{name} worker" if not name.startswith("hello") else "program"
