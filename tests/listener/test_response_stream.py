"""Files by descriptor: in order with bytes, in any size, with flat memory, and never one descriptor too many."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from host.wire.control_messages import WorkerGone
from host.wire.frames import FILE_WINDOW_BYTES, INITIAL_RESPONSE_WINDOW, Kind
from tests.listener.running_listener import WAIT_SECONDS, Client, RunningListener, TestWorker, open_descriptors

Start = Callable[..., RunningListener]
PIECE = 1024 * 1024


def open_file(path: Path, content: bytes) -> int:
    path.write_bytes(content)
    return os.open(path, os.O_RDONLY)


def length_head(length: int) -> bytes:
    return b"200 OK\r\nContent-Length: %d\r\n" % length


def test_a_small_file_leaves_with_its_head(front: RunningListener, tmp_path: Path) -> None:
    """One write for head, file and end."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    descriptor = open_file(tmp_path / "f", b"0123456789")
    worker.send_file(number, 0, descriptor)
    worker.begin(number, head=length_head(4))
    worker.file(number, 0, 3, 4)
    worker.end(number)
    assert client.read_response()[2] == b"3456"
    os.close(descriptor)


@pytest.mark.parametrize("descriptor_first", [True, False])
@pytest.mark.parametrize("size", [10, 200_000])
def test_frame_and_descriptor_may_come_in_any_order(
    front: RunningListener, tmp_path: Path, descriptor_first: bool, size: int
) -> None:
    """Two sockets keep no common order; also when the response's end is here before the descriptor."""
    worker, client = front.worker(), front.client()
    content = os.urandom(size)
    descriptor = open_file(tmp_path / "f", content)
    client.get()
    number, _ = worker.request()
    if descriptor_first:
        worker.send_file(number, 0, descriptor)
    worker.begin(number, head=length_head(size))
    worker.file(number, 0, 0, size)
    worker.end(number)
    client.read_until(b"\r\n\r\n")
    if not descriptor_first:
        worker.send_file(number, 0, descriptor)
    os.close(descriptor)
    assert client.read_bytes(size) == content


def test_bytes_and_files_of_every_size_keep_their_order(front: RunningListener, tmp_path: Path) -> None:
    """A multipart answer of ranges, chunked."""
    worker, client = front.worker(), front.client()
    content = os.urandom(400_000)
    descriptor = open_file(tmp_path / "f", content)
    client.get()
    number, _ = worker.request()
    worker.begin(number, b"<")
    for sequence, (offset, length) in enumerate([(0, 100), (5, 300_000), (0, 65536), (399_999, 1), (7, 70_000)]):
        worker.data(number, b"[%d]" % sequence)
        worker.send_file(number, sequence, descriptor)
        worker.file(number, sequence, offset, length)
    worker.data(number, b">")
    worker.end(number)
    os.close(descriptor)
    expected = b"<[0]" + content[:100] + b"[1]" + content[5:300_005] + b"[2]" + content[:65536]
    expected += b"[3]" + content[399_999:] + b"[4]" + content[7:70_007] + b">"
    client.read_until(b"\r\n\r\n")
    assert read_chunks(client) == expected
    client.get("/next")
    kind, _, _ = worker.next_frame()
    while kind is Kind.WINDOW:
        kind, _, _ = worker.next_frame()
    assert kind is Kind.REQUEST


def read_chunks(client: Client) -> bytes:
    body = b""
    while size := int(client.read_until(b"\r\n"), 16):
        body += client.read_bytes(size)
        assert client.read_bytes(2) == b"\r\n"
    client.read_bytes(2)
    return body


