"""What a process of a server is, told from its name and its place in the tree."""

from __future__ import annotations

import os

import psutil


def name_and_rank(process: psutil.Process) -> str:
    """`nginx worker`, `uwsgi master`: a process below one of the same name is a worker, the one above it the master."""
    name = process.name()
    parent = process.parent()
    return f"{name} {'worker' if parent is not None and parent.name() == name else 'master'}"


def single_process(process: psutil.Process) -> str:
    """For a server that is one process, which was started here: all others are programs it runs."""
    return f"{process.name()} worker" if process.ppid() == os.getpid() else "program"
