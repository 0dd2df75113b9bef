"""The folder with the modules cgi and cgitb for a Python that has them no more."""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Final

DISTRIBUTION: Final = "legacy-cgi"
_MODULES: Final = ("cgi.py", "cgitb.py")


def make_legacy_folder(place: str = "") -> bytes:
    """A new folder in `place` (empty: where temporary files are) with copies of them and nothing else, which everybody
    may read; empty when the distribution is not installed beside isapy. Raises OSError."""
    try:
        files = importlib.metadata.distribution(DISTRIBUTION).files or []
    except importlib.metadata.PackageNotFoundError:
        return b""
    folder = Path(tempfile.mkdtemp(prefix="isapy-legacy-cgi-", dir=place or None))
    for file in files:
        if str(file) in _MODULES:
            copy = folder / file.name
            copy.write_bytes(Path(str(file.locate())).read_bytes())
            copy.chmod(0o644)
    folder.chmod(0o755)  # scripts may run as another user than who has made it
    return bytes(folder)