def serve_file(worker: TestWorker, number: int, descriptor: int, offset: int, end: int, *, is_read: bool) -> bool:
    """In pieces, a duplicate of the descriptor with each, as many at a time as the window allows.

    With a client that does not read: until the listener has no more use for pieces (False). With one that reads: all.
    """
    window, sequence = INITIAL_RESPONSE_WINDOW, 0
    while offset < end:
        if window < FILE_WINDOW_BYTES:
            if not is_read and worker.is_left_alone():
                return False
            _, body = worker.take(Kind.WINDOW)
            window += int.from_bytes(body, "little")
        count = min(PIECE // 4, end - offset)
        worker.send_file(number, sequence, descriptor)
        worker.file(number, sequence, offset, count)
        offset, sequence, window = offset + count, sequence + 1, window - FILE_WINDOW_BYTES
    worker.end(number)
    return True


@pytest.mark.slow
def test_a_large_file_leaves_memory_flat(front: RunningListener, tmp_path: Path) -> None:
    """A sparse file with marks: everything arrives, neither memory nor descriptors grow."""
    worker, client = front.worker(), front.client()
    size = 256 * PIECE
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(size)
        for at in (0, size // 2, size - 4):
            file.seek(at)
            file.write(b"mark")
    descriptor = os.open(path, os.O_RDONLY)
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=length_head(size))
    client.read_until(b"\r\n\r\n")
    reader = ReadingThread(client, size)
    reader.start()
    assert serve_file(worker, number, descriptor, 0, size, is_read=True)
    reader.join(WAIT_SECONDS)
    assert reader.count == size
    assert reader.marks == 3
    assert reader.growth < 16 * PIECE
    assert front.log.next_request().bytes_sent > size
    os.close(descriptor)


class ReadingThread(threading.Thread):
    """Counts what comes, and marks in it; keeps nothing. Looks at the memory of this process, in which all happens."""

    def __init__(self, client: Client, size: int) -> None:
        super().__init__()
        self.count = self.marks = self.growth = 0
        self._client, self._size = client, size

    def run(self) -> None:
        buffer = bytearray(PIECE)
        process = psutil.Process()
        before = process.memory_info().rss
        while self.count < self._size:
            got = self._client.socket.recv_into(buffer)
            if not got:
                return
            self.marks += buffer.count(b"k", 0, got)
            self.count += got
            if self.count % (16 * PIECE) < got:
                self.growth = max(self.growth, process.memory_info().rss - before)


def test_ranges_of_a_huge_file(front: RunningListener, tmp_path: Path) -> None:
    """Offsets beyond four gigabytes."""
    worker, client = front.worker(), front.client()
    path = tmp_path / "huge"
    offset = 5 * 1024**3
    with path.open("wb") as file:
        file.seek(offset)
        file.write(b"there" * 20_000)
    descriptor = os.open(path, os.O_RDONLY)
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=length_head(100_000))
    worker.send_file(number, 0, descriptor)
    worker.file(number, 0, offset, 100_000)
    worker.end(number)
    os.close(descriptor)
    assert client.read_response()[2] == b"there" * 20_000


@pytest.mark.parametrize("size", [1000, 300_000])
def test_a_file_that_became_shorter_breaks_the_connection(front: RunningListener, tmp_path: Path, size: int) -> None:
    """The promised length cannot be kept."""
    worker, client = front.worker(), front.client()
    descriptor = open_file(tmp_path / "f", b"x" * (size - 1))
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=length_head(size))
    worker.send_file(number, 0, descriptor)
    worker.file(number, 0, 0, size)
    worker.end(number)
    os.close(descriptor)
    assert client.is_reset()
    assert front.log.next_request().status == 200


