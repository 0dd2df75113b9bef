"""Looks whether a pool still has its temporary folder, as long as its parent lives: a cleaner may remove it.

A folder that this process may make again it makes again. Where it may not (it has an account of its own, or is in a
sandbox that knows the folder of before), the service is asked for another parent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from host.config.model import Pool
from host.confinement.confine import Confined
from host.confinement.temporary_folder import restore
from host.wire.control_messages import Unhealthy

_LOOK_SECONDS: Final = 1.0


class FolderWatch:
    """For a parent that is `confined`: `report(event id, text)` tells of it, `send` is for the service."""

    def __init__(
        self, confined: Confined, pool: Pool, report: Callable[[str, str], None], send: Callable[[Unhealthy], None]
    ) -> None:
        self._folder = confined.temporary_folder
        self._what = f"the temporary folder {self._folder} of pool {pool.name} has been removed"
        self._report = report
        self._send = send
        self._helps_another = confined.is_other_account or pool.confinement.is_made_at_start
        self._looks_at = 0.0

    def look(self, now: float) -> None:
        """Once a second, whoever calls how often; `now` is monotonic seconds."""
        if now < self._looks_at:
            return
        self._looks_at = now + _LOOK_SECONDS
        try:
            if restore(self._folder):
                self._report("temporary-folder-lost", f"{self._what}: it is made again")
        except OSError as error:
            self._looks_at = math.inf  # once is enough
            if self._helps_another:
                self._report("temporary-folder-lost", f"{self._what}: another parent makes it again")
                self._send(Unhealthy(reason=self._what))
            else:
                text = f"{self._what}, and cannot be made again: {error}; make what is missing and recycle the pool"
                self._report("temporary-folder-lost", text)
