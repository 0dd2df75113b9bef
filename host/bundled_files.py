"""Where the built-in extensions, filters and the sample configuration lie: in the wheel, or in the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_PACKAGE = Path(__file__).resolve().parent


def _found(name: str) -> Path | None:
    places = (_PACKAGE / "bundled" / name, _PACKAGE.parent / name)
    return next((folder for folder in places if folder.is_dir()), None)


# Found when this is imported: a process that has become another user may not pass through the folders above any more.
_FOLDERS: Final = {name: _found(name) for name in ("extensions", "filters", "conf")}


def bundled_folder(name: str) -> Path:
    """The folder `extensions`, `filters` or `conf` that came with isapy. Raises FileNotFoundError."""
    folder = _FOLDERS[name]
    if folder is None:
        raise FileNotFoundError(f"isapy's own {name} folder is missing beside {_PACKAGE}: reinstall isapy")
    return folder
