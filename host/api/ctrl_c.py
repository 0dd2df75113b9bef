"""Ctrl-C, and plugins that raise KeyboardInterrupt by themselves."""

from __future__ import annotations

import signal


def is_ctrl_c(error: BaseException) -> bool:
    """Whether somebody has pressed Ctrl-C, who runs a plugin's test for example. isapy's own processes ignore that
    signal: there a plugin has raised the exception, and it is an error of that plugin like any other."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN
