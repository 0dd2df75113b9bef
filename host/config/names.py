"""Enumerations of configuration values that other rooms compare with, and how managed classes are named."""

from __future__ import annotations

import enum
import re
from typing import Final

_MANAGED_TYPE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class AccessPolicy(enum.Flag):
    """`handlers/@accessPolicy` (IIS's numbers)."""

    NONE = 0
    READ = 1
    WRITE = 2
    EXECUTE = 4
    SOURCE = 16
    SCRIPT = 512
    NO_REMOTE_WRITE = 1024
    NO_REMOTE_READ = 4096
    NO_REMOTE_EXECUTE = 8192
    NO_REMOTE_SCRIPT = 16384


ACTION_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs are looked for that the configuration names for an occasion (orphanActionExe, autoShutdownExe)."""


class ResponseMode(enum.Enum):
    """`httpErrors/error/@responseMode`."""

    FILE = "File"
    EXECUTE_URL = "ExecuteURL"
    REDIRECT = "Redirect"


def is_managed_type(text: str) -> bool:
    """Whether `text` names a managed class of isapy, `module:Class`; .NET writes `Namespace.Class, Assembly`."""
    return _MANAGED_TYPE.fullmatch(text) is not None
