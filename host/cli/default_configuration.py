"""Which configuration is meant when the command line names none."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from host.bundled_files import bundled_folder

SITE_CONFIGURATION: Final = Path("conf", "applicationHost.config")
"""Where a site keeps its configuration, below the site's folder (`isapy init` writes it there)."""


def default_configuration() -> Path:
    """The current folder's own configuration if it is a site's folder, else the samples' that come with isapy."""
    if SITE_CONFIGURATION.is_file():
        return SITE_CONFIGURATION.absolute()
    return bundled_folder("conf") / SITE_CONFIGURATION.name
