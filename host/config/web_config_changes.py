"""Which web.config files say something else than they did, until somebody is told."""

from __future__ import annotations

from host.config.document import Document


class WebConfigChanges:
    """Changes that were seen and not told yet. `is_due`: something moved since it was tried last to tell them."""

    def __init__(self) -> None:
        self.is_due = False
        self._files: dict[str, None] = {}

    def note(self, file: str, before: Document | None, after: Document | None) -> None:
        """That file was looked at again; None: there is none. A comment or the order of attributes is no change."""
        if _says(before) != _says(after):
            self._files[file] = None
        self.is_due = bool(self._files)

    def take(self) -> list[str]:
        """The files that changed, each once; they count as told."""
        files, self._files = list(self._files), {}
        self.is_due = False
        return files


def _says(document: Document | None) -> object:
    if document is None:
        return ()
    return tuple(
        (
            fragment.section.path,
            fragment.location,
            fragment.override_mode,
            fragment.inherits_in_child_applications,
            fragment.content.node.canonical(),
        )
        for fragment in document.fragments
    )
