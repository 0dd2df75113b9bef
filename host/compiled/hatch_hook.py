"""Compiles the hot modules when pip builds isapy, for a wheel and for an editable installation alike.

Without a C compiler, or with ISAPY_COMPILED=off in the environment, what is installed is Python alone. `isapy check`
tells which it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parents[2]))  # hatchling loads this file by its path, from anywhere

from host.compiled import build, finder


class CompiledModulesHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile what is not current; a wheel gets the files and the name of the platform that they are for."""
        if self.target_name != "wheel" or os.environ.get(finder.SWITCH) == "off":
            return
        try:
            if not build.is_current():
                build.compile_modules()
        except build.CompilationError as error:
            self.app.display_warning(f"isapy is installed without compiled modules: {error}")
            return
        if version != "editable":
            build_data["pure_python"], build_data["infer_tag"] = False, True
            folder = os.path.relpath(finder.FOLDER, self.root)
            build_data["force_include"][finder.FOLDER] = folder
