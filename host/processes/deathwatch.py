"""Ends a process whose service is gone, also when its event loop is stuck.

Whoever loses its service finishes what it has and ends by itself; but in IIS 5 isolation mode applications run in
inetinfo and in dllhosts, and one that blocks the loop would keep the process, and its port, for ever. In worker process
isolation mode a pool's parent, which runs no application, does the same for its workers.
"""

from __future__ import annotations

import _thread
import os
import select
import signal
import socket
import time
from typing import Final

ORPHAN_SECONDS: Final = 90.0
"""`seconds` of a process that has no configuration yet: shutdownTimeLimit's default."""

GRACE_SECONDS: Final = 3.0
"""How much longer than `seconds` a process may take that has noticed it by itself."""


class Deathwatch:
    """A thread that waits for the end of the control channel. `seconds`: how long this process may live on then."""

    def __init__(self, control: socket.socket, seconds: float) -> None:
        self.seconds = seconds
        self._control = os.dup(control.fileno())  # its own: the channel may be closed, and its number given again
        # a threading.Thread would make the start wait until the thread has had its first turn
        _thread.start_new_thread(self._watch, ())

    def _watch(self) -> None:
        hung_up = select.poll()
        hung_up.register(self._control, 0)  # POLLHUP alone, which is always told
        hung_up.poll()
        time.sleep(self.seconds + GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)
