"""Reads the switch: the one place that asks which process model is configured."""

from __future__ import annotations

from host.config.model import IsolationMode
from host.isolation.iis5_isolation import Iis5Isolation
from host.isolation.process_model import ProcessModel
from host.isolation.worker_isolation import WorkerProcessIsolation


def model_for(mode: IsolationMode) -> ProcessModel:
    """The process model of that mode."""
    if mode is IsolationMode.IIS5:
        return Iis5Isolation()
    return WorkerProcessIsolation()
