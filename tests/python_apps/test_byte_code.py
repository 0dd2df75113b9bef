"""What Python keeps of an application's modules, and what it may not keep."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

LET_IN = """
import sys
from host.python_apps.process_paths import PROCESS_PATHS, Wanted
PROCESS_PATHS.let_in(Wanted(application="/", environment="", folder=sys.argv[1], insists_on_folder=False))
import application
print(application.NUMBER)
"""


def number_in_a_new_process(folder: Path) -> str:
    """What an application's module says there."""
    words = [sys.executable, "-c", LET_IN, str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(words, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def save(module: Path, number: int, saved: float) -> None:
    """As if it had been saved at that time."""
    module.write_text(f"NUMBER = {number}\n")
    os.utime(module, (saved, saved))


@pytest.mark.parametrize("file", ["application.py", "application/__init__.py", "application/part.py"])
def test_what_is_saved_again_within_the_second_is_what_the_next_process_runs(tmp_path: Path, file: str) -> None:
    """Its size and the whole second of its time are those of before, which is all that a .pyc is compared by."""
    changing = tmp_path / file
    changing.parent.mkdir(exist_ok=True)
    if changing.name == "part.py":
        (changing.parent / "__init__.py").write_text("from application.part import NUMBER\n")
    soon = int(time.time()) + 60  # however slow this machine is, it is not two seconds later
    save(changing, 1, soon)
    assert number_in_a_new_process(tmp_path) == "1"
    save(changing, 2, soon + 0.75)
    assert number_in_a_new_process(tmp_path) == "2"


def test_byte_code_of_a_module_that_has_settled_is_kept(tmp_path: Path) -> None:
    """A large application starts faster for it."""
    module = tmp_path / "application.py"
    save(module, 1, time.time() + 60)
    assert number_in_a_new_process(tmp_path) == "1"
    assert not (tmp_path / "__pycache__").exists()
    save(module, 1, time.time() - 60)
    assert number_in_a_new_process(tmp_path) == "1"
    assert [file.name.split(".")[0] for file in (tmp_path / "__pycache__").iterdir()] == ["application"]
