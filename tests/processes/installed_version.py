"""Another version of isapy, installed in place of the one that a running service was started from."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.running_service import ROOT, RunningService, start_service


class InstalledVersion:
    """`folder/isapy` is where the service finds its code: a link that `install` turns to another tree."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._link = folder / "isapy"
        self._link.symlink_to(ROOT)
        self._number = 0

    def start(self, config: Path, *arguments: str, environment: dict[str, str] | None = None) -> RunningService:
        """A service that runs what is installed."""
        variables = {"PYTHONPATH": str(self._link), **(environment or {})}
        return start_service(self._folder, config, *arguments, environment=variables, current_folder=self._folder)

    def install(self, version: str, *, main: str = "") -> None:
        """From now on this version; `main` is put before the code of every process that `python -m` starts."""
        self._number += 1
        tree = self._folder / f"isapy-{self._number}"
        shutil.copytree(ROOT / "host", tree / "host", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("extensions", "filters", "conf"):
            (tree / name).symlink_to(ROOT / name)
        (tree / "host" / "__init__.py").write_text(f'"""Another version."""\n\n__version__ = "{version}"\n')
        file = tree / "host" / "processes" / "__main__.py"
        future = "from __future__ import annotations\n"
        file.write_text(file.read_text().replace(future, f"{future}\n{main}\n", 1))
        link = self._folder / "isapy.new"
        link.symlink_to(tree)
        link.replace(self._link)
