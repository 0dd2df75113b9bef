"""Where the built-in extensions, filters and the sample configuration lie: in the wheel, or in the checkout."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def bundled_folder(name: str) -> Path:
    """The folder `extensions`, `filters` or `conf` that came with isapy. Raises FileNotFoundError."""
    for folder in (_PACKAGE / "bundled" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"isapy's own {name} folder is missing beside {_PACKAGE}: reinstall isapy")
