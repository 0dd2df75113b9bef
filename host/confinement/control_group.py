"""cgroup v2: the group that holds one pool's processes, with `cpu.max`.

The service must own its group (systemd: Delegate=cpu; a container: a writable /sys/fs/cgroup). A group with members
gives no controllers to groups below it, so the service moves itself and its children into a group `service` first.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PERIOD_MICROSECONDS: Final = 100000
"""The kernel's default period of cpu.max."""

_LEAST_QUOTA_MICROSECONDS: Final = 1000  # the kernel takes no less
_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """The group of this process; `problem` says why no groups can be made in it, empty when they can."""

    folder: Path
    problem: str = ""

    def delegate(self) -> None:
        """Make room for groups below: every member moves into `service`, the cpu controller is passed on.

        Raises OSError.
        """
        service = self.folder / "service"
        service.mkdir(exist_ok=True)
        for _ in range(_ROUNDS):  # who forks meanwhile leaves a child here
            members = (self.folder / "cgroup.procs").read_text().split()
            if not members:
                break
            for pid in members:
                with contextlib.suppress(ProcessLookupError):
                    (service / "cgroup.procs").write_text(pid)
        (self.folder / "cgroup.subtree_control").write_text("+cpu")

    def pool(self, name: str) -> PoolGroup:
        """The group of that pool, made if it is not there. Raises OSError."""
        folder = self.folder / f"pool-{name}"  # what no file name may have in it no pool's name has
        folder.mkdir(exist_ok=True)
        return PoolGroup(folder)


@dataclass(frozen=True, slots=True)
class PoolGroup:
    """The processes of one pool: its parent and everything that this starts later."""

    folder: Path

    def add(self, pid: int) -> None:
        """Put a process into it; its children will be born there. Raises OSError."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    def members(self) -> set[int]:
        """Who is in it. Raises OSError."""
        return {int(pid) for pid in (self.folder / "cgroup.procs").read_text().split()}

    def limit(self, share: float) -> None:
        """At most `share` processors' worth of time (0.5: half of one); 0: no limit. Raises OSError."""
        quota = str(max(_LEAST_QUOTA_MICROSECONDS, int(share * PERIOD_MICROSECONDS))) if share else "max"
        (self.folder / "cpu.max").write_text(f"{quota} {PERIOD_MICROSECONDS}")

    def remove(self) -> None:
        """Take it away once its last process has ended."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()


def own_control_group(
    mounts: Path = Path("/proc/self/mounts"), membership: Path = Path("/proc/self/cgroup")
) -> ControlGroup:
    """The cgroup v2 group of this process, and whether it may limit processors in groups of its own."""
    root = _mount_point(mounts)
    if root is None:
        return ControlGroup(Path(), "no cgroup v2 is mounted")
    found = re.search(r"^0::(/.*)$", membership.read_text(), re.MULTILINE)
    folder = root / found[1].lstrip("/") if found else root
    if folder.name == "service" and (folder.parent / "cgroup.subtree_control").exists():
        folder = folder.parent  # delegated already: by the service before this one
    return ControlGroup(folder, _problem(folder, is_root=folder == root))


def _mount_point(mounts: Path) -> Path | None:
    for line in mounts.read_text().splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] == "cgroup2":
            return Path(fields[1].encode().decode("unicode_escape"))
    return None


def _problem(folder: Path, *, is_root: bool) -> str:
    try:
        controllers = (folder / "cgroup.controllers").read_text().split()
    except OSError:
        return f"the group {folder} cannot be read"
    if "cpu" not in controllers:
        return f"the group {folder} has no cpu controller"
    if is_root and not (folder / "cgroup.type").exists():
        return "isapy is in the root group: start it in one of its own (systemd-run --scope -p Delegate=yes, a unit)"
    if not os.access(folder, os.W_OK) or not os.access(folder / "cgroup.procs", os.W_OK):
        return f"the group {folder} is not delegated to this user (systemd: Delegate=cpu)"
    return ""
