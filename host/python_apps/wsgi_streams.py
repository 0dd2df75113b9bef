"""What a WSGI application reads, and writes errors to. Used on one thread, that of its request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from host.api import HttpError, RequestBody
from host.gateway.error_output import ErrorOutput


class InputStream:
    """wsgi.input: the body as it arrives. It ends where the body ends, chunked ones, too (wsgi.input_terminated).

    A body that a filter refuses while it is read is remembered in `refusal`: applications turn exceptions into pages.
    """

    __slots__ = ("_body", "_buffer", "refusal")

    def __init__(self, body: RequestBody) -> None:
        self._body = body
        self._buffer = b""
        self.refusal: HttpError | None = None

    def read(self, size: int | None = -1) -> bytes:
        """Up to `size` bytes, fewer only at the end; all for None or a negative size. Raises ClientGone."""
        if size is None or size < 0:
            pieces = [self._buffer]
            while piece := self._more():
                pieces.append(piece)
            self._buffer = b""
            return b"".join(pieces)
        pieces, missing = [self._buffer], size - len(self._buffer)
        while missing > 0 and (piece := self._more()):
            pieces.append(piece)
            missing -= len(piece)
        return self._split(b"".join(pieces), size)

    def readline(self, size: int | None = -1) -> bytes:
        """Up to and with the next line feed, or `size` bytes of that line."""
        limit = -1 if size is None or size < 0 else size
        pieces, at, length = [self._buffer], self._buffer.find(b"\n"), len(self._buffer)
        while at < 0 and (limit < 0 or length < limit) and (piece := self._more()):
            found = piece.find(b"\n")
            if found >= 0:
                at = length + found
            pieces.append(piece)
            length += len(piece)
        end = at + 1 if at >= 0 else length
        return self._split(b"".join(pieces), end if limit < 0 else min(end, limit))

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """The lines that are left; about `hint` bytes of them when that is above 0."""
        lines: list[bytes] = []
        size = 0
        while line := self.readline():
            lines.append(line)
            size += len(line)
            if hint is not None and 0 < hint <= size:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line

    def _split(self, data: bytes, at: int) -> bytes:
        self._buffer = data[at:]
        return data[:at]

    def _more(self) -> bytes:
        try:
            return self._body.read_some_blocking()
        except HttpError as refusal:
            self.refusal = refusal
            raise


class ErrorStream:
    """wsgi.errors: text that becomes events tied to the request. `report(request id, line)` may be called on any
    thread."""

    __slots__ = ("_output", "_report", "_request_id")

    def __init__(self, report: Callable[[str, str], None], request_id: str) -> None:
        self._report = report
        self._request_id = request_id
        self._output: ErrorOutput | None = None

    def write(self, text: str) -> int:
        """Note the text; complete lines are told at once."""
        if self._output is None:
            self._output = ErrorOutput()
        for line in self._output.receive(text.encode("utf-8", "backslashreplace")):
            self._report(self._request_id, line)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Note one after the other."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing waits but a line that is not complete."""

    def close_line(self) -> None:
        """The request is over: a last line without its end is told, too."""
        if self._output is not None:
            for line in self._output.receive_end():
                self._report(self._request_id, line)
