"""Groups of pools over real folders, laid out as the kernel lays out a delegated group of cgroup v2."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from host.activation.processor_groups import ProcessorGroups
from host.confinement.control_group import ControlGroup, own_control_group


@pytest.fixture
def group(tmp_path: Path) -> Path:
    """A group with two members, delegated to this user, below a mounted hierarchy."""
    folder = tmp_path / "cgroup" / "isapy.service"
    folder.mkdir(parents=True)
    (folder / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    (folder / "cgroup.type").write_text("domain\n")
    (folder / "cgroup.procs").write_text("101\n102\n")
    (folder / "cgroup.subtree_control").write_text("")
    (tmp_path / "mounts").write_text(f"proc /proc proc rw 0 0\ncgroup2 {tmp_path}/cgroup cgroup2 rw,nosuid 0 0\n")
    (tmp_path / "membership").write_text("1:name=systemd:/x\n0::/isapy.service\n")
    return folder


def own(group: Path) -> ControlGroup:
    root = group.parent.parent
    return own_control_group(root / "mounts", root / "membership")


def make_pool_folder(group: Path, name: str, members: str = "") -> Path:
    """What the kernel puts into a group that is made."""
    folder = group / name
    folder.mkdir()
    (folder / "cgroup.procs").write_text(members)
    (folder / "cpu.max").write_text("max 100000\n")
    return folder


def test_a_delegated_group_makes_room_and_limits_each_pool_in_one_of_its_own(group: Path) -> None:
    """Members move aside, the controller is passed on, the pool's processes are put in, the quota is written."""
    service = group / "service"
    service.mkdir()
    (service / "cgroup.procs").write_text("")
    pool = make_pool_folder(group, "pool-My Shop", "103\n")
    groups = ProcessorGroups(lambda: own(group))
    assert groups.are_available()
    assert (service / "cgroup.procs").read_text() == "102"  # a kernel's file takes one number a write
    assert (group / "cgroup.subtree_control").read_text() == "+cpu"
    assert groups.limit("My Shop", 0.5, [103, 104])
    assert (pool / "cpu.max").read_text() == "50000 100000"
    assert (pool / "cgroup.procs").read_text() == "104"  # 103 is in it already
    groups.release("My Shop")
    assert (pool / "cpu.max").read_text() == "max 100000"
    groups.release("another")
    assert groups.problem == ""


def test_a_share_that_is_less_than_the_kernel_takes_becomes_the_least(group: Path) -> None:
    """A thousandth of a percent is no reason to fail."""
    (group / "service").mkdir()
    pool = make_pool_folder(group, "pool-a b")
    groups = ProcessorGroups(lambda: own(group))
    assert groups.limit("a b", 0.00001, [])
    assert (pool / "cpu.max").read_text() == "1000 100000"


def test_pools_whose_names_differ_have_groups_that_differ(group: Path) -> None:
    """Also where they differ in nothing but an umlaut: one would be held to the other's limit."""
    (group / "service").mkdir()
    groups = ProcessorGroups(lambda: own(group))
    folders = [make_pool_folder(group, f"pool-{name}") for name in ("Bär", "Bör", "B'r")]
    for name, share in (("Bär", 0.3), ("Bör", 0.6), ("B'r", 0.9)):
        assert groups.limit(name, share, [])
    assert [(folder / "cpu.max").read_text() for folder in folders] == ["30000 100000", "60000 100000", "90000 100000"]


def test_a_program_that_ends_while_it_is_put_into_its_group_is_no_problem(group: Path) -> None:
    """The kernel says that there is no such process; the group goes on holding its pool. (coredump_filter of a process
    that nobody has waited for is a kernel's file that says so, too.)"""
    (group / "service").mkdir()
    pool = make_pool_folder(group, "pool-Shop")
    with subprocess.Popen(["/bin/true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        (pool / "cgroup.procs").unlink()
        (pool / "cgroup.procs").symlink_to(f"/proc/{ended.pid}/coredump_filter")
        with pytest.raises(ProcessLookupError):
            (pool / "cgroup.procs").write_text("1")
        groups = ProcessorGroups(lambda: own(group))
        assert groups.limit("Shop", 1.0, [ended.pid])
    assert groups.problem == ""


def test_a_group_that_is_empty_is_removed_with_its_pool(group: Path) -> None:
    """The kernel refuses as long as a process is in it; then it stays."""
    (group / "service").mkdir()
    pool = make_pool_folder(group, "pool-Shop")
    groups = ProcessorGroups(lambda: own(group))
    assert groups.limit("Shop", 1.0, [])
    groups.remove("Shop")
    assert pool.exists()
    groups.remove("Shop")


def test_a_service_that_was_moved_aside_before_finds_its_group(group: Path) -> None:
    """After an upgrade the service is in `service` already."""
    (group / "service").mkdir()
    (group.parent.parent / "membership").write_text("0::/isapy.service/service\n")
    assert own(group) == ControlGroup(group)


def test_what_is_missing_is_named(group: Path, tmp_path: Path) -> None:
    """No hierarchy, no group, no controller, the machine's own root."""
    (group / "cgroup.controllers").write_text("memory pids\n")
    assert "has no cpu controller" in own(group).problem
    (tmp_path / "membership").write_text("0::/other.service\n")
    assert "cannot be read" in own(group).problem
    (tmp_path / "cgroup" / "cgroup.controllers").write_text("cpu\n")
    (tmp_path / "membership").write_text("0::/\n")
    assert "root group" in own(group).problem
    (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
    assert own(group).problem == "no cgroup v2 is mounted"
    groups = ProcessorGroups(lambda: own(group))
    assert not groups.limit("Shop", 0.5, [1])
    assert groups.problem == "no cgroup v2 is mounted"


def test_a_kernel_that_refuses_is_a_problem_and_no_crash(group: Path) -> None:
    """The pool is paced instead."""
    (group / "service").write_text("not a folder")
    groups = ProcessorGroups(lambda: own(group))
    assert not groups.are_available()
    assert "the control group refuses" in groups.problem


def test_this_machine_is_judged_without_being_changed() -> None:
    """Either there is a group to work in, or a sentence why not."""
    found = own_control_group()
    assert found.problem or (found.folder / "cpu.max").exists() or (found.folder / "cgroup.controllers").exists()
