"""What the event log says of a worker: the event's id and its sentence, for each command of the worker's table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from host.activation.children import EventReporter
from host.activation.worker_record import WorkerRecord
from host.activation.worker_transitions import WorkerCommand


def _place(worker: WorkerRecord) -> str:
    """Which plugin's `load` or `unload`, or which native code, holds a worker up that is late."""
    blame = worker.crash_site.look()
    return f": it is {blame.sentence}" if blame is not None else ""


SENTENCES: Final[Mapping[WorkerCommand, tuple[str, Callable[[WorkerRecord], str]]]] = {
    # what goes on behind the worker's name
    WorkerCommand.REPORT_STARTUP_LIMIT: (
        "worker-startup-limit",
        lambda worker: f"was not ready within {worker.settings.startup_time_limit_seconds} s{_place(worker)}",
    ),
    WorkerCommand.REPORT_SHUTDOWN_LIMIT: (
        "worker-shutdown-limit",
        lambda worker: f"did not end within {worker.settings.shutdown_time_limit_seconds} s{_place(worker)}",
    ),
    WorkerCommand.REPORT_LINK_LOST: (
        "front-broken-link",
        lambda _worker: "lives on without its link; it is killed",
    ),
    WorkerCommand.REPORT_DEATH: ("worker-died", lambda worker: f"ended by {worker.end_text}"),
    WorkerCommand.REPORT_END: ("process-ended", lambda worker: f"has ended: {worker.end_text}"),
}


def report_command(report: EventReporter, command: WorkerCommand, worker: WorkerRecord) -> None:
    """Write the event of a REPORT_ command; what it says is the worker's failure, if that is counted next."""
    event_id, sentence = SENTENCES[command]
    worker.failure_text = sentence(worker)
    if worker.exit_status is None:  # the end is still to come, and this is why it comes
        worker.end_text = worker.end_text or f"it {worker.failure_text}"
    report_worker(report, event_id, worker, f"{worker.name} {worker.failure_text}")


def report_worker(report: EventReporter, event_id: str, worker: WorkerRecord, text: str) -> None:
    """Write an event about a worker, with the fields that every such event has."""
    fields = {"pool": worker.settings.name, "worker": worker.name, "pid": str(worker.pid)}
    if worker.exit_status is not None:
        fields["status"] = str(worker.exit_status)
        fields |= worker.blame.fields if worker.blame is not None else {}
    report(event_id, text, fields)
