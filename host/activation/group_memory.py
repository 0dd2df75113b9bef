"""Reads what control groups (v2, and v1's memory controller) leave to a process."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from host.activation.headroom import GroupMemory

_UNLIMITED_KILOBYTES: Final = 1 << 50  # v1 writes a huge number where there is no limit


@dataclass(frozen=True, slots=True)
class _Names:
    """The files of one version of the memory controller."""

    limit: str
    used: str
    cache: str  # the line of memory.stat with the page cache that is given up first


_VERSION_1: Final = _Names("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2: Final = _Names("memory.max", "memory.current", "inactive_file")


def tightest_group(pid: int) -> GroupMemory | None:
    """The group with the least room among those of the process and all above it; None when none has a limit (or the
    process is gone)."""
    try:
        groups, mounts = _read(f"/proc/{pid}/cgroup"), _read(f"/proc/{pid}/mountinfo")
    except OSError:
        return None
    limited = [
        memory for names, folder in group_folders(groups, mounts) if (memory := group_memory(folder, names)) is not None
    ]
    return min(limited, key=lambda memory: memory.room_kilobytes, default=None)


def group_folders(groups: str, mounts: str) -> Iterator[tuple[_Names, str]]:
    """Folders of the groups that /proc/PID/cgroup names, and of those above them, as /proc/PID/mountinfo shows them."""
    of_process = dict(_parse_groups(groups))
    for kind, root, folder, options in _parse_mounts(mounts):
        if kind == "cgroup2" and "" in of_process:
            yield from ((_VERSION_2, each) for each in _way_up(folder, root, of_process[""]))
        elif kind == "cgroup" and "memory" in options and "memory" in of_process:
            yield from ((_VERSION_1, each) for each in _way_up(folder, root, of_process["memory"]))


def group_memory(folder: str, names: _Names = _VERSION_2) -> GroupMemory | None:
    """Limit and use of one group; None when it has no limit or is not there."""
    try:
        limit = _read(os.path.join(folder, names.limit)).strip()
        if not limit.isdecimal() or int(limit) // 1024 >= _UNLIMITED_KILOBYTES:
            return None  # before the kernel is asked to add up what all processors have counted (memory.stat)
        used = int(_read(os.path.join(folder, names.used)))
        cache = _parse_counts(_read(os.path.join(folder, "memory.stat"))).get(names.cache, 0)
    except (OSError, ValueError):
        return None
    return GroupMemory(folder, int(limit) // 1024, max(0, used - cache) // 1024)


def _parse_groups(text: str) -> Iterator[tuple[str, str]]:
    """(controller, path); the controller of version 2 is empty."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _parse_mounts(text: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    """(file system, root inside it, where it is mounted, options of the file system)."""
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, (kind, _, options) = before.split(" "), after.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            yield kind, fields[3], fields[4], tuple(options.split(","))


def _way_up(mounted_at: str, root: str, group: str) -> Iterator[str]:
    """The folder of `group` and those above it, as far as this mount shows them."""
    inside = os.path.relpath(group, root) if root != "/" else group.lstrip("/")
    parts = [part for part in inside.split("/") if part not in (".", "")]
    if ".." in parts:  # the mount shows another part of the tree: what counts is its own top
        parts = []
    for depth in range(len(parts), -1, -1):
        yield os.path.join(mounted_at, *parts[:depth])


def _parse_counts(text: str) -> Mapping[str, int]:
    return {name: int(count) for name, _, count in (line.partition(" ") for line in text.splitlines())}


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
