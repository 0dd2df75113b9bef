"""What a request gets whose plugin failed."""

from __future__ import annotations

from host.api import HttpError


class PluginError(HttpError):
    """A plugin raised, or could not be loaded. `failure` is its traceback: for a local client and the event log."""

    def __init__(self, status: int, substatus: int, detail: str, *, remedy: str, failure: str) -> None:
        super().__init__(status, substatus, detail, remedy=remedy, failure=failure)