def test_what_is_no_file_costs_the_worker_its_link(front: RunningListener, tmp_path: Path) -> None:
    """Whatever it is, it could block the listener."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    folder = os.open(tmp_path, os.O_RDONLY)
    worker.send_file(number, 0, folder)
    assert "regular file" in front.message(WorkerGone).broken
    os.close(folder)


@pytest.mark.parametrize("packet", [b"", b"short", b"x" * 9])
def test_a_malformed_packet_costs_the_worker_its_link(front: RunningListener, tmp_path: Path, packet: bytes) -> None:
    """And no descriptor is left behind."""
    worker = front.worker()
    descriptor = open_file(tmp_path / "f", b"x")
    front.run(lambda: None)
    if packet:
        socket.send_fds(worker.side, [packet], [descriptor])
    else:
        socket.send_fds(worker.side, [b"12345678"], [descriptor, descriptor])
    assert "side socket" in front.message(WorkerGone).broken
    os.close(descriptor)


def test_files_that_nobody_asks_for_are_closed(front: RunningListener, tmp_path: Path) -> None:
    """For a request that is over, for a HEAD, for one whose client left: the count of descriptors stays."""
    worker, client = front.worker(), front.client()
    descriptor = open_file(tmp_path / "f", b"x" * 100_000)
    client.get()
    number, _ = worker.request()
    worker.answer(number)
    client.read_response()
    before = front.run(open_descriptors)
    worker.send_file(number, 0, descriptor)  # over
    client.get(method="HEAD")
    number, _ = worker.request()
    worker.begin(number, head=length_head(100_000))
    worker.send_file(number, 0, descriptor)
    worker.file(number, 0, 0, 100_000)
    worker.send_file(number, 1, descriptor)  # no frame will claim this one
    worker.end(number)
    client.read_until(b"\r\n\r\n")
    leaving = front.client()
    leaving.send(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\nab")
    number, _ = worker.request()
    leaving.close()
    worker.take(Kind.ABORT)
    worker.begin(number, head=length_head(100_000))
    worker.send_file(number, 0, descriptor)
    worker.file(number, 0, 0, 100_000)
    worker.end(number)
    worker.take(Kind.SESSION_END)
    client.get("/last")
    worker.answer(worker.request()[0])
    client.read_response()
    assert front.run(open_descriptors) == before
    os.close(descriptor)


def test_descriptors_without_frames_have_a_limit(front: RunningListener, tmp_path: Path) -> None:
    """A worker cannot use up the listener's."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    descriptor = open_file(tmp_path / "f", b"x")
    try:
        for sequence in range(1000):
            worker.send_file(number, sequence, descriptor)
    except OSError:
        pass
    assert "no frame asks for" in front.message(WorkerGone).broken
    os.close(descriptor)


def test_frames_without_descriptors_have_a_limit(front: RunningListener) -> None:
    """Announcing files and never sending them."""
    worker, client = front.worker(), front.client()
    client.get()
    number, _ = worker.request()
    worker.begin(number)
    for sequence in range(INITIAL_RESPONSE_WINDOW // FILE_WINDOW_BYTES + 1):
        worker.file(number, sequence, 0, 1)
    assert "more than its window" in front.message(WorkerGone).broken


def test_a_client_that_leaves_during_a_file_frees_it(front: RunningListener, tmp_path: Path) -> None:
    """ABORT, and both descriptors are closed."""
    worker, client = front.worker(), front.client()
    warm = front.client()
    warm.get()
    worker.answer(worker.request()[0])
    warm.read_response()
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(100 * PIECE)
    descriptor = os.open(path, os.O_RDONLY)
    before = front.run(open_descriptors)
    client.get()
    number, _ = worker.request()
    worker.begin(number, head=length_head(100 * PIECE))
    assert not serve_file(worker, number, descriptor, 0, 100 * PIECE, is_read=False)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.close()
    assert worker.take(Kind.ABORT)[0] == number
    refusal = front.log.next_refusal()
    assert refusal.reason == "Connection_Dropped"
    assert front.log.next_request().win32_status == 0
    assert front.log.next_request().win32_status == 64
    worker.reset(number)
    assert front.run(open_descriptors) == before - 2  # both ends of the client's connection
    os.close(descriptor)


def test_many_files_on_one_connection_use_no_more_descriptors(front: RunningListener, tmp_path: Path) -> None:
    """The duplicate of the client's socket goes when the response is out."""
    worker, client = front.worker(), front.client()
    descriptor = open_file(tmp_path / "f", b"x" * 200_000)
    counts = []
    for _ in range(5):
        client.get()
        number, _ = worker.request()
        worker.begin(number, head=length_head(200_000))
        worker.send_file(number, 0, descriptor)
        worker.file(number, 0, 0, 200_000)
        worker.end(number)
        assert client.read_response()[2] == b"x" * 200_000
        front.log.next_request()
        counts.append(front.run(open_descriptors))
    assert len(set(counts)) == 1
    os.close(descriptor)
