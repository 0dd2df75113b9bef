"""Folders of logs that somebody else has opened: for a process that may write in them, and may not pass through the
folders above them."""

from __future__ import annotations

import os


class HandedFolders:
    """Descriptors of folders by path. They belong to this object; one thread may take while another writes."""

    def __init__(self) -> None:
        self._descriptors: dict[str, int] = {}

    def take(self, path: str, descriptor: int) -> None:
        """Files in `path` are made through this descriptor from now on; open ones stay open."""
        before = self._descriptors.setdefault(path, descriptor)
        if before != descriptor:
            os.dup2(descriptor, before, inheritable=False)  # at once: another thread may be using it
            os.close(descriptor)

    def descriptor(self, path: str) -> int | None:
        """The folder's descriptor; None: it is reached by its path."""
        return self._descriptors.get(path)
