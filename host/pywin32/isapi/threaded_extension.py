"""`isapi.threaded_extension`: requests are handed to threads of the extension's own, through a completion port."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable
from html import escape
from typing import Any, Final

from host.pywin32 import win32event, win32file, win32security
from host.pywin32.control_block import report_raised_with
from host.pywin32.isapi import ExtensionError
from host.pywin32.isapi.isapicon import HSE_STATUS_ERROR, HSE_STATUS_PENDING
from host.pywin32.isapi.simple import SimpleExtension
from host.pywin32.pywintypes import OVERLAPPED

ISAPI_REQUEST: Final = 1
ISAPI_SHUTDOWN: Final = 2


class WorkerThread(threading.Thread):
    """Takes what the port gives until a shutdown comes."""

    def __init__(self, extension: ThreadPoolExtension, io_req_port: Any) -> None:
        super().__init__(daemon=True)
        self.running = False
        self.io_req_port = io_req_port
        self.extension = extension

    def run(self) -> None:
        """The loop."""
        self.running = True
        while self.running:
            code, size, key, overlapped = win32file.GetQueuedCompletionStatus(self.io_req_port, win32event.INFINITE)
            if code or (key == ISAPI_SHUTDOWN and overlapped is None):
                break
            handler = self.extension.dispatch_map.get(key)
            if handler is not None:
                handler(code, size, key, overlapped)
        self.running = False

    def call_handler(self, cblock: Any) -> None:
        """The request's code."""
        self.extension.Dispatch(cblock)


class ThreadPoolExtension(SimpleExtension):
    """An extension whose `Dispatch(ecb)` runs on one of `max_workers` threads and ends the request itself."""

    max_workers = 20
    worker_shutdown_wait = 15000  # milliseconds

    def __init__(self) -> None:
        self.workers: list[WorkerThread] = []
        self.dispatch_map: dict[int, Callable[..., Any]] = {ISAPI_REQUEST: self.DispatchConnection}
        self.io_req_port: Any = None

    def GetExtensionVersion(self, vi: Any) -> None:
        """Starts the threads."""
        super().GetExtensionVersion(vi)
        self.io_req_port = win32file.CreateIoCompletionPort(-1, None, 0, 0)
        self.workers = [WorkerThread(self, self.io_req_port) for _ in range(self.max_workers)]
        for worker in self.workers:
            worker.start()

    def HttpExtensionProc(self, control_block: Any) -> int:
        """Hands the request to a thread."""
        overlapped = OVERLAPPED()
        overlapped.object = control_block
        win32file.PostQueuedCompletionStatus(self.io_req_port, 0, ISAPI_REQUEST, overlapped)
        return HSE_STATUS_PENDING

    def TerminateExtension(self, status: int) -> None:
        """Ends the threads, and waits for them as long as `worker_shutdown_wait` says."""
        for _ in self.workers:
            win32file.PostQueuedCompletionStatus(self.io_req_port, 0, ISAPI_SHUTDOWN, None)
        end = time.monotonic() + self.worker_shutdown_wait / 1000
        for worker in self.workers:
            worker.join(max(0.0, end - time.monotonic()))
        self.dispatch_map = {}
        win32file.CloseHandle(self.io_req_port)

    def DispatchConnection(self, err_code: int, size: int, key: int, overlapped: Any) -> None:
        """One request, on a thread, as its user."""
        control_block = overlapped.object
        win32security.SetThreadToken(None, control_block.GetImpersonationToken())
        try:
            self.Dispatch(control_block)
        except BaseException:
            self.HandleDispatchError(control_block)
        finally:
            win32security.SetThreadToken(None, None)

    def Dispatch(self, ecb: Any) -> Any:
        """To be overridden; ends the request by `ecb.DoneWithSession()`."""
        raise NotImplementedError(f"{type(self).__name__} has no Dispatch")

    def HandleDispatchError(self, ecb: Any) -> None:
        """`Dispatch` raised: the traceback goes to the client and to standard error, and the request ends."""
        error = sys.exc_info()[1]
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(text)
        if error is not None:
            report_raised_with(ecb, f"Dispatch of {type(self).__module__}.{type(self).__qualname__}", error, text)
        with contextlib.suppress(ExtensionError, RuntimeError):
            ecb.HttpStatusCode = HSE_STATUS_ERROR
            ecb.SendResponseHeaders("200 OK", "Content-type: text/html\r\n\r\n", False)
            ecb.WriteClient(f"<h3>Error</h3>\n<pre>{escape(text)}</pre>\n")
        with contextlib.suppress(ExtensionError, RuntimeError):
            ecb.DoneWithSession()
