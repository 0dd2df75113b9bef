"""What the first process of a service becomes when `isapy upgrade` has put another process in its place.

    python -m host.processes.waiter PID DESCRIPTOR

It waits for the service (PID at first; the lifeline DESCRIPTOR tells of later ones), passes signals on to it, and ends
as it ended. Whoever started isapy (a terminal, a container, a supervisor) sees one process from beginning to end.
Little is imported here: this process may stay for months.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
from typing import Final

from setproctitle import setproctitle

from host.processes.lifeline import WaitersEnd

PASSED_ON: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
"""Signals that mean the service."""


def block_signals() -> None:
    """Keep the signals until `wait` takes them. To be called before this process becomes the waiter, so that none is
    lost, and none ends it, meanwhile; what is blocked stays blocked when another program is executed."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})


def wait(lifeline: WaitersEnd) -> int:
    """Until the service has ended; gives its exit status, or minus its signal."""
    while True:
        ended = _reap()
        service = lifeline.service  # read behind the reaping: what ended had announced its successor before
        if service in ended:
            return ended[service]
        setproctitle(f"isapy: waiter for service {service}")
        _pass_on(signal.sigwaitinfo({*PASSED_ON, signal.SIGCHLD}).si_signo, lifeline.service)


def _pass_on(number: int, service: int) -> None:
    if number != signal.SIGCHLD:
        with contextlib.suppress(ProcessLookupError):
            os.kill(service, number)


def _reap() -> dict[int, int]:
    """Every child that has ended. The service of before is one of them, and so are orphans: this process was a service
    itself once, and is still the subreaper of what is below it."""
    ended: dict[int, int] = {}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, raw_status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            ended[pid] = os.waitstatus_to_exitcode(raw_status)
    return ended


def main() -> int:
    """The process's life."""
    block_signals()
    service, descriptor = int(sys.argv[1]), int(sys.argv[2])
    os.set_inheritable(descriptor, False)
    status = wait(WaitersEnd(socket.socket(fileno=descriptor), service))
    if status < 0:
        _end_by(-status)
    return status


def _end_by(number: int) -> None:
    """End by the same signal: what started isapy tells a crash from an exit."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the service has left a core file, if any
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)


if __name__ == "__main__":
    sys.exit(main())
