"""`win32file`: completion ports, open files, and notifications of changed folders."""

from __future__ import annotations

import os
import queue
import threading
import time
from typing import Any, Final

from host.pywin32 import win32con
from host.pywin32.pywintypes import error
from host.pywin32.winerror import (
    ERROR_ABANDONED_WAIT_0,
    ERROR_ACCESS_DENIED,
    ERROR_FILE_NOT_FOUND,
    ERROR_INVALID_HANDLE,
    WAIT_TIMEOUT,
)

INVALID_HANDLE_VALUE: Final = -1
GENERIC_READ: Final = win32con.GENERIC_READ
GENERIC_WRITE: Final = win32con.GENERIC_WRITE
FILE_SHARE_READ: Final = win32con.FILE_SHARE_READ
FILE_SHARE_WRITE: Final = win32con.FILE_SHARE_WRITE
OPEN_EXISTING: Final = win32con.OPEN_EXISTING
FILE_FLAG_SEQUENTIAL_SCAN: Final = win32con.FILE_FLAG_SEQUENTIAL_SCAN
FILE_FLAG_OVERLAPPED: Final = win32con.FILE_FLAG_OVERLAPPED

_LOOK_SECONDS: Final = 0.25
_CLOSED: Final = (ERROR_ABANDONED_WAIT_0, 0, 0, None)

# --- completion ports


class CompletionPort:
    """A queue between threads."""

    def __init__(self) -> None:
        self.packets: queue.SimpleQueue[tuple[int, int, int, Any]] = queue.SimpleQueue()
        self.is_closed = False

    def Close(self) -> None:
        """Who waits is told, one after the other."""
        self.is_closed = True
        self.packets.put(_CLOSED)


def CreateIoCompletionPort(handle: Any, existing: Any, key: int, threads: int) -> CompletionPort:
    """A port that only PostQueuedCompletionStatus fills: files need none."""
    if handle != INVALID_HANDLE_VALUE or existing is not None:
        raise error(ERROR_INVALID_HANDLE, "CreateIoCompletionPort", "files have no completion port here")
    return CompletionPort()


def PostQueuedCompletionStatus(port: CompletionPort, size: int, key: int, overlapped: Any) -> None:
    """Give a packet to one of those who wait."""
    if port.is_closed:
        raise error(ERROR_INVALID_HANDLE, "PostQueuedCompletionStatus", "the port is closed")
    port.packets.put((0, size, key, overlapped))


def GetQueuedCompletionStatus(port: CompletionPort, milliseconds: int) -> tuple[int, int, int, Any]:
    """The next packet: code, size, key, overlapped. Code 258 when none came in time, 735 when the port was closed."""
    try:
        packet = port.packets.get(timeout=None if milliseconds < 0 else milliseconds / 1000)
    except queue.Empty:
        return (WAIT_TIMEOUT, 0, 0, None)
    if packet is _CLOSED:
        port.packets.put(_CLOSED)  # for the next who waits
    return packet


# --- files


class FileHandle:
    """An open file: `int()` is its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __int__(self) -> int:
        return self._descriptor

    __index__ = __int__
    fileno = __int__

    def Close(self) -> None:
        """Close it; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    close = Close

    def Detach(self) -> int:
        """The descriptor, which is the caller's from now on."""
        descriptor, self._descriptor = self._descriptor, -1
        return descriptor

    def __del__(self) -> None:
        self.Close()


def CreateFile(
    name: str, access: int, share: int, security: Any, disposition: int, flags: int, template: Any = None
) -> FileHandle:
    """Open a file. Raises `error` 2 or 5."""
    wants_write = bool(access & GENERIC_WRITE)
    mode = (os.O_RDWR if access & 0x80000000 else os.O_WRONLY) if wants_write else os.O_RDONLY
    made = {
        win32con.CREATE_NEW: os.O_CREAT | os.O_EXCL,
        win32con.CREATE_ALWAYS: os.O_CREAT | os.O_TRUNC,
        win32con.OPEN_ALWAYS: os.O_CREAT,
    }
    try:
        return FileHandle(os.open(name, mode | made.get(disposition, 0) | os.O_CLOEXEC, 0o666))
    except PermissionError as failure:
        raise error(ERROR_ACCESS_DENIED, "CreateFile", str(failure)) from failure
    except OSError as failure:
        raise error(ERROR_FILE_NOT_FOUND, "CreateFile", str(failure)) from failure


def CloseHandle(handle: Any) -> None:
    """Close a port, a file, an event."""
    close = getattr(handle, "Close", None)
    if close is None:
        raise error(ERROR_INVALID_HANDLE, "CloseHandle", "the handle is invalid")
    close()


# --- changed folders


class ChangeNotification:
    """Signalled when something below a folder has changed. It looks four times a second: such modules watch their own
    source, a handful of files."""

    def __init__(self, folder: str, *, is_recursive: bool) -> None:
        self._folder = folder
        self._is_recursive = is_recursive
        self._closed = threading.Event()
        self._seen = self._look()

    def wait_signalled(self, seconds: float | None) -> bool:
        """Wait for a change. Raises `error` 6 when it was closed."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self._closed.is_set():
            if self._look() != self._seen:
                return True
            left = _LOOK_SECONDS if end is None else min(_LOOK_SECONDS, end - time.monotonic())
            if left <= 0:
                return False
            self._closed.wait(left)
        raise error(ERROR_INVALID_HANDLE, "WaitForSingleObject", "the handle was closed")

    def go_on(self) -> None:
        """What there is now is known."""
        self._seen = self._look()

    def Close(self) -> None:
        """Who waits gets `error` 6."""
        self._closed.set()

    def _look(self) -> dict[str, tuple[int, int]]:
        found: dict[str, tuple[int, int]] = {}
        for folder, folders, files in os.walk(self._folder):
            if not self._is_recursive:
                folders.clear()
            for name in files:
                path = os.path.join(folder, name)
                try:
                    status = os.stat(path)
                except OSError:  # gone meanwhile
                    continue
                found[path] = (status.st_mtime_ns, status.st_size)
        return found


def FindFirstChangeNotification(folder: str, sub_folders: bool, what: int) -> ChangeNotification:
    """Watch a folder. Raises `error` 2 when there is none."""
    if not os.path.isdir(folder):
        raise error(ERROR_FILE_NOT_FOUND, "FindFirstChangeNotification", f"{folder} is no folder")
    return ChangeNotification(folder, is_recursive=bool(sub_folders))


def FindNextChangeNotification(handle: ChangeNotification) -> None:
    """Wait for the next change."""
    handle.go_on()


def FindCloseChangeNotification(handle: ChangeNotification) -> None:
    """Watch no more."""
    handle.Close()
