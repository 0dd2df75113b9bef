"""The package `isapi`: the errors of extensions and filters, and the request to be loaded again."""

from __future__ import annotations

from host.pywin32.win32api import FormatMessage


class ISAPIError(Exception):
    """A call of the server failed: Win32 code, its text (looked up when it is wanted), the function's name."""

    def __init__(self, errno: int, strerror: str | None = None, funcname: str | None = None) -> None:
        super().__init__(errno, strerror, funcname)
        self.errno = errno
        self.strerror = strerror
        self.funcname = funcname

    def __str__(self) -> str:
        if self.strerror is None:
            self.strerror = FormatMessage(self.errno)
        return str((self.errno, self.strerror, self.funcname))


class FilterError(ISAPIError):
    """Of a filter's context."""


class ExtensionError(ISAPIError):
    """Of an extension's control block."""


class InternalReloadException(Exception):
    """Raised by a callback: terminate, load the module again, and repeat the call."""
