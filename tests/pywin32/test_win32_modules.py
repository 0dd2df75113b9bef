"""The shims of the win32 modules, by themselves."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from host.pywin32 import pywintypes, win32api, win32con, win32event, win32file, win32security, winerror
from host.pywin32.isapi import ExtensionError, install, isapicon


def test_a_completion_port_is_a_queue_between_threads() -> None:
    """Packets in order, a time-out, and an end for everybody who waits."""
    port = win32file.CreateIoCompletionPort(-1, None, 0, 0)
    overlapped = pywintypes.OVERLAPPED()
    overlapped.object = "the object"
    win32file.PostQueuedCompletionStatus(port, 3, 1, overlapped)
    assert win32file.GetQueuedCompletionStatus(port, win32event.INFINITE) == (0, 3, 1, overlapped)
    assert win32file.GetQueuedCompletionStatus(port, 0)[0] == 258
    codes: list[int] = []
    waiting = [
        threading.Thread(target=lambda: codes.append(win32file.GetQueuedCompletionStatus(port, -1)[0]))
        for _ in range(3)
    ]
    for thread in waiting:
        thread.start()
    win32file.CloseHandle(port)
    for thread in waiting:
        thread.join(60)
    assert codes == [735] * 3
    with pytest.raises(pywintypes.error):
        win32file.PostQueuedCompletionStatus(port, 0, 1, None)


def test_files_are_opened_by_handle(tmp_path: Path) -> None:
    """`int()` is a descriptor; a missing file is error 2; closing twice does nothing."""
    (tmp_path / "a").write_text("content")
    handle = win32file.CreateFile(str(tmp_path / "a"), win32con.GENERIC_READ, 0, None, win32con.OPEN_EXISTING, 0, None)
    assert os.read(int(handle), 10) == b"content"
    handle.Close()
    handle.Close()
    with pytest.raises(pywintypes.error) as caught:
        win32file.CreateFile(str(tmp_path / "b"), win32con.GENERIC_READ, 0, None, win32con.OPEN_EXISTING, 0, None)
    assert caught.value.winerror == winerror.ERROR_FILE_NOT_FOUND


def test_a_watcher_of_a_folder_is_told_of_a_change_and_of_its_end(tmp_path: Path) -> None:
    """As a module that watches its own source does it."""
    (tmp_path / "a").write_text("1")
    change = win32file.FindFirstChangeNotification(str(tmp_path), False, win32con.FILE_NOTIFY_CHANGE_LAST_WRITE)
    assert win32event.WaitForSingleObject(change, 0) == win32event.WAIT_TIMEOUT
    (tmp_path / "a").write_text("longer")
    assert win32event.WaitForSingleObject(change, win32event.INFINITE) == win32event.WAIT_OBJECT_0
    win32file.FindNextChangeNotification(change)
    assert win32event.WaitForSingleObject(change, 0) == win32event.WAIT_TIMEOUT
    win32file.FindCloseChangeNotification(change)
    with pytest.raises(win32event.error) as caught:
        win32event.WaitForSingleObject(change, win32event.INFINITE)
    assert caught.value.winerror == 6


def test_events_wake_who_waits() -> None:
    """Automatic ones are reset by that."""
    event = win32event.CreateEvent(None, False, True, None)
    assert win32event.WaitForSingleObject(event, 0) == win32event.WAIT_OBJECT_0
    assert win32event.WaitForSingleObject(event, 0) == win32event.WAIT_TIMEOUT
    win32event.SetEvent(event)
    win32event.ResetEvent(event)
    assert win32event.WaitForSingleObject(event, 0) == win32event.WAIT_TIMEOUT


def test_errors_and_small_things_are_what_modules_expect() -> None:
    """FormatMessage, a missing console, tokens that change nothing, an error's text when it is wanted."""
    with pytest.raises(win32api.error):
        win32api.GetConsoleTitle()
    win32security.SetThreadToken(None, None)
    assert win32api.GetUserName()
    assert winerror.HRESULT_CODE(0x80070005) == 5
    assert winerror.HRESULT_FACILITY(0x80070005) == winerror.FACILITY_WIN32
    assert str(ExtensionError(1413, None, "GetServerVariable")) == str(
        (1413, "there is no such variable", "GetServerVariable")
    )
    assert isapicon.SF_STATUS_REQ_FINISHED == 0x08000000


def test_a_module_that_registers_itself_is_told_the_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """HandleCommandLine prints the elements for its script maps and filters."""
    params = install.ISAPIParameters()
    params.Filters = [install.FilterParameters(Name="Led", Path="x")]
    maps = [install.ScriptMapParams(Extension="*", Flags=0), install.ScriptMapParams(Extension=".foo", Verbs="GET")]
    params.VirtualDirs = [install.VirtualDirParameters(Name="/app", ScriptMaps=maps)]
    install.HandleCommandLine(params, ["/srv/x.py", "install"])
    assert capsys.readouterr().out.splitlines()[1:] == [
        '<filter name="Led" path="/srv/x.py" />',
        '<add name="app 1" path="*" verb="*" modules="IsapiModule" scriptProcessor="/srv/x.py" />',
        '<add name="app 2" path="*.foo" verb="GET" modules="IsapiModule" scriptProcessor="/srv/x.py" />',
    ]
    with pytest.raises(install.InstallationError):
        install.HandleCommandLine(params, ["/srv/x.py", "dance"])
