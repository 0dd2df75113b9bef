"""Starts our own child processes, with one control channel each and nothing else inherited; ends them, reaps them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import multiprocess
import multiprocess.resource_tracker
from setproctitle import setproctitle

from host.early_signals import let_signals_in

_spawn_context: Final = multiprocess.get_context("spawn")
_prctl: Final = ctypes.CDLL(None, use_errno=True).prctl
_SIGKILL: Final = int(signal.SIGKILL)
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_PTRACER: Final = 0x59616D61
_PR_SET_PTRACER_ANY: Final = 0xFFFFFFFFFFFFFFFF


def start_child(target: Callable[..., None], control: socket.socket, title: str, *arguments: Any) -> Any:
    """Start `target(control, *arguments)` in a fresh interpreter (multiprocess, spawn context) and give the Process.

    The child sees standard input (null), output and error, and its end of the control channel. `control` stays the
    caller's and should be closed here afterwards, so that the child's death is seen as the end of input.
    """
    _do_without_resource_tracker()
    process = _spawn_context.Process(target=_run, args=(target, control, title, arguments), name=title)
    process.start()
    return process


def _run(target: Callable[..., None], control: socket.socket, title: str, arguments: tuple[Any, ...]) -> None:
    become(title)
    close_on_exec()
    target(control, *arguments)


def become(title: str) -> None:
    """What every child does first: its title and its signals."""
    entitle(title)
    take_signals()
    let_signals_in()  # the service has held them, if it was not ready yet


def entitle(title: str) -> None:
    """What the process is called in `ps`."""
    setproctitle(f"isapy: {title}")


def take_signals(asked_to_end: Callable[[], object] | None = None) -> None:
    """Only the service ends by what goes to a whole process group or cgroup; the others are told by their channel.

    Ctrl-C does, and SIGTERM from timeout(1), many supervisors, and systemd without KillMode=mixed. It has a handler and
    is not ignored: programs that a plugin starts have it as usual (exec takes handlers away), and so have its forks.
    `asked_to_end` is called, in the handler, for SIGTERM to this process: it may ask the service for its end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    own_pid = os.getpid()

    def leave_it_to_the_service(number: int, _frame: FrameType | None) -> None:
        if os.getpid() != own_pid:  # a plugin has forked: multiprocessing's terminate() must work
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif asked_to_end is not None:
            asked_to_end()

    signal.signal(signal.SIGTERM, leave_it_to_the_service)


def close_on_exec() -> None:
    """No program that this process starts, or one that is forked from it, inherits what is open now."""
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the listing's own descriptor is closed by now
                os.set_inheritable(int(name), False)


def become_subreaper() -> None:
    """Orphans below this process become its children instead of init's (prctl PR_SET_CHILD_SUBREAPER, Linux 3.4)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_with_parent(parent: int) -> None:
    """Called in a fresh child of the process `parent`: it is killed when the thread that started it ends (prctl
    PR_SET_PDEATHSIG). A parent that has ended before that could be said has taken the child with it, too."""
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), _SIGKILL)


def allow_debuggers() -> None:
    """Let a debugger of the same user attach to this process, also where Yama allows ancestors alone (PR_SET_PTRACER,
    Linux 3.4), and also after a change of identity, which makes a process undumpable."""
    _prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    _prctl(_PR_SET_PTRACER, ctypes.c_ulong(_PR_SET_PTRACER_ANY), 0, 0, 0)


def continue_at_parents_death() -> None:
    """When the parent dies the kernel sends SIGCONT (prctl PR_SET_PDEATHSIG): a process that was stopped for a while
    runs then, sees that its channels have ended, and ends in order."""
    _prctl(_PR_SET_PDEATHSIG, int(signal.SIGCONT), 0, 0, 0)


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    """Send a signal to a child of ours that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _do_without_resource_tracker() -> None:
    """multiprocess starts a process that looks after shared memory; isapy shares none, so it is given a null sink."""
    tracker = multiprocess.resource_tracker._resource_tracker
    if getattr(tracker, "_fd", None) is None:
        tracker._fd = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
