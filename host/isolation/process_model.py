"""The interface of a process model: which processes, whose queue, where the handler runs, which policies apply."""

from __future__ import annotations

from typing import Protocol

from host.config.model import Application, IsolationMode, Snapshot
from host.isolation.placement import Placement, Slot


class ProcessModel(Protocol):
    """Worker process isolation (IIS 6) or IIS 5 isolation; `model_for` chooses."""

    @property
    def mode(self) -> IsolationMode:
        """Which of the two it is."""

    @property
    def front_runs_plugins(self) -> bool:
        """Whether filters and some handlers run in the front itself (IIS 5: inetinfo)."""

    @property
    def allows_raw_data_filters(self) -> bool:
        """Whether a filter may see bytes before they are parsed (IIS 5 only)."""

    @property
    def has_pool_policies(self) -> bool:
        """Whether recycling, health, idle time-out, rapid-fail protection and web gardens apply (IIS 6 only)."""

    def slots(self, snapshot: Snapshot) -> tuple[Slot, ...]:
        """Every process the service keeps for this configuration, the front first."""

    def place(self, application: Application, *, in_process_only: bool = False) -> Placement:
        """Whose queue takes a request of this application, and where its handler runs."""
