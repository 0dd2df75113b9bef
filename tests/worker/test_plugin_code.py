"""What is made ready before the fork: compiled files that are those on disk, libraries, entry points, pluggy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from host.worker.plugin_code import PluginCode, find_plugin_files

ROOT = Path(__file__).resolve().parents[2]


def test_files_are_found_in_the_order_of_folders(tmp_path: Path) -> None:
    """The first folder's file of a name counts; hidden and private files and folders are none."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, names in ((one, ("b", "a", "_c", ".d")), (two, ("a", "e"))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.py").write_text("")
    (one / "folder.py").mkdir()
    found = find_plugin_files([str(one), str(tmp_path / "missing"), str(two)])
    assert found == {"a": str(one / "a.py"), "b": str(one / "b.py"), "e": str(two / "e.py")}


def test_a_compiled_file_is_used_while_its_bytes_are_the_same_and_not_longer(tmp_path: Path) -> None:
    """Also when the new file has the old one's size and time."""
    path = tmp_path / "page.py"
    path.write_text("answer = 1\n")
    code = PluginCode()
    code.prepare([str(tmp_path)])
    first = code.code_of(str(path))
    assert code.code_of(str(path)) is first
    times = path.stat()
    path.write_text("answer = 2\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    names: dict[str, object] = {}
    exec(code.code_of(str(path)), names)
    assert names["answer"] == 2
    with pytest.raises(FileNotFoundError):
        code.code_of(str(tmp_path / "missing.py"))


def test_a_file_that_has_settled_is_not_read_again_until_something_touches_it(tmp_path: Path) -> None:
    """Ten seconds after its last change, told by a moved clock; the new file has the old one's size and time again."""
    path = tmp_path / "page.py"
    path.write_text("answer = 1\n")
    program = (
        "import json, os, sys, time\n"
        "from host.worker.plugin_code import PluginCode\n"
        "path, opened = sys.argv[1], []\n"
        "sys.addaudithook(lambda event, found: event == 'open' and found[0] == path and opened.append(found[1]))\n"
        "young = PluginCode(clock=lambda: os.stat(path).st_ctime_ns)\n"
        "settled = PluginCode(clock=lambda: time.time_ns() + 10 ** 10)\n"
        "def opens(code):\n"
        "    del opened[:]\n"
        "    first = code.code_of(path)\n"
        "    same = code.code_of(path) is first\n"
        "    return len(opened) if same else -1\n"
        "counts = [opens(young), opens(settled)]\n"
        "times = os.stat(path)\n"
        "open(path, 'r+').write('answer = 2\\n')\n"
        "os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))\n"
        "names = {}\n"
        "exec(settled.code_of(path), names)\n"
        "print(json.dumps([*counts, names['answer']]))\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, check=True, cwd=ROOT)
    assert json.loads(ran.stdout) == [2, 1, 2]


def test_folders_that_have_settled_are_read_again_when_something_in_them_changes(tmp_path: Path) -> None:
    """By a clock that is ten seconds ahead: a file comes, one goes, one is renamed, a missing folder is made. What a
    caller does with its answer is nobody else's business."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    (one / "a.py").write_text("")
    code = PluginCode(clock=lambda: time.time_ns() + 10**10)
    folders = [str(one), str(two)]

    probe = tmp_path / "probe"

    def names() -> list[str]:
        found = code.find_files(folders)
        probe.touch()
        while probe.stat().st_ctime_ns <= max(path.stat().st_ctime_ns for path in (one, two) if path.exists()):
            probe.touch()  # until the kernel's clock has gone on: the next change has another time
        assert found == find_plugin_files(folders)
        return list(found)

    assert names() == ["a"]
    code.find_files(folders).clear()
    assert names() == ["a"]
    (one / "b.py").write_text("")
    assert names() == ["a", "b"]
    (one / "a.py").rename(one / "c.py")
    assert names() == ["b", "c"]
    two.mkdir()
    (two / "d.py").write_text("")
    assert names() == ["b", "c", "d"]
    target = tmp_path / "target.py"
    target.write_text("")
    (two / "linked.py").symlink_to(target)
    assert names() == ["b", "c", "d", "linked"]
    target.unlink()
    assert names() == ["b", "c", "d"]


def test_preparing_runs_no_plugin_and_imports_only_what_is_isapys_or_pythons(tmp_path: Path) -> None:
    """In a process of its own: a plugin that would leave a trace, a broken one, one that needs a library of others."""
    (tmp_path / "loud.py").write_text(
        "import colorsys\nfrom host.gateway import byte_ranges\nimport shop_library\n"
        f"open({str(tmp_path / 'ran')!r}, 'w')\n"
    )
    (tmp_path / "shop_library.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    program = (
        "import json, sys\n"
        "from host.worker.plugin_code import PluginCode\n"
        "before = set(sys.modules)\n"
        "PluginCode().prepare(sys.argv[1:])\n"
        "names = {'colorsys', 'host.gateway.byte_ranges', 'shop_library'}\n"
        "print(json.dumps(sorted(names & (set(sys.modules) - before))))\n"
    )
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env=environment, capture_output=True, check=True, cwd=tmp_path
    )
    assert json.loads(ran.stdout) == ["colorsys", "host.gateway.byte_ranges"]
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "imported").exists()


def test_a_manager_is_given_to_one_worker_only() -> None:
    """What one registers must not be in another's way."""
    code = PluginCode()
    code.prepare([])
    assert code.take_manager() is not code.take_manager()


def test_installed_distributions_bring_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry point group isapy.plugins; importing happens when the plugin is loaded."""
    info = tmp_path / "shop-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[isapy.plugins]\nshop = shop_plugin_of_a_test\n")
    (tmp_path / "shop_plugin_of_a_test.py").write_text("loaded = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = PluginCode().entry_points()
    assert "shop_plugin_of_a_test" not in sys.modules
    assert plugins["shop"]().loaded is True
    del sys.modules["shop_plugin_of_a_test"]


def test_a_distribution_that_is_installed_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent of a pool lives for months; a worker that it forks then sees what is installed then."""
    monkeypatch.syspath_prepend(str(tmp_path))
    code = PluginCode()
    before = code.entry_points()
    assert code.entry_points() is before
    info = tmp_path / "late-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: late\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[isapy.plugins]\nlate = late_plugin_of_a_test\n")
    assert "late" in code.entry_points()
