"""Where the control socket of a service is, and which services are running.

One folder per user, one socket per configuration file: `$ISAPY_CONTROL`, else `/run/isapy` for root, else
`$XDG_RUNTIME_DIR/isapy`, else `/tmp/isapy-<uid>`. The socket's name is made from the file's absolute path, so that the
command line finds the service of a configuration without asking anybody.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from host.admin.access import user_name
from host.admin.client import ControlError, call
from host.admin.commands import GetStatus, Status


@dataclass(frozen=True, slots=True)
class RunningService:
    """A service that answered."""

    socket_path: Path
    status: Status


def control_folder(environment: Mapping[str, str] | None = None) -> Path:
    """The folder of this user's control sockets. Raises ControlError when somebody else owns it or may write to it."""
    environment = os.environ if environment is None else environment
    if environment.get("ISAPY_CONTROL"):
        return Path(environment["ISAPY_CONTROL"]).absolute()
    if os.geteuid() == 0:
        return Path("/run/isapy")
    if environment.get("XDG_RUNTIME_DIR"):
        return Path(environment["XDG_RUNTIME_DIR"]) / "isapy"
    folder = Path(f"/tmp/isapy-{os.geteuid()}")
    check_owner(folder)
    return folder


def check_owner(folder: Path) -> None:
    """A folder in a place where everybody may make one must be ours alone. Raises ControlError."""
    try:
        state = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(state.st_mode):
        raise ControlError(f"{folder} is no folder", "remove it, or set ISAPY_CONTROL to a folder of your own")
    if state.st_uid != os.geteuid():
        raise ControlError(
            f"{folder} belongs to {user_name(state.st_uid)}, not to you", "set ISAPY_CONTROL to a folder of your own"
        )
    if state.st_mode & 0o022:
        raise ControlError(f"others may write to {folder}", f"chmod 700 {folder}")


def service_mark(config_path: str | Path) -> str:
    """Eight hexadecimal digits that tell the service of this configuration file from others."""
    return hashlib.sha256(os.fsencode(Path(config_path).resolve())).hexdigest()[:8]


def control_socket(config_path: str | Path, environment: Mapping[str, str] | None = None) -> Path:
    """The socket of the service that runs this configuration file."""
    absolute = Path(config_path).resolve()
    # The file is called applicationHost.config nearly always: the folder that holds it tells people more.
    folder = absolute.parent.parent.name if absolute.parent.name == "conf" else absolute.parent.name
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", folder).strip("-.")[:40] or "root"
    return control_folder(environment) / f"{stem}-{service_mark(absolute)}.sock"


def find_running(environment: Mapping[str, str] | None = None) -> list[RunningService]:
    """Every service of this user that answers, by socket name. Sockets of dead services are passed over."""
    running = []
    for path in sorted(control_folder(environment).glob("*.sock")):
        try:
            status = call(path, GetStatus(), timeout=5.0)
        except ControlError:
            continue
        if isinstance(status, Status):
            running.append(RunningService(path, status))
    return running
