"""What the spawner asks of whoever starts scripts as other users (`host/script_users`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from host.wire.spawn_messages import LaunchProgram


class LaunchNotAllowed(Exception):
    """The script may not run as the user that it would run as: `check` names the rule."""

    def __init__(self, check: str, reason: str, remedy: str) -> None:
        super().__init__(f"{reason} ({check})")
        self.check, self.reason, self.remedy = check, reason, remedy


class UserLaunch(Protocol):
    """Starts `message.script` as its user."""

    def launch(self, message: LaunchProgram, descriptors: Sequence[int]) -> tuple[int, bytes]:
        """The process id, and the temporary folder that was made for it, empty when none was. Raises LaunchNotAllowed;
        OSError with the errno of exec."""

    def close(self) -> None:
        """No more is started."""
