"""Whether an overlap fits: the predicate, and the facts from sample texts and from this machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from host.activation.group_memory import group_folders, group_memory, tightest_group
from host.activation.headroom import GroupMemory, MemoryFacts, shortage
from host.activation.memory import MachineMemory, machine_memory, memory_facts, memory_kilobytes, resident_kilobytes

GROUP = GroupMemory("/sys/fs/cgroup/isapy", limit_kilobytes=1000, used_kilobytes=700)

V1_GROUPS = "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/\n"
V1_MOUNTS = """\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,cpu,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
"""
V2_MOUNTS = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_an_overlap_that_fits_is_no_shortage() -> None:
    """In the machine and in the group, up to the last kilobyte."""
    assert shortage(MemoryFacts(300, 300, GROUP)) == ""
    assert shortage(MemoryFacts(300, 300)) == ""


def test_a_machine_without_room_for_a_second_worker_is_named_with_both_numbers() -> None:
    """MemAvailable is less than the worker that is replaced holds."""
    text = shortage(MemoryFacts(301, 300))
    assert "301 KB" in text
    assert "300 KB" in text


def test_a_control_group_without_room_is_named_with_its_limit_and_what_is_left() -> None:
    """Though the machine has plenty."""
    text = shortage(MemoryFacts(301, 10**9, GROUP))
    assert all(word in text for word in ("301 KB", "/sys/fs/cgroup/isapy", "300 KB left", "1000 KB"))


def test_a_group_above_its_limit_has_no_room_at_all() -> None:
    """Not a negative one."""
    assert GroupMemory("/x", 1000, 1200).room_kilobytes == 0


def test_folders_of_version_1_follow_the_mount_of_the_memory_controller() -> None:
    """A container sees its own part of the tree as the top."""
    folders = [folder for _, folder in group_folders(V1_GROUPS, V1_MOUNTS)]
    assert folders == ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified"]


def test_folders_of_version_2_go_up_to_the_top() -> None:
    """Each level may have a limit."""
    folders = [folder for _, folder in group_folders("0::/system.slice/isapy.service\n", V2_MOUNTS)]
    assert folders == [
        "/sys/fs/cgroup/system.slice/isapy.service",
        "/sys/fs/cgroup/system.slice",
        "/sys/fs/cgroup",
    ]


def write_group(folder: Path, limit: str, used: int, cache: int) -> None:
    folder.mkdir()
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\ninactive_file {cache}\n")


def test_what_the_page_cache_holds_counts_as_room(tmp_path: Path) -> None:
    """The kernel gives inactive file pages up before it refuses memory."""
    write_group(tmp_path / "g", "1048576", 900 * 1024, 100 * 1024)
    assert group_memory(str(tmp_path / "g")) == GroupMemory(str(tmp_path / "g"), 1024, 800)


def test_a_group_without_a_limit_limits_nothing(tmp_path: Path) -> None:
    """`max`, version 1's huge number, no files at all."""
    write_group(tmp_path / "free", "max", 1, 0)
    write_group(tmp_path / "huge", "9223372036854771712", 1, 0)
    assert group_memory(str(tmp_path / "free")) is None
    assert group_memory(str(tmp_path / "huge")) is None
    assert group_memory(str(tmp_path / "nowhere")) is None


def test_the_facts_of_this_machine_can_be_read() -> None:
    """This very process: it holds memory, the machine has some, and a group (if any limits it) has a sane limit."""
    facts = memory_facts(os.getpid())
    machine = machine_memory()
    private = memory_kilobytes(os.getpid())[1]
    assert 1000 < private <= facts.private_kilobytes < memory_kilobytes(os.getpid())[0]
    assert facts.private_kilobytes <= resident_kilobytes(os.getpid()) < machine.total
    assert 0 < facts.available_kilobytes <= machine.total
    if facts.group is not None:
        assert facts.group.limit_kilobytes > 0


def test_where_room_is_short_what_is_shared_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no room for all that this process has in memory, and there is for what it holds alone."""
    resident, private = resident_kilobytes(os.getpid()), memory_kilobytes(os.getpid())[1]
    assert private < resident
    monkeypatch.setattr("host.activation.memory.machine_memory", lambda: MachineMemory(resident, resident - 1))
    facts = memory_facts(os.getpid())
    assert facts.private_kilobytes < resident - 1
    assert shortage(facts) == ""


def test_a_process_that_is_gone_has_no_facts() -> None:
    """A worker may end while it is looked at."""
    with subprocess.Popen(["/bin/true"]) as ended:
        gone = ended.pid
    assert memory_kilobytes(gone) == (0, 0)
    assert resident_kilobytes(gone) == 0
    assert tightest_group(gone) is None
