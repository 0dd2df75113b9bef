"""Processes that lost their parent and came back to the service (it is their subreaper): reaped, and ended if asked."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Collection
from typing import Final

import psutil

_ROUNDS: Final = 50
_PAUSE_SECONDS: Final = 0.02


def reap_orphans(is_ours: Callable[[int], bool]) -> None:
    """Collect the exit status of every child that has ended and that nobody else waits for."""
    while True:
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if found is None or is_ours(found.si_pid):
            return  # one that was started here is joined by its own watcher
        os.waitpid(found.si_pid, 0)


def end_orphans(known: Collection[int], is_ours: Callable[[int], bool]) -> list[int]:
    """Kill the direct children that were not started here and are not `known` (CGI programs whose pool's parent
    died); gives their process ids."""
    ended = []
    for child in psutil.Process().children():
        if not is_ours(child.pid) and child.pid not in known:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
                ended.append(child.pid)
    return ended


def end_everything(spared: Collection[int] = ()) -> int:
    """The last word: kill and reap whatever is still below this process, but the `spared` children and what is below
    them; gives how many there were. Blocks briefly."""
    count = 0
    for _ in range(_ROUNDS):
        children = [child for child in psutil.Process().children() if child.pid not in spared]
        if not children:
            break
        for child in [each for top in children for each in (top, *_below(top))]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGKILL)
                count += 1
        for child in children:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child.pid, os.WNOHANG)
        time.sleep(_PAUSE_SECONDS)
    return count


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
