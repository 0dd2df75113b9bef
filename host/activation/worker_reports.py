"""What the event log says of a worker: the event's id and its sentence, for each command of the worker's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from host.activation.children import EventReporter
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerCommand
from host.config.model import Pool

SENTENCES: Final[Mapping[WorkerCommand, tuple[str, Callable[[WorkerRecord, Pool], str]]]] = {
    # what goes on behind the worker's name
    WorkerCommand.REPORT_STARTUP_LIMIT: (
        "worker-startup-limit",
        lambda _worker, pool: f"was not ready within {pool.startup_time_limit_seconds} s",
    ),
    WorkerCommand.REPORT_SHUTDOWN_LIMIT: (
        "worker-shutdown-limit",
        lambda _worker, pool: f"did not end within {pool.shutdown_time_limit_seconds} s",
    ),
    WorkerCommand.REPORT_LINK_LOST: (
        "front-broken-link",
        lambda _worker, _pool: "lives on without its link; it is killed",
    ),
    WorkerCommand.REPORT_DEATH: ("worker-died", lambda worker, _pool: f"ended by {worker.end_text}"),
    WorkerCommand.REPORT_END: ("process-ended", lambda worker, _pool: f"has ended: {worker.end_text}"),
}


def report_command(report: EventReporter, command: WorkerCommand, worker: WorkerRecord, pool: Pool) -> None:
    """Write the event of a REPORT_ command; what it says is the worker's failure, if that is counted next."""
    event_id, sentence = SENTENCES[command]
    worker.failure_text = sentence(worker, pool)
    if worker.exit_status is None:  # the end is still to come, and this is why it comes
        worker.end_text = worker.end_text or f"it {worker.failure_text}"
    report_worker(report, event_id, worker, pool, f"{worker.name} {worker.failure_text}")


def report_worker(report: EventReporter, event_id: str, worker: WorkerRecord, pool: Pool, text: str) -> None:
    """Write an event about a worker, with the fields that every such event has."""
    fields = {"pool": pool.name, "worker": worker.name, "pid": str(worker.pid)}
    if worker.exit_status is not None:
        fields["status"] = str(worker.exit_status)
        fields |= worker.blame.fields if worker.blame is not None else {}
    report(event_id, text, fields)
