"""Enumerations of configuration values that other rooms compare with."""

from __future__ import annotations

import enum


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


class ResponseMode(enum.Enum):
    """`httpErrors/error/@responseMode`."""

    FILE = "File"
    EXECUTE_URL = "ExecuteURL"
    REDIRECT = "Redirect"
