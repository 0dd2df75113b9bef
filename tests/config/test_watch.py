"""Saved files, noticed, whatever way an editor saves them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from host.config.watch import FileChange, watch_files

pytestmark = pytest.mark.slow
_PATIENCE_SECONDS = 90.0


async def first_change(
    changes: AsyncIterator[FileChange], act: Callable[[int], None], wanted: Callable[[FileChange], bool]
) -> FileChange:
    """Acts again and again until a wanted change is told (the first acts may come before the watch is set up)."""

    async def next_wanted() -> FileChange:
        async for change in changes:
            if wanted(change):
                return change
        raise AssertionError("the watch ended")

    waiting = asyncio.ensure_future(next_wanted())
    for number in range(int(_PATIENCE_SECONDS / 0.5)):
        act(number)
        done, _ = await asyncio.wait([waiting], timeout=0.5)
        if done:
            return waiting.result()
    waiting.cancel()
    raise AssertionError("no change was told")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("conf", "extensions", "filters"):
        (tmp_path / name).mkdir()
    (tmp_path / "conf/a.config").write_text("0")
    return tmp_path


def watch(site: Path, stop: asyncio.Event) -> AsyncIterator[FileChange]:
    folders = [str(site / "extensions"), str(site / "filters"), str(site / "missing")]
    return watch_files(str(site / "conf/a.config"), folders, stop)


def write_in_place(site: Path, number: int) -> None:
    (site / "conf/a.config").write_text(str(number))


def rename_over(site: Path, number: int) -> None:
    """As vim and most others do it; the watch must survive the first rename."""
    (site / "conf/new").write_text(str(number))
    os.replace(site / "conf/new", site / "conf/a.config")


@pytest.mark.parametrize("save", [write_in_place, rename_over])
def test_a_saved_configuration_is_told_again_and_again(site: Path, save: Callable[[Path, int], None]) -> None:
    """Twice in a row, so that a file that was replaced is still watched."""

    async def scenario() -> None:
        stop = asyncio.Event()
        changes = watch(site, stop)
        for _ in range(2):
            change = await first_change(changes, lambda n: save(site, n), lambda one: one.configuration_changed)
            assert change.plugin_files == frozenset()
        stop.set()
        assert [change async for change in changes] == []

    asyncio.run(scenario())


def test_a_plugin_file_is_told_by_its_path_and_other_files_are_not(site: Path) -> None:
    """Byte code, editors' own files and neighbours of the configuration do not matter."""
    plugin = site / "filters/audit.py"

    def act(number: int) -> None:
        (site / "conf/other.config").write_text(str(number))
        (site / "filters/audit.pyc").write_text(str(number))
        (site / "filters/.audit.py").write_text(str(number))
        plugin.write_text(str(number))

    async def scenario() -> None:
        stop = asyncio.Event()
        changes = watch(site, stop)
        change = await first_change(changes, act, lambda one: bool(one.plugin_files))
        assert change == FileChange(configuration_changed=False, plugin_files=frozenset({str(plugin)}))
        stop.set()
        assert not [change async for change in changes if change.configuration_changed]

    asyncio.run(scenario())


def test_a_folder_of_plugins_may_be_made_later(site: Path) -> None:
    """It is told, and then what is in it: also what was saved before anybody watched."""
    plugin = site / "missing/audit.py"

    def act(number: int) -> None:
        plugin.parent.mkdir(exist_ok=True)
        if not plugin.exists():
            plugin.write_text(str(number))

    def save(number: int) -> None:
        plugin.write_text(str(number))

    async def scenario() -> None:
        stop = asyncio.Event()
        changes = watch(site, stop)
        await first_change(changes, lambda n: write_in_place(site, n), lambda one: one.configuration_changed)
        for do, is_news in ((act, True), (save, False)):
            change = await first_change(changes, do, lambda one: bool(one.plugin_files))
            assert change == FileChange(configuration_changed=is_news, plugin_files=frozenset({str(plugin)}))
        stop.set()
        assert not [change async for change in changes if change.configuration_changed]

    asyncio.run(scenario())


def test_a_linked_configuration_is_watched_where_it_really_is(site: Path) -> None:
    """Configurations are often links into a checkout."""
    (site / "checkout").mkdir()
    real = site / "checkout/real.config"
    real.write_text("0")
    (site / "conf/a.config").unlink()
    (site / "conf/a.config").symlink_to(real)

    async def scenario() -> None:
        stop = asyncio.Event()
        changes = watch(site, stop)
        await first_change(changes, lambda n: void(real.write_text(str(n))), lambda one: one.configuration_changed)
        stop.set()
        assert all([change.configuration_changed async for change in changes])

    asyncio.run(scenario())


def void(_: object) -> None:
    """A lambda that returns nothing."""
