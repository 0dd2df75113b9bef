# A thread pool of the extension's own; requests are pending meanwhile.
import threading

import win32con
import win32file
from isapi import isapicon
from isapi.threaded_extension import ThreadPoolExtension


class Extension(ThreadPoolExtension):
    "Threads of its own"
    max_workers = 3

    def Dispatch(self, ecb):
        if ecb.QueryString == b"raise":
            raise KeyError("from a thread")
        if ecb.QueryString.startswith(b"file="):
            self.send_file(ecb, ecb.QueryString[5:].decode())
            return
        if ecb.QueryString == b"async":
            self.send_parts(ecb)
            return
        ecb.SendResponseHeaders("200 OK", "Content-Type: text/plain\r\n\r\n", False)
        ecb.WriteClient("%s of %d" % (isinstance(threading.current_thread(), threading.Thread), len(self.workers)))
        ecb.DoneWithSession()

    def send_file(self, ecb, name):
        handle = win32file.CreateFile(
            name,
            win32con.GENERIC_READ,
            0,
            None,
            win32con.OPEN_EXISTING,
            win32con.FILE_FLAG_SEQUENTIAL_SCAN | win32con.FILE_FLAG_OVERLAPPED,
            None,
        )
        flags = isapicon.HSE_IO_ASYNC | isapicon.HSE_IO_DISCONNECT_AFTER_SEND | isapicon.HSE_IO_SEND_HEADERS
        ecb.TransmitFile(
            self.sent, handle, int(handle), "200 OK", 0, 0, "Content-type: text/plain\r\n\r\n", "the end", flags
        )

    def sent(self, ecb, handle, count, error):
        handle.Close()
        ecb.LogData = "|%d bytes %d" % (count, error)
        ecb.DoneWithSession()

    def send_parts(self, ecb):
        ecb.SendResponseHeaders("200 OK", "Content-Type: text/plain\r\n\r\n", False)
        ecb.IOCompletion(self.part_sent, [b"two ", b"three"])
        ecb.WriteClient(b"one ", isapicon.HSE_IO_ASYNC)

    def part_sent(self, ecb, parts, count, error):
        if error or not parts:
            ecb.DoneWithSession()
            return
        ecb.WriteClient(parts.pop(0), isapicon.HSE_IO_ASYNC)


def __ExtensionFactory__():
    return Extension()
