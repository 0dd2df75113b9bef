"""Whether the front takes requests of a pool, and what is said and done when it no longer does."""

from __future__ import annotations

from typing import Final

from host.activation.actions import Occasion, run_action
from host.activation.children import Surroundings
from host.activation.front_group import FrontGroup
from host.config.model import Pool

# HTTPERR's words for why a pool takes no requests
DISABLED: Final = "Disabled"  # an administrator stopped it, or autoStart="false"
APP_OFFLINE: Final = "AppOffline"  # its workers fail
APP_SHUTDOWN: Final = "AppShutdown"  # a policy shut it down


class PoolDoor:
    """The door of one pool's queue. `pool` is the configuration in force, `queue` the queue's name."""

    def __init__(self, queue: str, pool: Pool, around: Surroundings, front: FrontGroup) -> None:
        self.pool = pool
        self.reason = ""  # HTTPERR's word while requests are refused; empty while they are taken
        self.why = ""  # the sentence behind it, where the pool was not stopped by hand
        self._queue = queue
        self._around = around
        self._front = front

    def open(self) -> None:
        """Requests are taken."""
        self.reason = self.why = ""
        self._front.queue_state(self._queue, "")
        self._around.report("pool-started", f"pool {self.pool.name} takes requests", {"pool": self.pool.name})

    def close(self, reason: str) -> None:
        """Requests are refused from now on, those that wait included."""
        was_closed, self.reason = self.reason == reason, reason
        self._front.queue_state(self._queue, reason)
        if was_closed:
            return  # a stop that changes nothing is no event
        why = f": {self.why}" if reason == APP_SHUTDOWN else ""  # the others have an event of their own
        text = f"pool {self.pool.name} refuses requests with 503 {reason}{why}"
        self._around.report("pool-stopped", text, {"pool": self.pool.name})

    def run_auto_shutdown(self) -> None:
        """Run failure/@autoShutdownExe, if there is one: the service has shut the pool down by itself."""
        pool = self.pool
        if pool.auto_shutdown_exe:
            what_for = f"autoShutdownExe for pool {pool.name}"
            fields = {"pool": pool.name}
            occasion = Occasion(what_for, pool.auto_shutdown_exe, pool.auto_shutdown_params, pool.name, fields)
            run_action(self._around, pool, occasion)
