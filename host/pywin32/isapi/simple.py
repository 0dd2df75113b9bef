"""`isapi.simple`: base classes with nothing but defaults."""

from __future__ import annotations

from typing import Any


class SimpleExtension:
    """An extension: override `HttpExtensionProc`. The class's docstring is its description."""

    def GetExtensionVersion(self, vi: Any) -> None:
        """`vi` is None after a reload."""
        if vi is not None:
            vi.ExtensionDesc = self.__doc__ or ""

    def HttpExtensionProc(self, control_block: Any) -> int | None:
        """Answer a request; returns an HSE_STATUS_."""
        raise NotImplementedError(f"{type(self).__name__} has no HttpExtensionProc")

    def TerminateExtension(self, status: int) -> Any:
        """The worker ends."""


class SimpleFilter:
    """A filter: set `filter_flags`, override `HttpFilterProc`."""

    filter_flags: int | None = None

    def GetFilterVersion(self, fv: Any) -> None:
        """Tells the notifications that are wanted. Raises RuntimeError without `filter_flags`."""
        if self.filter_flags is None:
            raise RuntimeError(f"{type(self).__name__} does not say its filter_flags")
        if fv is not None:
            fv.Flags = self.filter_flags
            fv.FilterDesc = self.__doc__ or ""

    def HttpFilterProc(self, fc: Any) -> int | None:
        """Take a notification; returns an SF_STATUS_, None for the next filter."""
        raise NotImplementedError(f"{type(self).__name__} has no HttpFilterProc")

    def TerminateFilter(self, status: int) -> Any:
        """The worker ends."""
