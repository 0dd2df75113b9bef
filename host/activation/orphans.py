"""Workers that were let go (`failure/@orphanWorkerProcess`): alive for a debugger, and of no use to their pool.

They take no requests and are not counted. They end by themselves, by the operator's hand, or with their pool: nothing
outlives its service.
"""

from __future__ import annotations

from collections.abc import Callable

from host.activation.actions import Occasion, run_action
from host.activation.children import Surroundings
from host.activation.worker_record import WorkerRecord


class Orphans:
    """The orphans of one pool, by name. `kill(worker)` ends one."""

    def __init__(self, around: Surroundings, kill: Callable[[WorkerRecord], None]) -> None:
        self.records: dict[str, WorkerRecord] = {}
        self._around = around
        self._kill = kill

    def take(self, worker: WorkerRecord) -> None:
        """Keep it, say so, and run orphanActionExe."""
        pool = worker.settings
        self.records[worker.name] = worker
        fields = {"pool": pool.name, "worker": worker.name, "pid": str(worker.pid)}
        text = f"{worker.name} is left as it is for a debugger, process {worker.pid}; end it with: kill -9 {worker.pid}"
        self._around.report("worker-orphaned", text, fields)
        if pool.orphan_action_exe:
            what_for = f"orphanActionExe for {worker.name}"
            occasion = Occasion(what_for, pool.orphan_action_exe, pool.orphan_action_params, str(worker.pid), fields)
            run_action(self._around, pool, occasion)

    def end(self) -> None:
        """The pool goes, and they with it."""
        for worker in self.records.values():
            self._kill(worker)
