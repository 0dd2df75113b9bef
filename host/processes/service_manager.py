"""What a service manager (systemd, or anything that speaks its protocol) is told, and its watchdog.

The protocol is one datagram of `NAME=value` lines to the unix socket that NOTIFY_SOCKET names (sd_notify(3)). Nothing
here can fail the service: a manager that does not listen is told in vain.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Final

_SEND_SECONDS: Final = 5.0  # a manager whose queue is full is waited for so long, with what must not be lost


class ServiceManager:
    """The notification socket, or nobody. `watchdog_seconds` is how long the manager waits for `alive`; 0: for ever."""

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        self.address = address
        self.watchdog_seconds = watchdog_seconds if address else 0.0
        self._last_status = ""

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> ServiceManager:
        """As the variables say; they are taken out, so that no child believes that they are meant for it.

        WATCHDOG_USEC counts only for the process that WATCHDOG_PID names, if it names one (sd_watchdog_enabled(3)).
        """
        address = environment.pop("NOTIFY_SOCKET", "")
        microseconds = environment.pop("WATCHDOG_USEC", "")
        watched = environment.pop("WATCHDOG_PID", "")
        is_watched = microseconds.isdecimal() and watched in ("", str(os.getpid()))
        return cls(address if address[:1] in ("/", "@") else "", int(microseconds) / 1e6 if is_watched else 0.0)

    @property
    def is_there(self) -> bool:
        """Whether anybody wants to be told."""
        return bool(self.address)

    def variables(self) -> Mapping[str, str]:
        """The environment variables from which a successor of this process learns the same."""
        if not self.address:
            return {}
        found = {"NOTIFY_SOCKET": self.address}
        if self.watchdog_seconds:
            found["WATCHDOG_USEC"] = str(round(self.watchdog_seconds * 1e6))
        return found

    def ready(self, status: str) -> None:
        """The service is up, or has done with a reload; `status` is a sentence for `systemctl status`."""
        self._say("READY=1", f"STATUS={_one_line(status)}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it. The clock lets the manager tell this reload from an earlier one."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def status(self, status: str) -> None:
        """Another sentence for `systemctl status`."""
        if status != self._last_status:
            self._last_status = status
            self._say(f"STATUS={_one_line(status)}", seconds=0.0)

    def stopping(self, seconds: float) -> None:
        """The service ends and may need `seconds`, whatever the unit's TimeoutStopSec says."""
        microseconds = round(seconds * 1e6)
        self._say("STOPPING=1", "STATUS=finishes the requests in hand", f"EXTEND_TIMEOUT_USEC={microseconds}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self._say("WATCHDOG=1", seconds=0.0)

    def main_process(self, pid: int) -> None:
        """Another process is the service from now on."""
        self._say(f"MAINPID={pid}")

    def _say(self, *lines: str, seconds: float = _SEND_SECONDS) -> None:
        if not self.address:
            return
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notification:
            notification.settimeout(seconds)
            notification.sendto("\n".join(lines).encode(), address)


class Watchdog:
    """Feeds the manager's watchdog at half of its limit, as long as `is_well()` holds.

    It runs on the service's loop, so that a stuck loop feeds nothing.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, manager: ServiceManager, is_well: Callable[[], bool]) -> None:
        self._loop = loop
        self._manager = manager
        self._is_well = is_well
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin, if there is a watchdog."""
        if self._manager.watchdog_seconds:
            self._feed()

    def stop(self) -> None:
        """Feed no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _feed(self) -> None:
        self._timer = self._loop.call_later(self._manager.watchdog_seconds / 2, self._feed)
        if self._is_well():
            self._manager.alive()


def _one_line(text: str) -> str:
    return " ".join(text.split())
