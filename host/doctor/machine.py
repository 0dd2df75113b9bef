"""What only this machine can say: which interpreters are installed, what modules they have, what they think of a
script's syntax. Nothing here runs a script."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from host.doctor.python_imports import PythonExamination
from host.gateway.inherited import DEFAULT_PATH, inherited_variables

ASKED_SECONDS: Final = 60.0
"""An interpreter that takes longer over a folder is stopped; its scripts are then judged without it."""

_PROBE: Final = Path(__file__).with_name("python_probe.py")
_PERL_PROBE: Final = (
    'printf "%vd\\n", $^V; my @inc = grep { $_ ne "." && !ref } @INC; '
    'while (<STDIN>) { chomp; my $f = $_; print "$f\\n" unless grep { -e "$_/$f" } @inc }'
)
_SYNTAX_CHECKS: Final[dict[str, tuple[str, ...]]] = {"shell": ("-n",), "php": ("-n", "-l")}


def search_path() -> str:
    """PATH as CGI programs get it."""
    return os.fsdecode(inherited_variables(os.environb).get(b"PATH", DEFAULT_PATH))


@cache
def installed(program: str) -> str:
    """The path of a program, given as a path or a name; empty when it is not there or cannot be executed."""
    return shutil.which(program, path=search_path()) or ""


def has_legacy_cgi() -> bool:
    """Whether isapy can give scripts the module cgi where their Python has none."""
    try:
        importlib.metadata.distribution("legacy-cgi")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def ask_python(program: str, scripts: Iterable[str]) -> dict[str, PythonExamination]:
    """By path: what `program`, a Python, says about these scripts; empty when it cannot be asked."""
    asked = [[path, os.path.dirname(path)] for path in scripts]
    answer = _run([program, "-E", str(_PROBE)], json.dumps(asked))
    try:
        found = json.loads(answer)
    except ValueError:
        return {}
    return {
        path: PythonExamination(
            error=each["error"] and tuple(each["error"]), missing=[tuple(m) for m in each["missing"]]
        )
        for path, each in found.items()
    }


def ask_perl(program: str, files: Iterable[str]) -> tuple[tuple[int, int], frozenset[str]]:
    """Its version, and which of these files (`CGI/Cookie.pm`) no folder of its @INC has; (0, 0) if it does not say."""
    lines = _run([program, "-e", _PERL_PROBE], "".join(f"{name}\n" for name in files)).splitlines()
    version = re.match(r"(\d+)\.(\d+)", lines[0]) if lines else None
    if version is None:
        return (0, 0), frozenset()
    return (int(version[1]), int(version[2])), frozenset(lines[1:])


def syntax_error(language: str, program: str, script: str) -> str:
    """The first line of what a shell or PHP says of a script's syntax (they read and do not run it); empty if fine."""
    options = _SYNTAX_CHECKS.get(language)
    return _complaint([program, *options, script]) if options is not None else ""


def perl_syntax_error(program: str, script: str) -> str:
    """The first line of `perl -c`, which runs the script's BEGIN blocks and the modules that it uses."""
    return _complaint([program, "-c", script], folder=os.path.dirname(script))


def _complaint(command: list[str], folder: str = "/") -> str:
    try:
        ended = subprocess.run(
            command,
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=ASKED_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if ended.returncode == 0:
        return ""
    said = (ended.stderr + b"\n" + ended.stdout).decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in said if line.strip()), f"exit status {ended.returncode}")


def _run(command: list[str], text: str) -> str:
    try:
        ended = subprocess.run(
            command,
            cwd="/",
            env=_environment(),
            input=text.encode("utf-8", "surrogateescape"),
            capture_output=True,
            timeout=ASKED_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.decode("utf-8", "surrogateescape") if ended.returncode == 0 else ""


def _environment() -> dict[bytes, bytes]:
    """As scripts have it: nothing of this shell's PYTHONPATH or PERL5LIB helps to find a module."""
    return inherited_variables(os.environb)


@cache
def answers(program: str) -> str:
    """The path of a Python that is installed and runs; empty when it is not there or a shim for nothing."""
    path = installed(program)
    return path if path and _run([path, "-E", "-c", "print(1)"], "").strip() == "1" else ""
