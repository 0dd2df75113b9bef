"""`isapy upgrade`: the version that is installed now takes the running service's place."""

from __future__ import annotations

from typing import Final

from host.admin.commands import Upgrade
from host.cli.render import show
from host.cli.service_commands import Config, ask

UPGRADE_SECONDS: Final = 150.0
"""Longer than the service waits for its successor."""


def upgrade(config: Config = None) -> None:
    """Replace the running service by the version that is installed now.

    No connection is refused.

    \b
    The new service takes the listening sockets and starts its own processes; when it is ready,
    the old one finishes the requests in hand and ends. If the new one cannot start, the old one serves on.

    \b
    Example:
        pip install --upgrade isapy && isapy upgrade
    """
    show(ask(config, Upgrade(), waiting="starting the new service", timeout=UPGRADE_SECONDS))
