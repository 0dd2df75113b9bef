"""Builds C sources of a test with the command that `isapy cc` runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from host.native.building import plan_build

SAMPLES = Path(__file__).resolve().parents[2] / "conf" / "isapi"
LIBRARIES = Path(__file__).resolve().parent / "libraries"


def build(source: Path, folder: Path, *arguments: str) -> Path:
    """The shared object of that source, in `folder`; warnings are errors."""
    output = folder / f"{source.stem}.so"
    plan = plan_build([str(source), "-Werror", *arguments, "-o", str(output)])
    done = subprocess.run(plan.command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output


def build_text(text: str, folder: Path, name: str = "library", *arguments: str) -> Path:
    """The shared object of a C text."""
    source = folder / f"{name}.c"
    source.write_text(text)
    return build(source, folder, *arguments)
