"""`isapy cc`: what it builds, and what it says when something is missing."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SOURCE = """
#include <httpext.h>
BOOL GetExtensionVersion(HSE_VERSION_INFO *version) { version->dwExtensionVersion = HSE_VERSION; return ANSWER; }
"""


def run_cc(
    *arguments: str, folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "host", "cc", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **(environment or {})},
        capture_output=True,
        text=True,
    )


def test_cc_builds_a_library_that_can_be_loaded_and_passes_arguments_on(tmp_path: Path) -> None:
    """isapy cc hello.c -DANSWER=1 makes hello.so beside it, and says how to map it."""
    (tmp_path / "hello.c").write_text(SOURCE)
    done = run_cc("hello.c", "-DANSWER=1", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f'scriptProcessor="{tmp_path / "hello.so"}"' in done.stdout
    version = ctypes.create_string_buffer(260)
    assert ctypes.CDLL(str(tmp_path / "hello.so")).GetExtensionVersion(version) == 1
    assert version.raw[:4] == (7 << 16 | 5).to_bytes(4, "little")


def test_cc_builds_cplusplus_into_the_file_that_is_named(tmp_path: Path) -> None:
    """The exports of a C++ source keep their plain names: the headers say so."""
    (tmp_path / "hello.cpp").write_text(SOURCE)
    done = run_cc("hello.cpp", "-Wno-comment", "-DANSWER=0", "-o", "other.so", "-lm", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert ctypes.CDLL(str(tmp_path / "other.so")).GetExtensionVersion(ctypes.create_string_buffer(260)) == 0


def test_cc_says_what_is_missing(tmp_path: Path) -> None:
    """No source, a source that is not there, no compiler, one that does not exist, and a source that is wrong."""
    (tmp_path / "hello.c").write_text(SOURCE)
    assert "no source is given" in run_cc(folder=tmp_path).stderr
    assert "nowhere.c does not exist" in run_cc("nowhere.c", folder=tmp_path).stderr
    without = run_cc("hello.c", folder=tmp_path, environment={"PATH": str(tmp_path)})
    assert without.returncode == 1
    assert "apt-get install gcc libc6-dev" in without.stderr
    assert "which CC names" in run_cc("hello.c", folder=tmp_path, environment={"CC": "no-such-cc"}).stderr
    failed = run_cc("hello.c", folder=tmp_path)  # ANSWER is not defined
    assert failed.returncode == 1
    assert "ANSWER" in failed.stderr
    assert "nothing is built" in failed.stderr
    assert not (tmp_path / "hello.so").exists()


def test_cc_shows_its_command_and_the_folder_of_the_headers(tmp_path: Path) -> None:
    """For build systems of one's own."""
    (tmp_path / "hello.c").write_text(SOURCE)
    folder = run_cc("--include", folder=tmp_path).stdout.strip()
    assert Path(folder, "httpext.h").is_file()
    command = run_cc("--show", "hello.c", folder=tmp_path).stdout
    assert f"-I{folder}" in command
    assert "-shared" in command
